"""One step of the work in a process that will be killed: python -m …selftest.victim PROJECT STEP.

Prints "begun" when the work begins, and each decision that is in the catalog.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from amae_engine.catalog import decisions, image_tables, runs
from amae_engine.catalog.tables import Label, Split
from amae_engine.drive import drive
from amae_engine.jobs.child_process import make_job
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.project import Project
from tests.robustness.small_project import settings_of, some_files

STEPS = ("import", "stage1", "stage2", "score", "labels", "export", "report", "creation")
READER = "SELFTEST"
_DECISIONS = 400


def work(folder: Path, step: str, weights: Path) -> None:
    """Do one step; one that was cut short is resumed."""
    is_new = not (folder / "project.json").is_file()
    with closing(Project.create(folder) if is_new else Project.open(folder)) as project:
        if step == "import":
            drive(import_images(project, some_files(), "demo", "demo"))
        elif step in ("stage1", "stage2", "score"):
            begun = _unfinished(project, step)
            drive(make_job(project, step, settings_of(step, weights), begun))
        elif step == "labels":
            _decide(project)
        elif step == "export":
            export_results(project, evaluate_run(project, 0), READER)
        elif step == "report":
            drive(make_report(project, evaluate_run(project, 0), READER))


def _unfinished(project: Project, step: str) -> int | None:
    with project.session() as session:
        found = [r for r in runs.list_runs(session) if r.kind == step]
    return found[0].id if found and found[0].state in runs.RESUMABLE else None


def _decide(project: Project) -> None:
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
    labels = (Label.NORMAL, Label.ABNORMAL, Label.EXCLUDE)
    for number in range(_DECISIONS):
        image, label = ids[number % len(ids)], labels[number % 3]
        with project.session() as session:
            decisions.decide(session, [image], label, READER)
        _say(f"{image} {label}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say("begun")
    work(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
