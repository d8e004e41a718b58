"""The worker of the stored queue: one job after another, with or without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

from filelock import FileLock, Timeout

from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import QueueRow
from amae_engine.catalog.tables import QueueState, RunState
from amae_engine.errors import AmaeError, NotReady
from amae_engine.events import Event, Level, Notice, RunStarted
from amae_engine.jobs.child_process import run_in_child
from amae_engine.project import Project

_LOCK, _LOG = "queue.lock", "queue.log"
_FEWEST_FREE = 1 << 29  # bytes on the project's disk, below which nothing more is begun
_SECONDS_BETWEEN_LOOKS = 1.0
_PATIENCE = 2.0  # seconds for the lock, which who asks `is_at_work` has for a moment
_SECONDS_TO_START = 60.0
_started: list[subprocess.Popen[bytes]] = []  # so that those that have ended are laid to rest


def work_queue(project: Project) -> Generator[Event, None, int]:
    """Work until no job waits; closing ends the running job at its last whole epoch.

    Returns:
        How many jobs were done.

    Raises:
        NotReady: Another worker is at work on this project.
    """
    lock = FileLock(project.folder / _LOCK, timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise NotReady("Another worker is at work on this project's queue.") from error
    done = 0
    try:
        with project.session() as session:
            job_queue.release(session)
        while (job := _next(project)) is not None:
            if shutil.disk_usage(project.folder).free < _FEWEST_FREE:
                with project.session() as session:
                    job_queue.pause(session)
                yield Notice(
                    "The project's disk is nearly full: the queue is paused. Free some space, then "
                    "resume it.",
                    Level.WARNING,
                )
                break
            yield Notice(job.title)
            done += yield from _work(project, job)
    finally:
        lock.release()
    return done


def is_at_work(project: Project) -> bool:
    """Whether a worker is at work on a project's queue."""
    lock = FileLock(project.folder / _LOCK, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True


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


def _next(project: Project) -> QueueRow | None:
    with project.session() as session:
        return job_queue.next_waiting(session)


def _work(project: Project, job: QueueRow) -> Generator[Event, None, int]:
    """One job to its end; 1 where it is done."""
    with project.session() as session:
        job_queue.take(session, job.id)
    resume = _resumable(project, job)
    running = run_in_child(project.folder, job.job, _settings(project, job), resume)
    looked = time.monotonic()
    try:
        for event in running:
            if isinstance(event, RunStarted):
                with project.session() as session:
                    job_queue.note_run(session, job.id, event.run_id)
                    runs.mark_experiment(session, event.run_id, job.experiment)
            yield event
            if time.monotonic() - looked > _SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                if _state(project, job.id) is not QueueState.RUNNING:
                    running.close()  # paused or cancelled by a reader
                    return 0
    except AmaeError as error:
        _end(project, job.id, QueueState.FAILED, str(error))
        yield Notice(f"{job.title}: {error}", Level.WARNING)
        return 0
    except (GeneratorExit, KeyboardInterrupt):
        running.close()
        with project.session() as session:
            job_queue.release(session)
        raise
    if _state(project, job.id) is QueueState.CANCELLED:
        return 0
    _end(project, job.id, QueueState.DONE)
    return 1


def _settings(project: Project, job: QueueRow) -> dict[str, object]:
    """A job's settings, with the run that it builds on."""
    if job.needs is None:
        return job.config
    with project.session() as session:
        before = job_queue.get(session, job.needs)
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


def _end(project: Project, job_id: int, state: QueueState, error: str = "") -> None:
    with project.session() as session:
        job_queue.end(session, job_id, state, error)
