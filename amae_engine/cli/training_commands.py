"""`amae pretrain|stage1|stage2|score`: settings from the command line, one or more processes."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from amae_engine import config as settings
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import JsonConfig, ScoreConfig
from amae_engine.errors import BadSetting, NotReady, TrainingFailed
from amae_engine.peers.methods import PeerConfig
from amae_engine.project import Project

_FRESH_SECONDS = 5.0  # a run without a heartbeat for so long has lost its process


def train(options: Namespace) -> None:
    """Run or resume pretrain, stage1, stage2, score or a peer."""
    from amae_engine.jobs.child_process import make_job
    from amae_engine.method import processes

    if getattr(options, "processes", 1) > processes.count():
        _start_processes(options.processes, options.arguments)
        return
    with processes.joined():
        project = Project.open(options.project)
        kind = RunKind(options.name)
        resume = getattr(options, "resume", None)
        if resume == 0:
            resume = _newest_unfinished(project, kind) if processes.leads() else 0
            resume = processes.agreed(resume)
        chosen = _config(kind, options)
        job = make_job(project, options.name, chosen.to_dict(), resume)
        if not processes.leads():
            for _ in job:
                pass
            return
        run_id = Console(options.json).drive(job)
    if options.json:
        say_json({"run": run_id})
    else:
        say(f"Run {run_id} is finished.")


def _start_processes(count: int, arguments: list[str]) -> None:
    """Start this command again, `count` times, as `torchrun` does; they train one run together."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*start, f"--nproc-per-node={count}", "-m", "amae_engine.cli", *arguments]
    ended = subprocess.run(command, check=False)
    if ended.returncode:
        raise TrainingFailed(
            f"One of the {count} processes ended with code {ended.returncode}; its message stands "
            f"above. The last whole epoch is kept: go on with --resume."
        )


def _config(kind: RunKind, options: Namespace) -> JsonConfig:
    types: dict[RunKind, type[JsonConfig]] = {
        RunKind.PRETRAIN: settings.PretrainConfig,
        RunKind.STAGE1: settings.Stage1Config,
        RunKind.STAGE2: settings.Stage2Config,
        RunKind.SCORE: ScoreConfig,
        RunKind.PEER: PeerConfig,
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
    if getattr(options, "paper", False):
        start = settings.as_in_the_paper(start)
    values = start.to_dict()
    if kind is RunKind.PEER:
        values = {**values, "method": options.method, "protocol": options.protocol}
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
