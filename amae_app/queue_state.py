"""What the window shows of a project's queue; knows no Qt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from amae_engine.catalog import job_queue
from amae_engine.catalog.job_queue import HERE, NewJob, QueueRow
from amae_engine.catalog.tables import QueueState
from amae_engine.events import Progress, clock
from amae_engine.jobs.planning.estimates import estimate
from amae_engine.jobs.planning.work_queue import is_at_work, progress_elsewhere
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job at work, by its number and title."""

    id: int
    title: str


@dataclass(frozen=True, slots=True)
class JobsState:
    """The open jobs of a project, in the order in which they are worked.

    Attributes:
        is_at_work: Whether a worker has the queue, of this window or another process.
        progress: Of the running job, where another process has written it.
        forecast: How long what waits takes, "about 02:10"; "" where that is not known.
    """

    jobs: tuple[QueueRow, ...] = ()
    is_at_work: bool = False
    progress: Progress | None = None
    forecast: str = ""

    @property
    def at_work(self) -> RunningJob | None:
        """The job that a worker is at."""
        running = (j for j in self.jobs if j.state is QueueState.RUNNING and self.is_at_work)
        return next((RunningJob(job.id, job.title) for job in running), None)


def read_jobs(project: Project, own: Collection[int], before: JobsState) -> JobsState:
    """Read the queue.

    Args:
        project: Whose.
        own: Jobs that this window alone can do.
        before: What was read last; its forecast holds for the same jobs.
    """
    with project.session() as session:
        jobs = tuple(job_queue.open_rows(session, own))
    forecast = before.forecast
    if _waiting(jobs) != _waiting(before.jobs):
        forecast = _forecast(project, jobs)
    return JobsState(jobs, is_at_work(project), progress_elsewhere(project), forecast)


def _waiting(jobs: tuple[QueueRow, ...]) -> list[QueueRow]:
    return [job for job in jobs if job.state is QueueState.WAITING]


def _forecast(project: Project, jobs: tuple[QueueRow, ...]) -> str:
    waiting = _waiting(jobs)
    if not waiting or any(job.job == HERE for job in waiting):
        return ""
    found = estimate(project, [NewJob(job.title, job.job, job.config) for job in waiting])
    return "" if found.unknown else f"about {clock(found.seconds)}"
