"""What each command does; one function a verb."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amae_engine.catalog import decisions, runs, studies
from amae_engine.catalog.tables import Label
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import ScoreKind, Stage2Config
from amae_engine.errors import BadInput, BadSetting
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.config import PseudoLabelConfig
    from amae_engine.jobs.evaluation.evaluate_maps import JudgedMap
    from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation
    from amae_engine.jobs.evaluation.subgroups import Subgroup
    from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import PseudoLabelView

_DEMO_FOLDER = Path.home() / "AMAE" / "demo"


def demo(options: Namespace) -> None:
    """Make the demo project, run both stages and print the result table."""
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.importing.demo import ATTRIBUTION, open_demo
    from amae_engine.jobs.run_pipeline import run_pipeline
    from amae_engine.jobs.sharing.export import export_results, result_text

    console = Console(options.json)
    folder = options.folder or _DEMO_FOLDER
    project = console.drive(open_demo(folder))
    made = console.drive(run_pipeline(project, options.epochs))
    evaluation = evaluate_run(project, made.score)
    files = export_results(project, evaluation)
    if options.json:
        say_json(evaluation_json(evaluation))
        return
    say(result_text(evaluation))
    say(ATTRIBUTION)
    say(f"Pictures and tables: {files[0].parent}")
    say(f"Open it in the window: amae {folder}")


def pseudo(options: Namespace) -> None:
    """List pseudo-labels; record a reader's decisions."""
    from amae_engine.jobs.planning.defaults import (
        choose_label_settings,
        default_config,
        label_settings,
    )
    from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
        current_pseudo_labels,
        write_labels,
    )

    project = Project.open(options.project)
    if options.decide:
        _decide(project, options.decide, options.reader)
    chosen = label_settings(project)
    if options.source:
        chosen = chosen.replace(source=options.source)
    if options.keep is not None:
        chosen = chosen.replace(keep_percent=options.keep)
    if options.keep_abnormal is not None:
        chosen = chosen.replace(keep_abnormal_percent=options.keep_abnormal)
    if chosen != label_settings(project):
        choose_label_settings(project, chosen)
    Console(options.json).tell(default_config(project, Stage2Config, parent=options.run).why)
    view = current_pseudo_labels(project, chosen, options.run)
    if options.csv is not None:
        write_labels(view, options.csv)
    facts = _label_facts(view, chosen)
    if options.json:
        say_json(facts)
        return
    for name, value in facts.items():
        say(f"{name.replace('_', ' '):<22} {value}")


def _label_facts(view: PseudoLabelView, config: PseudoLabelConfig) -> dict[str, Any]:
    from amae_engine.method.pseudo_labels import PseudoLabel

    normal, abnormal = view.cut_probabilities
    counts = {label.name.lower(): view.count(label) for label in PseudoLabel}
    return {
        "stage1_run": view.run_id,
        "source": view.source.value,
        "keep_percent": config.keep_percent,
        "keep_percent_of_abnormal": config.keep_of_abnormal,
        "normal_at_or_below": round(normal, 4),
        "abnormal_at_or_above": round(abnormal, 4),
        "decided_by_readers": int(view.by_reader.sum()),
        "module_a": len(view.normal.ids) + counts["normal"],
        "module_b": counts["abnormal"],
        **counts,
    }


def evaluate(options: Namespace) -> None:
    """Print AUC and AP of every score of a run."""
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.sharing.export import result_text

    if options.boxes is not None or options.regions:
        _evaluate_maps(options)
        return
    project = Project.open(options.project)
    evaluation = evaluate_run(project, options.run, options.reader, options.validation)
    groups = _subgroups(project, evaluation) if options.subgroups else []
    if options.json:
        facts = evaluation_json(evaluation)
        say_json({**facts, "subgroups": [group.facts for group in groups]})
        return
    say(result_text(evaluation))
    for group in groups:
        auc = group.auc
        text = auc.text(3) if auc else "one class only"
        few = "  (few)" if group.is_small else ""
        images = f"{group.normal} + {group.abnormal}"
        say(f"{group.of:<8} {group.value:<28} {images:>11}  {text}{few}")


def _subgroups(project: Project, evaluation: RunEvaluation) -> list[Subgroup]:
    """Those of the leading score, of a peer's own for a peer."""
    from amae_engine.jobs.evaluation.subgroups import subgroups

    leading = evaluation.leading.kind if evaluation.leading else ScoreKind.PEER
    return subgroups(project, evaluation, leading)


