"""How long what waits in this window's queue will take, by finished runs like it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from amae_app.child_job import ChildJob
from amae_app.job_queue import JobQueue
from amae_app.window_context import WindowContext
from amae_engine.catalog.job_queue import NewJob
from amae_engine.events import clock
from amae_engine.jobs.planning.estimates import Estimate, estimate


class QueueForecast(QObject):
    """Looks at the open project's waiting jobs whenever the queue changes.

    Signals:
        reported(text): "about 02:10", or "" where nothing is known.
    """

    reported = Signal(str)

    def __init__(self, queue: JobQueue, context: WindowContext) -> None:
        super().__init__(context)
        self._queue, self._context = queue, context
        queue.changed.connect(self._look)
        self._look()

    @Slot()
    def _look(self) -> None:
        jobs = [
            NewJob(job.title, job.make.name, job.make.values)
            for job in self._queue.waiting
            if isinstance(job.make, ChildJob)
        ]
        if not jobs or len(jobs) < len(self._queue.waiting):
            self.reported.emit("")
            return
        project = self._context.project
        self._context.background("forecast", lambda: estimate(project, jobs), self._tell)

    def _tell(self, found: Estimate) -> None:
        self.reported.emit("" if found.unknown else f"about {clock(found.seconds)}")
