"""One project's view of the queue: its own jobs, and whether another's keep it waiting."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from amae_app.job_queue import JobQueue, Owner, QueuedJob
from amae_app.job_thread import MakeJob
from amae_app.words import reading_only


class ProjectJobs(QObject):
    """What the pages of an open project see of the queue.

    Signals:
        event_came(event), ended(job, result or None, message): of this project's jobs alone.
        changed(): of any job: what waits, runs or is paused.
        refused(message): a job was asked for that may not run.
    """

    event_came = Signal(object)
    ended = Signal(object, object, str)
    changed = Signal()
    refused = Signal(str)

    def __init__(
        self, queue: JobQueue, owner: Owner, only_reading: str = "", parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._queue, self._owner, self._only_reading = queue, owner, only_reading
        queue.event_came.connect(self._on_event)
        queue.ended.connect(self._on_ended)
        queue.changed.connect(self.changed)

    @property
    def running(self) -> str:
        """The title of this project's running job; "" where it has none."""
        job = self._queue.running_job
        return job.title if job is not None and self._owns(job) else ""

    @property
    def is_paused(self) -> bool:
        """Whether this project's running job is paused."""
        return bool(self.running) and self._queue.is_paused

    @property
    def busy_with(self) -> str:
        """What another project's job keeps the machine busy with; "" where there is none."""
        job = self._queue.running_job
        if job is None or self._owns(job):
            return ""
        return f"{job.title} of project {job.owner.name}" if job.owner.name else job.title

    @property
    def waiting(self) -> tuple[str, ...]:
        """Titles of this project's jobs that wait."""
        return tuple(job.title for job in self._queue.waiting if self._owns(job))

    def add(self, *jobs: tuple[str, MakeJob]) -> None:
        """Queue jobs of this project that build on one another; none where it is only read."""
        if self._only_reading:
            self.refused.emit(reading_only(self._only_reading))
            return
        self._queue.add(*jobs, owner=self._owner)

    def _owns(self, job: QueuedJob) -> bool:
        return job.owner == self._owner

    @Slot(object, object)
    def _on_event(self, job: QueuedJob, event: object) -> None:
        if self._owns(job):
            self.event_came.emit(event)

    @Slot(object, object, str)
    def _on_ended(self, job: QueuedJob, result: object, message: str) -> None:
        if self._owns(job):
            self.ended.emit(job, result, message)
