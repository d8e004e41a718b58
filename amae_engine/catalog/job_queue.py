"""The stored queue: jobs in order, each waiting for what it builds on; worked by one process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import QueueJob, QueueState, now
from amae_engine.errors import BadInput, NotReady

_OPEN = (QueueState.WAITING, QueueState.PAUSED, QueueState.RUNNING)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to queue.

    Attributes:
        job: "stage1", "stage2", "score" or "peer".
        config: Its settings as JSON values.
        needs: The place, in the list that is queued, of the job that it builds on; None for none.
        reads: The cells of the experiment's table that it fills.
    """

    title: str
    job: str
    config: dict[str, Any]
    needs: int | None = None
    reads: tuple[dict[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queued job in its current state."""

    id: int
    experiment: str
    title: str
    state: QueueState
    job: str
    config: dict[str, Any]
    needs: int | None
    run_id: int | None
    reads: tuple[dict[str, Any], ...]
    error: str
    started_at: str
    finished_at: str


def add(session: Session, experiment: str, jobs: Sequence[NewJob]) -> list[int]:
    """Queue jobs at the end; returns their numbers."""
    last = session.scalar(select(func.max(QueueJob.position))) or 0
    ids: list[int] = []
    for place, job in enumerate(jobs, start=1):
        row = QueueJob(
            experiment=experiment,
            title=job.title[:128],
            reads=json.dumps(job.reads),
            position=last + place,
            state=QueueState.WAITING,
            job=job.job,
            config=json.dumps(job.config),
            needs=None if job.needs is None else ids[job.needs],
            started_at="",
            finished_at="",
        )
        session.add(row)
        session.flush()
        ids.append(row.id)
    return ids


def rows(session: Session, experiment: str = "") -> list[QueueRow]:
    """Every job in the queue's order, those of one experiment where it is named."""
    query = select(QueueJob).order_by(QueueJob.position, QueueJob.id)
    if experiment:
        query = query.where(QueueJob.experiment == experiment)
    return [_row(job) for job in session.scalars(query)]


def get(session: Session, job_id: int) -> QueueRow:
    """One job.

    Raises:
        BadInput: There is no such job.
    """
    job = session.get(QueueJob, job_id)
    if job is None:
        raise BadInput(f"There is no job {job_id} in the queue.")
    return _row(job)


def next_waiting(session: Session) -> QueueRow | None:
    """The first job that waits and whose need is done."""
    every = rows(session)
    done = {job.id for job in every if job.state is QueueState.DONE}
    for job in every:
        if job.state is QueueState.WAITING and (job.needs is None or job.needs in done):
            return job
    return None


def take(session: Session, job_id: int) -> None:
    """A worker begins with a job."""
    _set(session, job_id, state=QueueState.RUNNING, started_at=now(), error="")


def note_run(session: Session, job_id: int, run_id: int) -> None:
    """The job's run has its number."""
    _set(session, job_id, run_id=run_id)


def end(session: Session, job_id: int, state: QueueState, error: str = "") -> None:
    """A job ended; those that build on it are dropped with its reason, unless it is done."""
    _set(session, job_id, state=state, error=error[:2000], finished_at=now())
    if state in (QueueState.FAILED, QueueState.CANCELLED, QueueState.DROPPED):
        after = select(QueueJob.id).where(QueueJob.needs == job_id, QueueJob.state.in_(_OPEN))
        for follower in list(session.scalars(after)):
            why = error or f"job {job_id} was {state}"
            end(session, follower, QueueState.DROPPED, f"it builds on a job that ended: {why}"
                if state is not QueueState.DROPPED else why)  # fmt: skip


def release(session: Session) -> list[QueueRow]:
    """Jobs whose worker is gone wait again; call it only where no worker is at work."""
    left = [job for job in rows(session) if job.state is QueueState.RUNNING]
    for job in left:
        _set(session, job.id, state=QueueState.WAITING)
    return left


def pause(session: Session) -> int:
    """Every open job is paused; the running one ends at its last whole epoch. How many."""
    return _change(session, (QueueState.WAITING, QueueState.RUNNING), QueueState.PAUSED)


def resume(session: Session) -> int:
    """Paused jobs wait again; how many."""
    return _change(session, (QueueState.PAUSED,), QueueState.WAITING)


def cancel(session: Session, job_id: int) -> None:
    """Cancel a job that has not ended, and what builds on it.

    Raises:
        NotReady: It has ended.
    """
    job = get(session, job_id)
    if job.state not in _OPEN:
        raise NotReady(f"Job {job_id} is {job.state}; only an open one can be cancelled.")
    end(session, job_id, QueueState.CANCELLED)


def retry(session: Session, job_id: int) -> None:
    """Let a failed, cancelled or dropped job wait again, and what was dropped with it.

    Raises:
        NotReady: It is open or done.
    """
    job = get(session, job_id)
    if job.state not in (QueueState.FAILED, QueueState.CANCELLED, QueueState.DROPPED):
        raise NotReady(f"Job {job_id} is {job.state}; it need not be tried again.")
    _set(session, job_id, state=QueueState.WAITING, error="", finished_at="")
    after = select(QueueJob.id).where(
        QueueJob.needs == job_id, QueueJob.state == QueueState.DROPPED
    )
    for follower in list(session.scalars(after)):
        retry(session, follower)


def move_first(session: Session, job_id: int) -> None:
    """Put a job, and what it builds on, before every other one.

    Raises:
        BadInput: There is no such job.
    """
    chain: list[int] = []
    job = get(session, job_id)
    while True:
        chain.insert(0, job.id)
        if job.needs is None:
            break
        job = get(session, job.needs)
    first = session.scalar(select(func.min(QueueJob.position))) or 0
    for place, each in enumerate(chain):
        _set(session, each, position=first - len(chain) + place)


def _change(session: Session, before: tuple[QueueState, ...], after: QueueState) -> int:
    chosen = QueueJob.state.in_(before)
    count = session.scalar(select(func.count()).select_from(QueueJob).where(chosen)) or 0
    session.execute(update(QueueJob).where(chosen).values(state=after))
    return count


def _set(session: Session, job_id: int, **values: object) -> None:
    session.execute(update(QueueJob).where(QueueJob.id == job_id).values(**values))


def _row(job: QueueJob) -> QueueRow:
    return QueueRow(
        job.id,
        job.experiment,
        job.title,
        QueueState(job.state),
        job.job,
        json.loads(job.config),
        job.needs,
        job.run_id,
        tuple(json.loads(job.reads or "[]")),
        job.error,
        job.started_at,
        job.finished_at,
    )
