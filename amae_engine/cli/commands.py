"""What each command does; one function a verb."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from amae_engine import config as settings
from amae_engine.catalog import decisions, runs, studies
from amae_engine.catalog.tables import Label, RunKind, RunState
from amae_engine.cli.progress import Console
from amae_engine.config import JsonConfig, PseudoLabelConfig, ScoreConfig
from amae_engine.errors import BadInput, BadSetting, NotReady
from amae_engine.project import Project

_DEMO_FOLDER = Path.home() / "AMAE" / "demo"
_FRESH_SECONDS = 5.0  # a run without a heartbeat for so long has lost its process


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
        _say_json(_evaluation_json(evaluation))
        return
    _say(result_text(evaluation))
    _say(ATTRIBUTION)
    _say(f"Pictures and tables: {files[0].parent}")
    _say(f"Open it in the window: amae {folder}")


def train(options: Namespace) -> None:
    """Run or resume pretrain, stage1, stage2 or score."""
    from amae_engine.jobs.child_process import make_job

    project = Project.open(options.project)
    kind = RunKind(options.name)
    resume = getattr(options, "resume", None)
    if resume == 0:
        resume = _newest_unfinished(project, kind)
    chosen = _config(kind, options)
    job = make_job(project, options.name, chosen.to_dict(), resume)
    run_id = Console(options.json).drive(job)
    if options.json:
        _say_json({"run": run_id})
    else:
        _say(f"Run {run_id} is finished.")


def pseudo(options: Namespace) -> None:
    """List pseudo-labels; record a reader's decisions."""
    from amae_engine.jobs.assign_pseudo_labels import current_pseudo_labels, write_snapshot
    from amae_engine.method.pseudo_labels import PseudoLabel

    project = Project.open(options.project)
    for text in options.decide:
        _decide(project, text, options.reader)
    chosen = PseudoLabelConfig(keep_percent=options.keep)
    view = current_pseudo_labels(project, chosen, options.run)
    if options.csv is not None:
        write_snapshot(view, options.csv)
    counts = {label.name.lower(): view.count(label) for label in PseudoLabel}
    facts: dict[str, Any] = {
        "stage1_run": view.run_id,
        "normal_at_or_below": round(view.threshold_normal, 4),
        "abnormal_at_or_above": round(view.threshold_abnormal, 4),
        "decided_by_readers": int(view.by_reader.sum()),
        "module_a": view.normals + counts["normal"],
        "module_b": counts["abnormal"],
        **counts,
    }
    if options.json:
        _say_json(facts)
        return
    for name, value in facts.items():
        _say(f"{name.replace('_', ' '):<22} {value}")


def evaluate(options: Namespace) -> None:
    """Print AUC and AP of every score of a run."""
    from amae_engine.jobs.evaluate_run import evaluate_run
    from amae_engine.jobs.export import result_text

    evaluation = evaluate_run(Project.open(options.project), options.run)
    if options.json:
        _say_json(_evaluation_json(evaluation))
    else:
        _say(result_text(evaluation))


def export(options: Namespace) -> None:
    """Write scores, curves and example films."""
    from amae_engine.jobs.evaluate_run import evaluate_run
    from amae_engine.jobs.export import export_results

    project = Project.open(options.project)
    files = export_results(project, evaluate_run(project, options.run))
    if options.json:
        _say_json([str(file) for file in files])
    else:
        _say("\n".join(str(file) for file in files))


def list_runs(options: Namespace) -> None:
    """Print the project's runs, newest first."""
    project = Project.open(options.project)
    with project.session() as session:
        rows = runs.list_runs(session)
    if options.json:
        _say_json([{"id": r.id, "kind": r.kind, "state": r.state, "of": r.parent_id} for r in rows])
        return
    for row in rows:
        epochs = f"epoch {row.epoch}/{row.epochs}" if row.epochs else ""
        _say(f"{row.id:>4}  {row.kind:<9} {row.state:<12} {epochs:<16} {row.error}")


def doctor(options: Namespace) -> None:
    """Print what this machine and installation can do."""
    from amae_engine.jobs.machine import machine_facts

    facts = machine_facts()
    if options.json:
        _say_json(facts)
        return
    for name, value in facts.items():
        _say(f"{name:<22} {value}")


def bench(options: Namespace) -> None:
    """Measure this machine."""
    from amae_engine.bench.report import as_json, as_text, run_benchmarks

    against_plain = options.against == "plain"
    results = run_benchmarks(options.names, options.preset, options.seconds, against_plain)
    for measured in results:
        if options.json:
            _say_json(as_json(measured))
        else:
            _say(as_text(measured))


def _config(kind: RunKind, options: Namespace) -> JsonConfig:
    types: dict[RunKind, type[JsonConfig]] = {
        RunKind.PRETRAIN: settings.PretrainConfig,
        RunKind.STAGE1: settings.Stage1Config,
        RunKind.STAGE2: settings.Stage2Config,
        RunKind.SCORE: ScoreConfig,
    }
    preset = getattr(options, "preset", "")
    start: JsonConfig = types[kind]()
    if preset and kind is RunKind.STAGE1:
        start = settings.stage1_preset(preset)
    elif preset and kind is RunKind.STAGE2:
        start = settings.stage2_preset(preset)
    elif preset and kind is RunKind.SCORE:
        start = settings.score_preset(preset)
    elif preset:
        start = settings.PretrainConfig(model=settings.require_preset(preset))
    values = start.to_dict()
    if options.config is not None:
        values = _merged(values, _read_json(options.config))
    for text in options.set:
        values = _merged(values, _setting(text))
    return types[kind].from_dict(values)


def _setting(text: str) -> dict[str, Any]:
    """Turn "training.epochs=3" into {"training": {"epochs": 3}}."""
    name, equals, value = text.partition("=")
    if not equals:
        raise BadSetting(f"--set needs NAME=VALUE; it is '{text}'.")
    try:
        parsed: Any = json.loads(value)
    except json.JSONDecodeError:
        parsed = value
    for part in reversed(name.split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path.name} cannot be read as JSON settings: {error}.") from error
    if not isinstance(content, dict):
        raise BadSetting(f"{path.name} must hold a JSON object of settings.")
    return content


def _newest_unfinished(project: Project, kind: RunKind) -> int:
    with project.session() as session:
        runs.mark_interrupted(session, older_than_seconds=_FRESH_SECONDS)
        rows = runs.list_runs(session)
    for row in rows:
        if row.kind is kind and row.state is RunState.RUNNING:
            raise NotReady(
                f"Run {row.id} was at work less than {_FRESH_SECONDS:.0f} s ago; end it in the "
                f"program that runs it, or try again in {_FRESH_SECONDS:.0f} s if that was killed."
            )
        if row.kind is kind and row.state in runs.RESUMABLE:
            return row.id
    raise NotReady(f"There is no unfinished {kind} run to resume; start a new one.")


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


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say_json(content: object) -> None:
    sys.stdout.write(json.dumps(content, indent=1) + "\n")
