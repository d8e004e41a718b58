"""A run's life: its row, its folder, its lease and its inputs while a job works on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from amae_engine import processes
from amae_engine.atomic_write import write_arrays, write_text
from amae_engine.catalog import runs
from amae_engine.catalog.audit import RUN_FILES, audit
from amae_engine.catalog.lease import Lease
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.config import JsonConfig
from amae_engine.drive import pass_on
from amae_engine.errors import BadSetting, NotReady, TrainingFailed
from amae_engine.events import (
    Changed,
    Changes,
    EpochEnd,
    Event,
    Level,
    Notice,
    Preview,
    RunStarted,
)
from amae_engine.project import Project
from amae_engine.runs.environment import environment, versions
from amae_engine.runs.inputs import RunInputs, read_inputs
from amae_engine.runs.rising_loss import rise_text
from amae_engine.runs.run_files import write_digests

_SECONDS_BETWEEN_BEATS = 2.0
_PREVIEWS = ("preview_before.npz", "preview.npz")  # by the starting weights, and the newest
_FACTS = "run.json"
SHORTCUTS_FILE = "shortcuts.json"
MODEL_FACTS = "model.json"  # what a model file that rated the images says of itself
T = TypeVar("T")
Config = TypeVar("Config", bound=JsonConfig)


@dataclass(frozen=True, slots=True)
class NewRun(Generic[Config]):
    """What a run is made of.

    Attributes:
        config: Its settings; written once, never changed.
        inputs: What it sees; written once, never changed.
        parent_id: The run it builds on.
        epochs: Epochs in all, over every module.
        notes: Sentences that a reader of its results should know.
        keep: Writes what else it begins with into its folder.
    """

    config: Config
    inputs: RunInputs
    parent_id: int | None = None
    epochs: int = 0
    notes: tuple[str, ...] = ()
    keep: Callable[[Path], object] | None = None


@dataclass(frozen=True, slots=True)
class RunStep(Generic[Config]):
    """A step of the pipeline as a run.

    Attributes:
        kind: What the run is.
        config: The type of its settings.
        work: The job itself: what it learns and scores goes into the record's folder.
        title: For the reader; "" for that of its settings (a peer's method).
    """

    kind: RunKind
    config: type[Config]
    work: Callable[[Project, Config, RunRecord], Generator[Event, None, None]]
    title: str = ""

    def run(
        self,
        project: Project,
        new: Callable[[RunInputs | None], NewRun[Config]],
        resume: int | None = None,
        repeats: int | None = None,
    ) -> Generator[Event, None, int]:
        """Start or resume a run, do its work, and end it; returns its number.

        Where several processes train together, rank zero opens the run and the others only follow.

        Args:
            project: Where the run belongs.
            new: Makes a new run from what the repeated one saw, or None; not called on resuming.
            resume: An interrupted, cancelled or failed run to resume instead.
            repeats: A run to make again from its recorded inputs.

        Raises:
            BadSetting: The run to resume is another kind of run, or is finished.
            NotReady: Another process works on it, or it did not keep its inputs.
        """
        record = _opened(project, self.kind, new, resume, repeats)
        config = self.config.from_dict(record.config)
        work = self.work(project, config, record)
        yield from record.follow(self.title or str(getattr(config, "title", "")), work)
        return record.id


def _opened(
    project: Project,
    kind: RunKind,
    new: Callable[[RunInputs | None], NewRun[Config]],
    resume: int | None,
    repeats: int | None,
) -> RunRecord:
    """Hold a run's lease.

    Raises:
        BadSetting: The run to resume is another kind of run, or is finished.
        NotReady: Another process works on it, or it did not keep its inputs.
    """
    recorded = None if repeats is None else read_inputs(project.run_folder(repeats))
    made = new(recorded) if resume is None else None
    opened: tuple[int, Lease | None] = (0, None)
    if processes.is_rank_zero():
        if made is None:
            opened = _reopened(project, kind, resume or 0)
        else:
            opened = _started(project, kind, made, repeats)
    run_id, lease = processes.broadcast(opened[0]), opened[1]
    with project.session() as session:
        row = runs.get(session, run_id)
    return RunRecord(project, row, read_inputs(project.run_folder(run_id)), lease)


class RunRecord:
    """Keeps one run's row and folder in step with the job that works on it.

    Attributes:
        id: The run's number.
        folder: Its folder.
        config: Its settings, as JSON values.
        parent_id: The run it builds on, 0 for none.
        inputs: What it saw when it was started.
    """

    def __init__(
        self, project: Project, row: runs.RunRow, inputs: RunInputs, lease: Lease | None
    ) -> None:
        self._project, self._lease = project, lease
        self._last_beat = time.monotonic()
        self._epochs: dict[str, int] = {}  # finished ones of each module
        self.id = row.id
        self.folder: Path = project.run_folder(row.id)
        self.config: dict[str, Any] = row.config
        self.parent_id = row.parent_id or 0
        self.inputs = inputs

    def follow(self, step: str, job: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Pass a job's events on while keeping the row and the metrics file up to date.

        Ends the run as finished, cancelled (the generator was closed, or Ctrl+C) or failed, and lets it go.
        """
        if not processes.is_rank_zero():
            return (yield from job)
        try:
            yield RunStarted(self.id, step)
            yield Changes(Changed.RUNS)
            result = yield from pass_on(job, self._note)
            if rise := rise_text(read_metrics(self._project, self.id)):
                yield Notice(rise, Level.WARNING)
            files = write_digests(self.folder)
            with self._project.session() as session:
                runs.finish(session, self.id)
                audit(session, "", RUN_FILES, json.dumps({"run": self.id, "files": files}))
        except (GeneratorExit, KeyboardInterrupt):
            with self._project.session() as session:
                runs.cancel(session, self.id)
            raise
        except BaseException as error:
            with self._project.session() as session:
                runs.fail(session, self.id, str(error) or type(error).__name__)
            raise
        finally:
            if self._lease is not None:
                self._lease.release()
        yield Changes(Changed.RUNS | Changed.SCORES)
        return result

    def skip(self, module: str, epochs: int) -> None:
        """Count a module that an earlier session finished."""
        self._epochs[module] = epochs

    def _keep_preview(self, event: Preview) -> None:
        write_arrays(self.folder / _PREVIEWS[event.epoch > 0], asdict(event))

    def _note(self, event: Event) -> Event:
        now = time.monotonic()
        if isinstance(event, Preview):
            self._keep_preview(event)
        if isinstance(event, EpochEnd):
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(event)) + "\n")
            self._epochs[event.module] = event.epoch
        elif now - self._last_beat < _SECONDS_BETWEEN_BEATS:
            return event
        self._last_beat = now
        if self._lease is not None and not self._lease.renew():
            raise TrainingFailed(
                f"Run {self.id}: the database went away, and another process works on the run now."
            )
        with self._project.session() as session:
            runs.beat(session, self.id, sum(self._epochs.values()) or None)
        return event


