"""Validation images, operating points, subgroups, maps on demand, from the command line."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from amae_engine.catalog import locked_points, looks, studies, validation_images
from amae_engine.catalog.tables import Split
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, NotReady
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.jobs.evaluation.operating_points import PointResult


def validation(options: Namespace) -> None:
    """Set test images apart, give them back, seal the others."""
    project = Project.open(options.project)
    with project.session() as session:
        if options.share is not None:
            validation_images.draw_validation(session, options.share, options.reader, options.seed)
        for names, is_validation in ((options.add, True), (options.remove, False)):
            if names:
                ids = [_id(studies.page_of_ids(session, f"name:{n}").tolist(), n) for n in names]
                validation_images.set_validation(session, ids, is_validation, options.reader)
        if options.seal:
            locked_points.seal(session, options.reader)
        count = studies.split_counts(session)[Split.TEST]
        sealed = looks.is_sealed(session)
    facts = {
        "validation": count.validation,
        "tested_on": count.images - count.validation,
        "sealed": sealed,
    }
    if options.json:
        say_json(facts)
        return
    state = "sealed" if sealed else "open"
    say(
        f"{facts['validation']} validation images, {facts['tested_on']} test images, which are "
        f"{state}."
    )


def operating_point(options: Namespace) -> None:
    """Choose a threshold; lock it; say what it does."""
    from amae_engine.evaluation.operating_rules import Rule, RuleChoice
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run, judged_run
    from amae_engine.jobs.evaluation.operating_points import (
        at_prevalence,
        choose_point,
        falls_short,
        lock_point,
        result_at,
    )

    project = Project.open(options.project)
    run = judged_run(project, options.run, "An operating point")
    kind = _kind(project, run.id, options.score)
    choice = RuleChoice(Rule(options.by), options.target, options.prevalence)
    chosen = choose_point(project, run.id, kind, choice)
    facts: dict[str, Any] = {
        "run": run.id,
        "score": str(kind),
        "threshold": chosen.threshold,
        "by": options.by,
        "chosen_on": chosen.chosen_on,
    }
    if chosen.point is not None:
        facts["on_validation"] = asdict(chosen.point)
    row = found = None
    if options.lock:
        row = lock_point(project, chosen, options.reader)
        facts |= {"locked_by": row.reader, "locked_at": row.locked_at, "blind": row.is_blind}
        score = evaluate_run(project, run.id, options.reader).score(kind)
        if score is not None:
            found = result_at(
                score.truth, score.values, row.threshold, options.prevalence, score.patients
            )
            facts["on_test"] = {
                **asdict(found.point),
                "sensitivity": found.sensitivity.numbers,
                "specificity": found.specificity.numbers,
                "ppv": found.predictive.ppv.numbers,
                "npv": found.predictive.npv.numbers,
                "prevalence": found.prevalence,
                "falls_short": falls_short(choice, found),
            }
    if options.json:
        say_json(facts)
        return
    say(f"{kind.label} of run {run.id}: threshold {chosen.threshold:.6g}.")
    say(f"Chosen: {choice.text}; on {chosen.chosen_on}.")
    if chosen.point is not None:
        say("There:")
        _say_point(at_prevalence(chosen.point, options.prevalence))
    say("Not locked; --lock fixes it and opens the test images." if row is None else row.text)
    if found is not None and score is not None:
        say(f"On {score.images} test images:")
        _say_point(found)
        if short := falls_short(choice, found):
            say(short)


def _say_point(found: PointResult) -> None:
    for name, number in found.numbers.items():
        say(f"  {name:<30} {number}")


def maps(options: Namespace) -> None:
    """Make the maps of some images of a run that kept none."""
    from amae_engine.jobs.evaluation.evaluate_maps import regions_by_image
    from amae_engine.jobs.evaluation.evaluate_run import judged_run
    from amae_engine.jobs.scoring.make_maps import make_maps_of

    project = Project.open(options.project)
    run = judged_run(project, options.run, "Making maps").id
    with project.session() as session:
        ids = [_id(studies.page_of_ids(session, f"name:{n}").tolist(), n) for n in options.images]
    if options.marked:
        ids += regions_by_image(project)
    if not ids:
        raise BadInput("Say of which images: name some, or --marked (where a region is marked).")
    made = Console(options.json).drive(make_maps_of(project, run, ids))
    if options.json:
        say_json({"run": run, "made": made})
        return
    say(f"Maps of {made} images of run {run} are made.")


def _kind(project: Project, run_id: int, name: str) -> ScoreKind:
    from amae_engine.jobs.evaluation.leading_score import leading_score

    if name:
        return ScoreKind.of(name)
    leading = leading_score(project, run_id)
    if leading is None:
        raise NotReady(f"Run {run_id} has no leading score; name one with --score.")
    return leading.kind


def _id(found: list[int], name: str) -> int:
    if len(found) != 1:
        raise BadInput(f"{name}: there is no such image in this project.")
    return found[0]
