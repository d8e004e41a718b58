"""One device, one queue: jobs run one after another, each for one project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from amae_app.job_thread import JobThread, MakeJob


@dataclass(frozen=True, slots=True)
class Owner:
    """The project that a job works for; a job that makes a project has none yet."""

    folder: Path | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits or runs; jobs of one `chain` end with the first that fails."""

    title: str
    make: MakeJob
    chain: int
    owner: Owner


class JobQueue(QObject):
    """Starts the next job when one ends.

    Signals:
        started(job), event_came(job, event), ended(job, result or None, message): the message is
        "" for a job that ended well.
    """

    started = Signal(object)
    event_came = Signal(object, object)
    ended = Signal(object, object, str)
    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[QueuedJob] = []
        self._running: QueuedJob | None = None
        self._thread: JobThread | None = None
        self._chains = 0
        self._paused = False
        self._cancelling = False

    @property
    def running_job(self) -> QueuedJob | None:
        """The running job."""
        return self._running

    @property
    def running(self) -> str:
        """The running job's title, "" when nothing runs."""
        return self._running.title if self._running else ""

    @property
    def waiting(self) -> tuple[QueuedJob, ...]:
        """The jobs that wait."""
        return tuple(self._waiting)

    @property
    def is_paused(self) -> bool:
        """Whether the running job is paused."""
        return self._paused

    @property
    def is_cancelling(self) -> bool:
        """Whether the running job was asked to end and has not ended yet."""
        return self._cancelling

    def add(self, *jobs: tuple[str, MakeJob], owner: Owner = Owner()) -> None:
        """Queue jobs that build on one another: if one fails, the ones after it are dropped."""
        self._chains += 1
        self._waiting += [QueuedJob(title, make, self._chains, owner) for title, make in jobs]
        self._start_next()

    def toggle_pause(self) -> None:
        """Pause or resume the running job."""
        if self._thread is None:
            return
        self._paused = not self._paused
        (self._thread.pause if self._paused else self._thread.resume)()
        self.changed.emit()

    def cancel(self) -> None:
        """End the running job and drop the ones that build on it."""
        if self._thread is None or self._running is None:
            return
        self._cancelling = True
        self._drop_chain(self._running.chain)
        self._thread.cancel()
        self.changed.emit()

    def move_first(self, job: QueuedJob) -> None:
        """Let a waiting job and what builds on it run next."""
        chain = [each for each in self._waiting if each.chain == job.chain]
        self._waiting = chain + [each for each in self._waiting if each.chain != job.chain]
        self.changed.emit()

    def drop(self, job: QueuedJob) -> None:
        """Take a waiting job out, and those after it that build on it."""
        if job not in self._waiting:
            return
        place = self._waiting.index(job)
        self._waiting = [
            each
            for number, each in enumerate(self._waiting)
            if number < place or each.chain != job.chain
        ]
        self.changed.emit()

    def shut_down(self) -> None:
        """Cancel everything and wait; for the window's end."""
        self._waiting.clear()
        if self._thread is not None:
            self._thread.cancel()
            self._thread.wait()

    def _start_next(self) -> None:
        if self._running is not None or not self._waiting:
            self.changed.emit()
            return
        self._running = self._waiting.pop(0)
        self._thread = JobThread(self._running.make, self)
        self._thread.event_came.connect(self._on_event)
        self._thread.done.connect(self._on_done)
        self._thread.failed.connect(self._on_failed)
        self._thread.cancelled.connect(self._on_cancelled)
        self._thread.start()
        self.started.emit(self._running)
        self.changed.emit()

    @Slot(object)
    def _on_event(self, event: object) -> None:
        if self._running is not None:
            self.event_came.emit(self._running, event)

    @Slot(object)
    def _on_done(self, result: object) -> None:
        self._end(result, "")

    @Slot(str)
    def _on_failed(self, message: str) -> None:
        if self._running is not None:
            self._drop_chain(self._running.chain)
        self._end(None, message)

    @Slot()
    def _on_cancelled(self) -> None:
        self._end(None, "cancelled")

    def _end(self, result: object, message: str) -> None:
        thread, job = self._thread, self._running
        if thread is None or job is None:
            return
        thread.wait()
        thread.deleteLater()
        self._thread = self._running = None
        self._paused = self._cancelling = False
        self.ended.emit(job, result, message)
        self._start_next()

    def _drop_chain(self, chain: int) -> None:
        self._waiting = [job for job in self._waiting if job.chain != chain]
