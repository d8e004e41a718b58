"""Hand a window's training over to the stored queue, so that it goes on without the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import RunState
from amae_engine.jobs.planning.work_queue import start_worker
from amae_engine.project import Project

PREFIX = "window"  # of the queue's name: no table of the paper is filled
_OPEN = (RunState.INTERRUPTED, RunState.CANCELLED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class HandedJob:
    """A job of a window.

    Attributes:
        job: "pretrain", "stage1", "stage2", "score" or "peer".
        config: Its settings; of a job that was begun those of its run count.
        was_begun: Whether it ran when the window closed; it goes on from its last whole epoch.
    """

    title: str
    job: str
    config: dict[str, Any]
    was_begun: bool = False


def hand_over(project: Project, jobs: Sequence[HandedJob]) -> list[int]:
    """Queue jobs in their order and start a worker; returns their numbers in the stored queue.

    Raises:
        NotReady: The worker ended at once.
    """
    with project.session() as session:
        names = {row.experiment for row in job_queue.rows(session)}
        number = 1 + sum(name.startswith(f"{PREFIX}-") for name in names)
        new = [NewJob(job.title, job.job, job.config) for job in jobs]
        ids = job_queue.add(session, f"{PREFIX}-{number}", new)
        for job, queued in zip(jobs, ids, strict=True):
            if not job.was_begun:
                continue
            begun = [r for r in runs.list_runs(session) if r.kind == job.job and r.state in _OPEN]
            if begun:
                job_queue.note_run(session, queued, begun[0].id)
    start_worker(project)
    return ids
