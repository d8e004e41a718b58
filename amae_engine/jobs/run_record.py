"""A run's row, folder and metrics while a job works on it."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np

from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.config import JsonConfig
from amae_engine.errors import BadSetting, NotReady
from amae_engine.events import Changed, Changes, EpochEnd, Event, Preview, RunStarted
from amae_engine.jobs.versions import versions
from amae_engine.method import processes
from amae_engine.project import Project

_SECONDS_BETWEEN_BEATS = 2.0
_PREVIEW = "preview.npz"
T = TypeVar("T")


class RunRecord:
    """Keeps one run's row and folder in step with the job that runs it.

    Where several processes train together, the leader writes and the others only follow.

    Args:
        project: Where the run belongs.
        kind: What the run is.
        config: Its settings; written once, never changed.
        parent_id: The run it builds on.
        epochs: Epochs in all, over every module.
        resume: An interrupted, cancelled or failed run to go on with instead of a new one.

    Raises:
        BadSetting: `resume` is another kind of run, is finished, or had other settings.
    """

    def __init__(
        self,
        project: Project,
        kind: RunKind,
        config: JsonConfig,
        parent_id: int | None,
        epochs: int,
        resume: int | None = None,
    ) -> None:
        self._project = project
        self._last_beat = time.monotonic()
        self._epochs: dict[str, int] = {}  # finished ones of each module
        opened = self._open(kind, config, parent_id, epochs, resume) if processes.leads() else 0
        self.id = processes.agreed(opened)
        self.folder: Path = project.run_folder(self.id)

    def _open(
        self,
        kind: RunKind,
        config: JsonConfig,
        parent_id: int | None,
        epochs: int,
        resume: int | None,
    ) -> int:
        with self._project.session() as session:
            if resume is not None:
                _require_resumable(runs.get(session, resume), kind)
                runs.restart(session, resume)
                return resume
            run_id = runs.start(session, kind, config.to_dict(), parent_id, epochs)
        folder = self._project.run_folder(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"id": run_id, "kind": kind, "config": config.to_dict(), "versions": versions()}
        _write_json(folder / "run.json", facts)
        return run_id

    def follow(self, step: str, job: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """Pass a job's events on while keeping the row and the metrics file up to date.

        Ends the run as finished, cancelled (the generator was closed) or failed.
        """
        if not processes.leads():
            return (yield from job)
        try:
            yield RunStarted(self.id, step)
            yield Changes(Changed.RUNS)
            result = yield from self._recorded(job)
        except GeneratorExit:
            with self._project.session() as session:
                runs.cancel(session, self.id)
            raise
        except BaseException as error:
            with self._project.session() as session:
                runs.fail(session, self.id, str(error) or type(error).__name__)
            raise
        with self._project.session() as session:
            runs.finish(session, self.id)
        yield Changes(Changed.RUNS | Changed.SCORES)
        return result

    def skip(self, module: str, epochs: int) -> None:
        """Count a module that an earlier session finished."""
        self._epochs[module] = epochs

    def _recorded(self, job: Generator[Event, None, T]) -> Generator[Event, None, T]:
        try:
            while True:
                try:
                    event = next(job)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                self._note(event)
                yield event
        finally:
            job.close()

    def _keep_preview(self, event: Preview) -> None:
        beside = self.folder / "preview.part.npz"
        np.savez(
            beside,
            step=event.step,
            module=event.module,
            image=event.image,
            masked=event.masked,
            reconstruction=event.reconstruction,
        )
        beside.replace(self.folder / _PREVIEW)

    def _note(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, Preview):
            self._keep_preview(event)
        if isinstance(event, EpochEnd):
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(event)) + "\n")
        elif now - self._last_beat < _SECONDS_BETWEEN_BEATS:
            return
        self._last_beat = now
        if isinstance(event, EpochEnd):
            self._epochs[event.module] = event.epoch
        with self._project.session() as session:
            runs.beat(session, self.id, sum(self._epochs.values()) or None)


def read_preview(project: Project, run_id: int) -> Preview | None:
    """The last reconstruction that a run has shown, or None."""
    path = project.run_folder(run_id) / _PREVIEW
    if not path.is_file():
        return None
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in ("image", "masked", "reconstruction")}
        return Preview(str(stored["step"]), str(stored["module"]), **arrays)


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


def _write_json(path: Path, content: dict[str, object]) -> None:
    """Write a JSON file beside its place and rename it."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    beside.replace(path)


def _require_resumable(row: runs.RunRow, kind: RunKind) -> None:
    if row.kind != kind:
        raise BadSetting(f"Run {row.id} is a {row.kind} run and cannot be resumed as {kind}.")
    if row.state == RunState.FINISHED:
        raise BadSetting(f"Run {row.id} is finished: there is nothing to resume. Start a new run.")
