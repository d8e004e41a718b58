"""What each command does; one function a verb."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amae_engine import config as settings
from amae_engine.catalog import decisions, runs, studies
from amae_engine.catalog.tables import Label
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadInput, BadSetting
from amae_engine.project import Project

_DEMO_FOLDER = Path.home() / "AMAE" / "demo"


def demo(options: Namespace) -> None:
    """Make the demo project, run both stages and print the result table."""
    from amae_engine.jobs.demo import ATTRIBUTION, open_demo, run_demo
    from amae_engine.jobs.evaluate_run import evaluate_run
    from amae_engine.jobs.export import export_results, result_text

    console = Console(options.json)
    folder = options.folder or _DEMO_FOLDER
    stage1, stage2 = settings.stage1_preset("compact"), settings.stage2_preset("compact")
    if options.epochs is not None:
        short = {"epochs": options.epochs, "warmup_epochs": min(1, options.epochs - 1)}
        stage1 = stage1.replace(training=stage1.training.replace(**short).to_dict())
        stage2 = stage2.replace(training=stage2.training.replace(**short).to_dict())
    project = console.drive(open_demo(folder))
    run_id = console.drive(run_demo(project, stage1, stage2))
    evaluation = evaluate_run(project, run_id)
    files = export_results(project, evaluation)
    if options.json:
        say_json(_evaluation_json(evaluation))
        return
    say(result_text(evaluation))
    say(ATTRIBUTION)
    say(f"Pictures and tables: {files[0].parent}")
    say(f"Open it in the window: amae {folder}")


def pseudo(options: Namespace) -> None:
    """List pseudo-labels; record a reader's decisions."""
    from amae_engine.jobs.assign_pseudo_labels import current_pseudo_labels, write_snapshot
    from amae_engine.jobs.label_settings import choose_label_settings, label_settings
    from amae_engine.method.pseudo_labels import PseudoLabel

    project = Project.open(options.project)
    for text in options.decide:
        _decide(project, text, options.reader)
    chosen = label_settings(project)
    if options.source:
        chosen = chosen.replace(source=options.source)
    if options.keep is not None:
        chosen = chosen.replace(keep_percent=options.keep)
    choose_label_settings(project, chosen)
    view = current_pseudo_labels(project, chosen, options.run)
    if options.csv is not None:
        write_snapshot(view, options.csv)
    counts = {label.name.lower(): view.count(label) for label in PseudoLabel}
    facts: dict[str, Any] = {
        "stage1_run": view.run_id,
        "source": chosen.source.value,
        "normal_at_or_below": round(view.threshold_normal, 4),
        "abnormal_at_or_above": round(view.threshold_abnormal, 4),
        "decided_by_readers": int(view.by_reader.sum()),
        "module_a": view.normals + counts["normal"],
        "module_b": counts["abnormal"],
        **counts,
    }
    if options.json:
        say_json(facts)
        return
    for name, value in facts.items():
        say(f"{name.replace('_', ' '):<22} {value}")


def evaluate(options: Namespace) -> None:
    """Print AUC and AP of every score of a run."""
    from amae_engine.jobs.evaluate_run import evaluate_run
    from amae_engine.jobs.export import result_text

    if options.boxes is not None:
        _evaluate_maps(options)
        return
    evaluation = evaluate_run(Project.open(options.project), options.run)
    if options.json:
        say_json(_evaluation_json(evaluation))
    else:
        say(result_text(evaluation))


def _evaluate_maps(options: Namespace) -> None:
    from amae_engine.jobs.evaluate_maps import evaluate_maps

    found = evaluate_maps(Project.open(options.project), options.boxes, options.run)
    if options.json:
        say_json({kind.value: asdict(judged) for kind, judged in found.items()})
        return
    any_of_them = next(iter(found.values()))
    say(
        f"{any_of_them.images} test images with marked regions, "
        f"{100 * any_of_them.marked_share:.0f} % of their pixels"
    )
    say(f"{'map':<28} pixel AUC  pixel AP  pointing game  Dice")
    for kind, judged in found.items():
        say(
            f"{kind.label:<28} {judged.pixel_auc:9.3f} {judged.pixel_ap:9.3f} "
            f"{judged.pointed:8d} of {judged.images:<3d} {judged.dice:5.2f}"
        )


def export(options: Namespace) -> None:
    """Write scores, curves and example images."""
    from amae_engine.jobs.evaluate_run import evaluate_run
    from amae_engine.jobs.export import export_results

    project = Project.open(options.project)
    files = export_results(project, evaluate_run(project, options.run))
    if options.json:
        say_json([str(file) for file in files])
    else:
        say("\n".join(str(file) for file in files))


def list_runs(options: Namespace) -> None:
    """Print the project's runs, newest first."""
    from amae_engine.jobs.evaluate_run import peer_title

    project = Project.open(options.project)
    with project.session() as session:
        rows = runs.list_runs(session)
    if options.json:
        say_json([{"id": r.id, "kind": r.kind, "state": r.state, "of": r.parent_id} for r in rows])
        return
    for row in rows:
        kind = peer_title(row) or row.kind
        epochs = f"epoch {row.epoch}/{row.epochs}" if row.epochs else ""
        say(f"{row.id:>4}  {kind:<9} {row.state:<12} {epochs:<16} {row.error}")


def _decide(project: Project, text: str, reader: str) -> None:
    name, _, label = text.partition("=")
    allowed = {"normal", "abnormal", "exclude", "none"}
    if label not in allowed:
        raise BadSetting(
            f"--decide needs IMAGE=LABEL with a label of {', '.join(sorted(allowed))}."
        )
    with project.session() as session:
        ids = studies.page_of_ids(session, f"name:{name}")
        if len(ids) != 1:
            raise BadInput(f"{name}: there is no such image in this project.")
        chosen = Label.NONE if label == "none" else Label(label)
        decisions.decide(session, [int(ids[0])], chosen, reader)


def _evaluation_json(evaluation: Any) -> dict[str, Any]:
    return {
        "run": evaluation.run_id,
        "measured_on": evaluation.measured_on,
        "scores": {
            str(s.kind): {
                "origin": s.kind.origin,
                "auc": [s.auc.value, s.auc.low, s.auc.high],
                "ap": [s.ap, s.ap_low, s.ap_high],
                "chi_square": s.chi_square,
            }
            for s in evaluation.scores
        },
    }