def run_facts(project: Project, run_id: int) -> dict[str, Any]:
    """What a run's `run.json` says: settings, versions, machine, hashes of its inputs, notes.

    A stage-1 run's shortcut check is next to them, under "shortcuts".
    """
    folder = project.run_folder(run_id)
    if not (folder / _FACTS).is_file():
        return {}
    found: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    if (folder / SHORTCUTS_FILE).is_file():
        found["shortcuts"] = json.loads((folder / SHORTCUTS_FILE).read_text(encoding="utf-8"))
    return found


def input_hashes(project: Project, run_id: int) -> dict[str, str]:
    """The hash of each part of what a run saw; {} where its folder is gone."""
    found: dict[str, str] = run_facts(project, run_id).get("inputs", {}).get("hashes", {})
    return found


def read_previews(project: Project, run_id: int) -> tuple[Preview, ...]:
    """The reconstructions that a run keeps: of its starting weights, and the newest one."""
    paths = [project.run_folder(run_id) / name for name in _PREVIEWS]
    return tuple(_read_preview(path) for path in paths if path.is_file())


def _read_preview(path: Path) -> Preview:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in ("image", "masked", "reconstruction")}
        step, module, epoch = (stored[name].item() for name in ("step", "module", "epoch"))
        return Preview(step, module, **arrays, epoch=epoch)


def read_metrics(project: Project, run_id: int) -> tuple[EpochEnd, ...]:
    """Every epoch that a run has finished, as it was reported."""
    path = project.run_folder(run_id) / "metrics.jsonl"
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8") as lines:
        return tuple(EpochEnd(**json.loads(line)) for line in lines if line.endswith("}\n"))


def newest_finished(project: Project, kind: RunKind, run_id: int, needed_for: str) -> runs.RunRow:
    """The run that a step builds on.

    Args:
        project: Where to look.
        kind: What the run must be.
        run_id: Its number, or 0 for the newest finished one.
        needed_for: What the reader wanted, for the error.

    Raises:
        NotReady: There is no such finished run.
    """
    with project.session() as session:
        row = runs.newest(session, kind) if run_id == 0 else runs.get(session, run_id)
    if row is None:
        raise NotReady(f"{needed_for} needs a finished {kind} run; run `amae {kind}` first.")
    if row.kind != kind or row.state != RunState.FINISHED:
        raise NotReady(
            f"{needed_for} needs a finished {kind} run; run {row.id} is {row.kind}, {row.state}."
        )
    return row


def _started(
    project: Project, kind: RunKind, new: NewRun[Config], repeats: int | None
) -> tuple[int, Lease]:
    with project.session() as session:
        run_id = runs.start(session, kind, new.config.to_dict(), new.parent_id, new.epochs)
        folder = project.run_folder(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        new.inputs.write(folder)
        _write_facts(folder, kind, new, repeats)
        if new.keep is not None:
            new.keep(folder)
        # before the row can be seen: nobody takes a running run without a lease for a dead one
        lease = project.take_lease(run_id)
        if lease is None:
            raise NotReady(f"Run {run_id} is at work in another process; try again.")
    return run_id, lease


def _reopened(project: Project, kind: RunKind, run_id: int) -> tuple[int, Lease]:
    with project.session() as session:
        row = runs.get(session, run_id)
    _require_resumable(row, kind)
    read_inputs(project.run_folder(run_id))
    lease = project.take_lease(run_id)
    if lease is None:
        raise NotReady(
            f"Run {run_id} is at work in another process, or paused there; end it in the program "
            f"that runs it before you resume it here."
        )
    with project.session() as session:
        runs.restart(session, run_id)
    return run_id, lease


def _require_resumable(row: runs.RunRow, kind: RunKind) -> None:
    if row.kind != kind:
        raise BadSetting(f"Run {row.id} is a {row.kind} run and cannot be resumed as {kind}.")
    if row.state == RunState.FINISHED:
        raise BadSetting(f"Run {row.id} is finished: there is nothing to resume. Start a new run.")


def _write_facts(folder: Path, kind: RunKind, new: NewRun[Any], repeats: int | None) -> None:
    works: Any = getattr(new.config, "training", new.config)
    facts = {
        "id": int(folder.name),
        "kind": kind,
        "parent": new.parent_id,
        "repeats": repeats,
        "config": new.config.to_dict(),
        "inputs": new.inputs.facts(),
        "notes": list(new.notes),
        "versions": versions(),
        "environment": environment(works.device, works.precision),
    }
    write_text(folder / _FACTS, json.dumps(facts, indent=1))
