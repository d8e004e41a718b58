"""The worker of a project's queue: one job after another, with or without a window."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from amae_engine.atomic_write import write_text
from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import QueueRow
from amae_engine.catalog.tables import QueueState, RunState
from amae_engine.errors import AmaeError, NotReady, translate_os_error
from amae_engine.events import (
    Alive,
    Event,
    JobBegan,
    JobEnded,
    Level,
    Notice,
    Progress,
    RunStarted,
)
from amae_engine.jobs.child_process import run_in_child
from amae_engine.project import Project

MakeJob = Callable[[], Generator[Event, None, object]]
_LOCK, _LOG, _PROGRESS = "queue.lock", "queue.log", "queue.json"
_FEWEST_FREE = 1 << 29  # bytes on the project's disk, below which nothing more is begun
_SECONDS_BETWEEN_LOOKS = 0.25  # at the job's row, which a reader may have changed
_LONGEST_HOLD = (
    600.0  # seconds that a paused job keeps its memory; then its last whole epoch counts
)
_SECONDS_BETWEEN_WORDS = 2.0  # of how far a job is, for other processes
_PATIENCE = 2.0  # seconds for the lock, which who asks `is_at_work` has for a moment
_SECONDS_TO_START = 60.0
_NONE: Mapping[int, MakeJob] = MappingProxyType({})
_log = logging.getLogger(__name__)
_started: list[subprocess.Popen[bytes]] = []  # so that those that have ended are laid to rest


def work_queue(project: Project, own: Mapping[int, MakeJob] = _NONE) -> Generator[Event, None, int]:
    """Work until no job waits; closing ends the running job at its last whole epoch.

    What a reader does to the queue meanwhile is in its rows: a paused job is held for ten minutes and
    then left for later, a cancelled one is closed.

    Args:
        project: Whose queue.
        own: Jobs that this process alone can do, by their numbers. Where another worker is at work,
            these alone are done.

    Returns:
        How many jobs were done.

    Raises:
        NotReady: Another worker is at work on this project, and there are no jobs of `own`.
    """
    done = 0
    with _right_to_work(project) as is_mine:
        if not is_mine and not own:
            raise NotReady("Another worker is at work on this project's queue.")
        while (job := _next(project, own, is_mine)) is not None:
            if shutil.disk_usage(project.folder).free < _FEWEST_FREE:
                project.in_session(job_queue.pause)
                yield Notice(
                    "The project's disk is nearly full: the queue is paused. Free some space, then "
                    "resume it.",
                    Level.WARNING,
                )
                break
            done += yield from _work(project, job, own)
    return done


@contextmanager
def _right_to_work(project: Project) -> Iterator[bool]:
    """Whether this process is the project's one worker, while the body runs."""
    lock = FileLock(project.folder / _LOCK, timeout=_PATIENCE, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        project.in_session(job_queue.release)
        yield True
    finally:
        (project.folder / _PROGRESS).unlink(missing_ok=True)
        lock.release()


def progress_elsewhere(project: Project) -> Progress | None:
    """How far the running job of another process is, by what its worker has written."""
    try:
        found = json.loads((project.folder / _PROGRESS).read_text(encoding="utf-8"))
        left = found["seconds_left"]
        return Progress(
            str(found["step"])[:128],
            int(found["done"]),
            int(found["total"]),
            seconds_left=None if left is None else float(left),
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None  # nothing yet, or not from a worker


def is_at_work(project: Project) -> bool:
    """Whether a worker is at work on a project's queue."""
    lock = FileLock(project.folder / _LOCK, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:  # nobody may write here
        return False


def start_worker(project: Project) -> None:
    """Start a worker of its own, which goes on when this process ends; its words go to a log.

    Returns when a worker is at work, or this one has done all that waited.

    Raises:
        NotReady: It ended with an error.
    """
    command = [sys.executable, "-m", "amae_engine.cli", "queue", "run", "--project",
               str(project.folder)]  # fmt: skip
    with (project.folder / _LOG).open("a", encoding="utf-8") as log:
        apart: dict[str, object] = (
            {"creationflags": 0x00000208}  # detached, in a group of its own
            if os.name == "nt"
            else {"start_new_session": True}
        )
        worker = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path.home(), **apart
        )
    _started[:] = [each for each in _started if each.poll() is None] + [worker]
    began = time.monotonic()
    while not is_at_work(project) and time.monotonic() - began < _SECONDS_TO_START:
        if worker.poll() is not None:
            if worker.returncode and not is_at_work(project):
                raise NotReady(f"The queue's worker ended at once; {_LOG} in the project says why.")
            return
        time.sleep(_PATIENCE / 20)


def _next(project: Project, own: Mapping[int, MakeJob], is_mine: bool) -> QueueRow | None:
    with project.session() as session:
        job = job_queue.next_waiting(session, own)
        return job if job is not None and (is_mine or job.id in own) else None


def _work(
    project: Project, job: QueueRow, own: Mapping[int, MakeJob]
) -> Generator[Event, None, int]:
    """One job to its end; 1 where it is done."""
    if not project.in_session(job_queue.take, job.id):
        return 0  # cancelled or paused since it was looked at
    yield JobBegan(job.id, job.title)
    result, message, state = None, "", QueueState.DONE
    try:
        result, is_left = yield from _watch(project, job, _begin(project, job, own))
    except (GeneratorExit, KeyboardInterrupt):
        project.in_session(job_queue.release)
        raise
    except Exception as error:  # noqa: BLE001 - every error must reach the reader
        is_left, state = False, QueueState.FAILED
        if not isinstance(error, AmaeError):
            _log.exception("%s failed", job.title)
        known = error if isinstance(error, AmaeError) else translate_os_error(error)
        message = str(known or f"{type(error).__name__}: {error}")
    with project.session() as session:
        is_ended = not is_left and job_queue.end(session, job.id, state, message)
        if not is_ended:  # paused or cancelled, perhaps between the last look and its end
            message = str(job_queue.get(session, job.id).state)
        if job.job == job_queue.HERE:
            job_queue.forget_here(session, [job.id])
    yield JobEnded(job.id, job.title, result, message)
    return int(is_ended and state is QueueState.DONE)


def _begin(
    project: Project, job: QueueRow, own: Mapping[int, MakeJob]
) -> Generator[Event, None, object]:
    if job.id in own:
        return own[job.id]()
    return run_in_child(project.folder, job.job, _settings(project, job), _resumable(project, job))


def _watch(
    project: Project, job: QueueRow, running: Generator[Event, None, object]
) -> Generator[Event, None, tuple[object, bool]]:
    """Pass on a job's events, and look at its row; its result, and whether it was left unfinished."""
    looked = told = time.monotonic()
    try:
        while True:
            try:
                event = next(running)
            except StopIteration as stop:
                return stop.value, False
            if isinstance(event, RunStarted):
                _note_run(project, job, event.run_id)
            yield event
            now = time.monotonic()
            if isinstance(event, Progress) and now - told > _SECONDS_BETWEEN_WORDS:
                told = now
                with suppress(OSError):
                    write_text(project.folder / _PROGRESS, json.dumps(asdict(event)))
            if now - looked > _SECONDS_BETWEEN_LOOKS:
                if not (yield from _may_go_on(project, job)):
                    return None, True
                looked = time.monotonic()
    finally:
        running.close()


def _may_go_on(project: Project, job: QueueRow) -> Generator[Event, None, bool]:
    """Whether a job's row still says that it runs; holds it here while it is paused."""
    began = time.monotonic()
    while (state := _state(project, job.id)) is QueueState.PAUSED:
        if job.job != job_queue.HERE and time.monotonic() - began > _LONGEST_HOLD:
            return False
        yield Alive()
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if state is QueueState.WAITING:  # resumed
        return project.in_session(job_queue.take, job.id)
    return state is QueueState.RUNNING


def _note_run(project: Project, job: QueueRow, run_id: int) -> None:
    with project.session() as session:
        job_queue.note_run(session, job.id, run_id)
        if job.experiment:
            runs.mark_experiment(session, run_id, job.experiment)


def _settings(project: Project, job: QueueRow) -> dict[str, object]:
    """A job's settings, with the run that it builds on."""
    if job.needs is None:
        return job.config
    with project.session() as session:
        before = job_queue.get(session, job.needs)
        if (
            before.job == job.job == "stage2" and before.run_id is not None
        ):  # it varies module B alone
            stage1 = runs.get(session, before.run_id).parent_id
            return {**job.config, "module_a_run": before.run_id, "stage1_run": stage1}
    return {**job.config, f"{before.job}_run": before.run_id}


def _resumable(project: Project, job: QueueRow) -> int | None:
    """The run that an earlier worker began and did not end; None to begin a new one."""
    if job.run_id is None:
        return None
    with project.session() as session:
        state = runs.get(session, job.run_id).state
    open_states = (RunState.INTERRUPTED, RunState.CANCELLED, RunState.FAILED)
    return job.run_id if state in open_states else None


def _state(project: Project, job_id: int) -> QueueState:
    with project.session() as session:
        return job_queue.get(session, job_id).state