def _evaluate_maps(options: Namespace) -> None:
    from amae_engine.evaluation.localisation import DICE
    from amae_engine.jobs.curation.marked_images import marks_by_image
    from amae_engine.jobs.evaluation.evaluate_maps import (
        compare_maps,
        evaluate_maps,
        regions_by_image,
    )

    project = Project.open(options.project)
    if options.boxes is not None:
        marks, _ = marks_by_image(project, options.boxes)
        marked = {image: [outline for outline, _ in each] for image, each in marks.items()}
    else:
        marked = regions_by_image(project, options.reader, options.agreed)
    if options.every_run:
        _say_maps(compare_maps(project, marked, reader=options.reader), options.json)
        return
    found = evaluate_maps(project, marked, options.run, options.reader)
    if options.json:
        say_json({kind.value: judged.facts for kind, judged in found.items()})
        return
    any_of_them = next(iter(found.values()))
    say(
        f"{any_of_them.images} test images with marked regions, "
        f"{100 * any_of_them.marked_share:.0f} % of their pixels"
    )
    if options.agreed:
        say("! These regions began as parts of a map: that map agrees with them by construction.")
    say(_map_line(f"{'map':<28}", {name: name for name in any_of_them.texts}))
    for kind, judged in found.items():
        say(_map_line(f"{kind.label:<28}", judged.texts))
    say(f"Dice: {DICE}. 95 % intervals over {any_of_them.patients} patients.")


def _map_line(begin: str, texts: Mapping[str, str]) -> str:
    return begin + "  ".join(f"{text:<25}" for text in texts.values()).rstrip()


def _say_maps(judged: list[JudgedMap], as_json: bool) -> None:
    """The maps of several runs, side by side."""
    from amae_engine.evaluation.localisation import DICE

    if as_json:
        say_json(
            [
                {
                    "run_id": e.run_id,
                    "method": e.method,
                    "kind": e.kind.value,
                    "found": e.found.facts,
                }
                for e in judged
            ]
        )
        return
    first = judged[0].found
    say(
        f"{first.images} test images with marked regions, {100 * first.marked_share:.0f} % of "
        f"their pixels; the same images for every run"
    )
    heads = {name: name for name in first.texts}
    say(_map_line(f"{'run':>4}  {'method':<38} {'map':<28} ", heads))
    for each in judged:
        say(_map_line(f"{each.run_id:>4}  {each.method:<38} {each.of:<28} ", each.found.texts))
    say(f"Dice: {DICE}. 95 % intervals over {first.patients} patients.")


def export(options: Namespace) -> None:
    """Write scores, curves and example images."""
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.sharing.export import export_results

    project = Project.open(options.project)
    evaluation = evaluate_run(project, options.run, options.reader)
    files = export_results(project, evaluation, options.reader)
    if options.json:
        say_json([str(file) for file in files])
    else:
        say("\n".join(str(file) for file in files))


def list_runs(options: Namespace) -> None:
    """Print the project's runs, newest first; or all that one of them recorded."""
    from amae_engine.jobs.evaluation.evaluate_run import peer_title
    from amae_engine.runs.record import run_facts

    project = Project.open(options.project)
    with project.session() as session:
        rows = runs.list_runs(session) if options.run is None else [runs.get(session, options.run)]
    if options.run is not None:
        facts = run_facts(project, options.run)
        say_json({"state": rows[0].state, "error": rows[0].error, **facts})
        return
    if options.json:
        say_json([{"id": r.id, "kind": r.kind, "state": r.state, "of": r.parent_id} for r in rows])
        return
    for row in rows:
        kind = peer_title(row) or row.kind
        epochs = f"epoch {row.epoch}/{row.epochs}" if row.epochs else ""
        say(f"{row.id:>4}  {kind:<9} {row.state:<12} {epochs:<16} {row.error}")


def _decide(project: Project, texts: list[str], reader: str) -> None:
    """Decide on every IMAGE=LABEL in one act."""
    allowed = {"normal": Label.NORMAL, "abnormal": Label.ABNORMAL, "exclude": Label.EXCLUDE}
    ids, labels = [], []
    with project.session() as session:
        for text in texts:
            name, _, label = text.partition("=")
            if label not in (*allowed, "none"):
                raise BadSetting(
                    f"--decide needs IMAGE=LABEL with a label of {', '.join(allowed)}, none; it is "
                    f"'{text}'."
                )
            found = studies.page_of_ids(session, f"split:unlabeled name:{name}")
            if len(found) != 1:
                raise BadInput(
                    f"{name}: there is no such unlabeled image in this project; pseudo-labels are of "
                    f"those alone."
                )
            ids.append(int(found[0]))
            labels.append(allowed.get(label, Label.NONE))
        decisions.decide(session, ids, labels, reader)


def evaluation_json(evaluation: Any) -> dict[str, Any]:
    """What `--json` says of an evaluation."""
    return {
        "run": evaluation.run_id,
        "measured_on": evaluation.measured_on,
        "intervals": evaluation.intervals,
        "unjudged": list(evaluation.unjudged),
        "leading": str(evaluation.leading.kind) if evaluation.leading else None,
        "leading_because": evaluation.leading.reason if evaluation.leading else "",
        "learned": list(evaluation.learned),
        "scores": {
            str(s.kind): {
                "origin": evaluation.origin(s.kind),
                "normal": int((s.truth == 0).sum()),
                "abnormal": int((s.truth == 1).sum()),
                "auc": s.auc.numbers,
                "ap": s.ap.numbers,
                "chi_square": s.chi_square,
                "chi_square_by_chance": s.chi_square_by_chance,
            }
            for s in evaluation.scores
        },
    }
