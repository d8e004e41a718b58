"""A project's queue in the window: its rows in the catalog, and the thread that works them here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from amae_app.job_thread import JobThread
from amae_app.queue_state import JobsState, RunningJob, read_jobs
from amae_app.runner import Runner
from amae_app.words import reading_only
from amae_engine.catalog import job_queue
from amae_engine.catalog.database import Session
from amae_engine.catalog.job_queue import HERE, NewJob, QueueRow
from amae_engine.catalog.tables import QueueState
from amae_engine.errors import AmaeError, NotReady
from amae_engine.events import Alive, Event, JobBegan, JobEnded, Progress
from amae_engine.jobs.planning.work_queue import MakeJob, is_at_work, start_worker, work_queue
from amae_engine.project import Project

T = TypeVar("T")
_LOOK_MS = 2000  # between looks at rows that others may change
_log = logging.getLogger(__name__)


class ProjectQueue(QObject):
    """Stands while the project is open, and as long as this window works for it.

    Args:
        folder: Of the project; the queue opens it for itself.
        name: Of the project, for the reader.
        only_reading: Why nothing may be queued; "" where it may.
        parent: The window's queues.

    Signals:
        event_came(event): of the job that this window works.
        ended(job, result or None, message): such a job ended; the message is "" where it is done.
        changed(): what waits, runs or is paused.
        refused(message): something that was asked for cannot be done.
        work_wanted(): jobs wait for this window.
        idle(): this window does not work for the project any more.
        closed(): after `close`.
    """

    event_came = Signal(object)
    ended = Signal(object, object, str)
    changed = Signal()
    refused = Signal(str)
    work_wanted = Signal()
    idle = Signal()
    closed = Signal()

    def __init__(
        self, folder: Path, name: str, only_reading: str = "", parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.folder, self.name, self._only_reading = folder, name, only_reading
        self.busy_with = ""  # what the machine does for another project
        self.state = JobsState()
        self._project: Project | None = None
        self._opening = threading.Lock()
        self._own: dict[int, MakeJob] = {}
        self._mine: RunningJob | None = None  # what this window works at
        self._thread: JobThread | None = None
        self._changes = 0  # that were begun
        self._unwritten = 0
        self._unread = ""
        self._is_paused = self._is_cancelling = self._is_wanted = False
        self._has_asked, self._is_over = False, True
        self.is_closing = False
        self._leaves: Callable[[Project], None] | None = None
        self._runner = Runner(1, self)
        self._runner.failed.connect(self._on_failed_read)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(_LOOK_MS)
        self.look()

    @property
    def running_job(self) -> RunningJob | None:
        """The job at work, here or in another process."""
        return self._mine or self.state.at_work

    @property
    def running(self) -> str:
        """Its title; "" where nothing runs."""
        return self.running_job.title if self.running_job is not None else ""

    @property
    def waiting(self) -> tuple[QueueRow, ...]:
        """The other open jobs, paused ones too."""
        running = self.running_job
        return tuple(j for j in self.state.jobs if running is None or j.id != running.id)

    @property
    def is_paused(self) -> bool:
        """Whether what runs is held, or what waits is left for later."""
        return self._is_paused

    @property
    def is_cancelling(self) -> bool:
        """Whether the running job was asked to end and has not ended yet."""
        return self._is_cancelling

    @property
    def progress(self) -> Progress | None:
        """How far another process's running job is; None where it is this window's, whose events tell."""
        return None if self._mine is not None else self.state.progress

    @property
    def is_working(self) -> bool:
        """Whether this window works for the project, or is about to."""
        return self._thread is not None or self._is_wanted

    @property
    def can_go_on_alone(self) -> bool:
        """Whether a worker of its own could do all that is open."""
        return all(job.job != HERE for job in self.state.jobs)

    def add(self, *jobs: NewJob) -> None:
        """Queue jobs that build on one another: if one fails, the ones after it are dropped."""
        chain = [replace(job, needs=n - 1 if n else None) for n, job in enumerate(jobs)]
        self._queue(chain, lambda _: self.start())

    def do(self, title: str, make: MakeJob) -> None:
        """Queue a job that only this window can do: what it is about is not for the catalog."""

        def begin(numbers: list[int]) -> None:
            self._own[numbers[0]] = make
            self.start()

        self._queue([NewJob(title, HERE, {})], begin)

    @Slot()
    def start(self) -> None:
        """Work what waits, as soon as the machine is free."""
        self._is_wanted = self._has_asked = True
        self.work_wanted.emit()

    def start_apart(self) -> None:
        """Let a worker of its own do what waits, which outlives the window."""
        self._runner.run("worker", lambda: start_worker(self._opened()), lambda _: self.look())

    @Slot()
    def toggle_pause(self) -> None:
        """Pause or resume all that is open."""
        if self._is_paused:
            self._change(job_queue.resume, lambda _: self.start())
        else:
            self._change(job_queue.pause)
        self._is_paused = not self._is_paused
        self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """End the running job, or else the first paused one, and drop what builds on it."""
        job = self.running_job or next(iter(self.state.jobs), None)
        if job is not None:
            self._is_cancelling = self.running_job is not None
            self.drop(job.id)
            self.changed.emit()

    def drop(self, number: int) -> None:
        """Take a job out, and what builds on it."""
        self._change(partial(job_queue.cancel, job_id=number))

    def move_first(self, number: int) -> None:
        """Let a waiting job and what it builds on run next."""
        self._change(partial(job_queue.move_first, job_id=number))

    def retry(self, number: int) -> None:
        """Let a job that failed or was cancelled wait again."""
        self._change(partial(job_queue.retry, job_id=number))

    @Slot()
    def look(self) -> None:
        """Read the rows again."""
        if self._leaves is not None:
            return  # the project is being closed
        own, before = tuple(self._own), self.state
        self._runner.run("jobs", lambda: read_jobs(self._opened(), own, before), self._show)

    def begin(self) -> None:
        """Work, now that the machine is free."""
        self._is_wanted = False
        self._thread = JobThread(self._work, self)
        self._thread.event_came.connect(self._on_event)
        self._thread.done.connect(self._on_stopped)
        self._thread.failed.connect(self._on_broken)
        self._thread.start()

    def close(self, goes_on: bool = False) -> None:
        """Stop working at the last whole epoch, and close the project; `closed` follows.

        Args:
            goes_on: Leave what is open to a worker of its own; else it is paused, where this window
                worked for it.
        """
        was_at_work, self.is_closing = self.is_working, True
        self._is_wanted = False

        def leave(project: Project) -> None:
            project.in_session(job_queue.forget_here, tuple(self._own))
            if goes_on and was_at_work:
                project.in_session(job_queue.resume)
                start_worker(project)
            elif was_at_work and not is_at_work(project):
                project.in_session(job_queue.pause)

        self._timer.stop()
        self._leaves = leave
        if self._thread is not None:
            self._thread.close()
        else:
            self._leave()

    def _work(self) -> Generator[Event, None, int]:
        try:
            return (yield from work_queue(self._opened(), self._own))
        except NotReady:
            return 0  # another process works it

    def _opened(self) -> Project:
        with self._opening:  # the runner and the worker may want it at once
            if self._project is None:
                self._project = Project.open(self.folder)
                reads_only = self._only_reading or self._project.only_reading
                if not (self._project.is_shared or reads_only):  # what an earlier window left
                    self._project.in_session(job_queue.forget_here)
            return self._project

    def _queue(self, jobs: list[NewJob], done: Callable[[list[int]], object]) -> None:
        if self._only_reading:
            self.refused.emit(reading_only(self._only_reading))
        else:
            self._change(partial(job_queue.add, experiment="", jobs=jobs), done)

    def _change(
        self, act: Callable[[Session], T], done: Callable[[T], object] = lambda _: None
    ) -> None:
        """Change rows; none is dropped, and they follow one another."""
        self._changes += 1
        self._unwritten += 1

        def written(result: T) -> None:
            self._unwritten -= 1
            done(result)
            self.look()

        def failed(error: AmaeError) -> None:
            self._unwritten -= 1
            self._is_cancelling = False
            self.refused.emit(str(error))
            self.look()

        key = f"change {self._changes}"
        self._runner.run(key, lambda: self._opened().in_session(act), written, failed)

    def _show(self, state: JobsState) -> None:
        if self._unwritten:
            return  # read before what the reader did last; another look follows
        before, self.state = (self.state, self._is_paused), state
        states = {job.state for job in state.jobs}
        is_left = before[0].is_at_work and not state.is_at_work and QueueState.WAITING in states
        if is_left and self._has_asked and not self.is_working:
            self.start()  # another process's worker has ended just before it saw a new job
        at_work = self._mine or state.at_work
        held = next((j.state for j in state.jobs if self._mine and j.id == self._mine.id), None)
        # what runs by its row, and by no worker, was left by one that was killed
        left = {QueueState.PAUSED, QueueState.RUNNING} & states if at_work is None else set()
        self._is_paused = held is QueueState.PAUSED or bool(left)
        self._is_cancelling &= at_work is not None
        if before != (state, self._is_paused):
            self.changed.emit()

    @Slot(object)
    def _on_failed_read(self, error: AmaeError) -> None:
        if str(error) != self._unread:  # said once, not at every look
            self._unread = str(error)
            _log.warning("The queue of %s could not be read: %s", self.name, error)

    @Slot(object)
    def _on_event(self, event: Event) -> None:
        if isinstance(event, JobBegan):
            self._mine, self._is_over = RunningJob(event.job, event.title), False
            self.look()
            self.changed.emit()
        elif isinstance(event, JobEnded):
            self._end(event.result, event.message)
        elif not isinstance(event, Alive):
            self.event_came.emit(event)

    def _end(self, result: object, message: str) -> None:
        """The job has ended; it stays in sight until the next begins, or nothing is left to do."""
        job, was_over = self._mine, self._is_over
        self._is_over, self._is_cancelling = True, False
        if job is not None and not was_over:
            self._own.pop(job.id, None)
            self.state = replace(
                self.state, jobs=tuple(j for j in self.state.jobs if j.id != job.id)
            )
            self.look()
            self.ended.emit(job, result, message)
            self.changed.emit()

    @Slot(str)
    def _on_broken(self, message: str) -> None:
        self.refused.emit(message)
        self._on_stopped()

    @Slot()
    def _on_stopped(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.wait()  # it has said its last word
            thread.deleteLater()
        self._end(None, "cancelled")
        self._mine = None
        if self._leaves is not None:
            self._leave()
        self.look()
        self.idle.emit()
        self.changed.emit()

    def _leave(self) -> None:
        leave, mine = self._leaves, self._own
        assert leave is not None

        def end() -> None:
            try:
                project = self._opened()
                leave(project)
                project.close(backs_up=False)
            finally:
                mine.clear()

        # in place of a look that still waits
        self._runner.run("jobs", end, lambda _: self.closed.emit(), self._on_not_left)

    def _on_not_left(self, error: AmaeError) -> None:
        _log.warning("The queue of %s is left as it is: %s", self.name, error)
        self.closed.emit()
