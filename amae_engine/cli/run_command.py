"""`amae run`: a folder of images to their evaluation, in one command."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.cli.commands import evaluation_json
from amae_engine.cli.import_commands import bring_in, open_or_create, plan_of, say_counts
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.jobs.run_pipeline import PipelineRuns

TEXT = "import, stage 1, stage 2, score and evaluate, with what was chosen and why; resumable"


def run(options: Namespace) -> None:
    """Import what is new, do every step that is not up to date, and evaluate where there is truth."""
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.run_pipeline import require_both_sets, run_pipeline
    from amae_engine.jobs.sharing.export import export_results, result_text

    is_project = (options.project / "project.json").is_file()
    plan = plan_of(options)
    given = plan if plan.paths or not is_project else None
    require_both_sets(Project.open(options.project) if is_project else None, given)
    project = open_or_create(options)
    if given is not None:
        bring_in(project, given, options)
        if not options.json:
            say_counts(project, as_json=False)
    made = Console(options.json).drive(run_pipeline(project, options.epochs))
    with project.session() as session:
        test = studies.split_counts(session)[Split.TEST]
    if not made.score or not (test.normal and test.abnormal):
        _end_without_truth(options, made, test)
        return
    evaluation = evaluate_run(project, made.score, options.reader)
    files = export_results(project, evaluation, options.reader)
    if options.json:
        say_json({"runs": asdict(made), **evaluation_json(evaluation)})
        return
    say(result_text(evaluation))
    say(f"Pictures and tables: {files[0].parent}")
    say(f"Open it in the window: amae {options.project}")


def _end_without_truth(options: Namespace, made: PipelineRuns, test: studies.SplitCount) -> None:
    if options.json:
        say_json({"runs": asdict(made)})
        return
    if test.images:
        say(
            f"Run {made.score} has the scores of {test.images} test images. They cannot be evaluated: "
            f"the truth is recorded for {test.normal} normal and {test.abnormal} abnormal ones, and "
            f"both are needed. Import them again from test/normal and test/abnormal or with a table."
        )
    else:
        say("There are no test images, so nothing was scored; give them in a folder 'test'.")
    say(f"Open it in the window: amae {options.project}")


def add_run_options(verb: argparse.ArgumentParser) -> None:
    """What `run` has besides the options of `import`."""
    verb.add_argument("--epochs", type=int, help="of both stages, fewer for a quick look")
