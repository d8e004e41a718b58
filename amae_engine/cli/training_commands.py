"""`amae pretrain|stage1|stage2|score|rerun`: settings from the command line, one or more processes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from amae_engine import config as settings
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.cli.bundle_commands import rerun_bundle
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import STEPS, JsonConfig, Stage1Config
from amae_engine.config.peers import PeerConfig
from amae_engine.errors import BadSetting, NotReady, TrainingFailed
from amae_engine.jobs.planning.defaults import Chosen, default_config
from amae_engine.project import Project

_TYPES: dict[RunKind, type[JsonConfig]] = {
    RunKind.PRETRAIN: settings.PretrainConfig,
    RunKind.STAGE1: settings.Stage1Config,
    RunKind.STAGE2: settings.Stage2Config,
    RunKind.SCORE: settings.ScoreConfig,
    RunKind.PEER: PeerConfig,
}


def train(options: Namespace) -> None:
    """Run or resume pretrain, stage1, stage2, score or a peer."""
    from amae_engine import processes
    from amae_engine.jobs.child_process import JobConfig, make_job

    _require_plain_resume(options)
    if getattr(options, "processes", 1) > processes.world_size():
        _start_processes(options.processes, options.arguments)
        return
    with processes.process_group():
        project = Project.open(options.project)
        kind = RunKind(options.name)
        console = Console(options.json)
        resume = getattr(options, "resume", None)
        if resume == 0:
            resume = _newest_unfinished(project, kind) if processes.is_rank_zero() else 0
            resume = processes.broadcast(resume)
        config: JobConfig = {}
        if resume is None:
            chosen = _config(project, kind, options)
            config = chosen.config
            if chosen.why and processes.is_rank_zero():
                console.tell(chosen.why)
        job = make_job(project, options.name, config, resume)
        if not processes.is_rank_zero():
            for _ in job:
                pass
            return
        run_id = console.drive(job)
    if options.json:
        say_json({"run": run_id})
    else:
        say(f"Run {run_id} is finished.")


def rerun(options: Namespace) -> None:
    """Make a run again from what it recorded, and compare."""
    from amae_engine.jobs.sharing.rerun import rerun as make_again

    if not options.run.isdecimal():
        rerun_bundle(options)
        return
    if options.project is None:
        raise BadSetting("rerun needs the project of the run: give --project FOLDER.")
    options.run = int(options.run)
    project = Project.open(options.project)
    agreement = Console(options.json).drive(make_again(project, options.run))
    if options.json:
        say_json({**dataclasses.asdict(agreement), "identical": agreement.is_identical})
    else:
        say("\n".join(agreement.lines()))
    if not agreement.is_identical:
        raise TrainingFailed(
            f"Run {agreement.repetition} differs from run {options.run}; the lines above say where."
        )


def _require_plain_resume(options: Namespace) -> None:
    """A resumed run keeps its settings, so that it ends as it would have ended."""
    if getattr(options, "resume", None) is None:
        return
    given = {
        "--set": bool(options.set),
        "--config": options.config is not None,
        "--preset": bool(getattr(options, "preset", "")),
        "--paper": getattr(options, "paper", False),
    }
    wrong = [name for name, is_given in given.items() if is_given]
    if wrong:
        raise BadSetting(
            f"--resume goes on with the run's own settings, so {', '.join(wrong)} cannot be given "
            f"with it. To change a setting, start a new run without --resume."
        )


def _start_processes(count: int, arguments: list[str]) -> None:
    """Start this command again, `count` times, as `torchrun` does; they train one run together."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    with tempfile.TemporaryDirectory(prefix="amae-") as logs:  # torchrun leaves its own behind
        place = [f"--log-dir={logs}", f"--nproc-per-node={count}"]
        command = [*start, *place, "-m", "amae_engine.cli", *arguments]
        ended = subprocess.run(command, check=False)
    if ended.returncode:
        raise TrainingFailed(
            f"One of the {count} processes ended with code {ended.returncode}; its message stands "
            f"above. What was whole is kept (epochs, scored images): go on with --resume."
        )


def _config(project: Project, kind: RunKind, options: Namespace) -> Chosen[JsonConfig]:
    """Settings by default, preset and options; single ones win."""
    if kind is RunKind.PEER:
        peer = PeerConfig().replace(method=options.method, protocol=options.protocol)
        chosen: Chosen[JsonConfig] = Chosen(peer, "", "")
    else:
        chosen = default_config(project, STEPS[kind], options.preset, options.paper)
    changes = {} if options.config is None else _flat(_read_json(options.config))
    changes |= dict(_setting(text) for text in options.set)
    config, why = chosen.config.changed(changes), chosen.why
    epochs, warmup = "training.epochs", "training.warmup_epochs"
    if epochs in changes and warmup not in changes:
        before, now = (
            each.to_dict()["training"]["warmup_epochs"] for each in (chosen.config, config)
        )
        if now < before:
            why += f" The warm-up is {now} of {now} epochs, as there are no more."
    if isinstance(config, Stage1Config) and isinstance(chosen.config, Stage1Config):
        # where the reader chose other weights, but no preset, the weights decide the network
        is_same = config.preset == chosen.config.preset and not options.preset
        if is_same and config.weights != chosen.config.weights:
            config, why = config.replace(preset=""), f"{why} The network is that of the weights."
    return Chosen(config, chosen.preset, why)


def _setting(text: str) -> tuple[str, Any]:
    """Turn "training.epochs=3" into a path and its value."""
    name, equals, value = text.partition("=")
    if not equals:
        raise BadSetting(f"--set needs NAME=VALUE; it is '{text}'.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The value of each path: {"training": {"epochs": 3}} as {"training.epochs": 3}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inside = isinstance(value, dict) and value
        found |= _flat(value, f"{before}{name}.") if inside else {before + name: value}
    return found


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
        rows = [row for row in runs.list_runs(session) if row.kind is kind]
    for row in rows:
        if row.state is RunState.RUNNING:
            raise NotReady(
                f"Run {row.id} is at work in another process, or paused there; end it in the "
                f"program that runs it before you resume it here."
            )
        if row.state in runs.RESUMABLE:
            return row.id
    raise NotReady(f"There is no unfinished {kind} run to resume; start a new one.")
