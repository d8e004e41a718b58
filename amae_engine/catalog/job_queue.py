"""The stored queue: jobs in order, each waiting for what it builds on; worked by one process."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CursorResult, Update, delete, func, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import QueueJob, QueueState, now
from amae_engine.errors import BadInput, NotReady

HERE = "here"  # the job of a process that alone can do it: nothing of it is stored but its title
OPEN = (QueueState.WAITING, QueueState.PAUSED, QueueState.RUNNING)
_ORDER = (QueueJob.position, QueueJob.id)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to queue.

    Attributes:
        job: As `make_job` has it, or `HERE`.
        config: Its settings as JSON values.
        needs: The place, in the list that is queued, of the job that it builds on; None for none.
        reads: The cells of the experiment's table that it fills.
        run_id: A run to go on with, which has its own settings.
    """

    title: str
    job: str
    config: dict[str, Any]
    needs: int | None = None
    reads: tuple[dict[str, Any], ...] = field(default=())
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queued job in its current state.

    Attributes:
        experiment: Whose table it fills; "" for a job that a reader queued alone.
    """

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
    """Queue jobs at the end; returns their numbers.

    Where the first goes on with a run that an open job has, that job goes on, and nothing is queued.
    """
    again = _open_job_of(session, jobs[0].run_id) if jobs and jobs[0].run_id else None
    if again is not None:
        resume(session)
        return [again]
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
            run_id=job.run_id,
            started_at="",
            finished_at="",
        )
        session.add(row)
        session.flush()
        ids.append(row.id)
    return ids


def rows(session: Session, experiment: str = "") -> list[QueueRow]:
    """Every stored job in the queue's order, those of one experiment where it is named."""
    query = select(QueueJob).where(QueueJob.job != HERE)
    if experiment:
        query = query.where(QueueJob.experiment == experiment)
    return [_row(job) for job in session.scalars(query.order_by(*_ORDER))]


def open_rows(session: Session, own: Collection[int] = ()) -> list[QueueRow]:
    """Jobs that are not over, in the order in which a process works them.

    Args:
        session: Of the catalog.
        own: Those that this process alone can do, which come first; those of others are left out.
    """
    query = select(QueueJob).where(QueueJob.state.in_(OPEN)).order_by(*_ORDER)
    found = [_row(job) for job in session.scalars(query) if job.job != HERE or job.id in own]
    return sorted(found, key=lambda job: job.job != HERE)


def get(session: Session, job_id: int) -> QueueRow:
    """One job.

    Raises:
        BadInput: There is no such job.
    """
    job = session.get(QueueJob, job_id)
    if job is None:
        raise BadInput(f"There is no job {job_id} in the queue.")
    return _row(job)


def next_waiting(session: Session, own: Collection[int] = ()) -> QueueRow | None:
    """The first job that waits and whose need is done; `own` as in `open_rows`."""
    for job in open_rows(session, own):
        if job.state is QueueState.WAITING and (
            job.needs is None or get(session, job.needs).state is QueueState.DONE
        ):
            return job
    return None


def take(session: Session, job_id: int) -> bool:
    """Begin with a job, or go on with it; whether it still waited."""
    begun = {"state": QueueState.RUNNING, "started_at": now(), "error": ""}
    return _set(session, job_id, (QueueState.WAITING,), **begun)


def note_run(session: Session, job_id: int, run_id: int) -> None:
    """The job's run has its number."""
    _set(session, job_id, run_id=run_id)


def end(session: Session, job_id: int, state: QueueState, error: str = "") -> bool:
    """End a job that is open; those that build on it are dropped with its reason, unless it is done.

    Returns:
        Whether it was open: one that was cancelled meanwhile stays so.
    """
    values = {"state": state, "error": error[:2000], "finished_at": now()}
    if not _set(session, job_id, OPEN, **values):
        return False
    if state in (QueueState.FAILED, QueueState.CANCELLED, QueueState.DROPPED):
        after = select(QueueJob.id).where(QueueJob.needs == job_id, QueueJob.state.in_(OPEN))
        for follower in list(session.scalars(after)):
            why = error or f"job {job_id} was {state}"
            end(session, follower, QueueState.DROPPED, f"it builds on a job that ended: {why}"
                if state is not QueueState.DROPPED else why)  # fmt: skip
    return True


def release(session: Session) -> None:
    """Jobs whose worker is gone wait again; call it only where no worker is at work."""
    left = (QueueJob.state == QueueState.RUNNING, QueueJob.job != HERE)
    session.execute(update(QueueJob).where(*left).values(state=QueueState.WAITING))


def forget_here(session: Session, own: Collection[int] | None = None) -> None:
    """Drop jobs that a process alone could do, when it ends or is gone: those in `own`, or all."""
    gone = delete(QueueJob).where(QueueJob.job == HERE)
    session.execute(gone if own is None else gone.where(QueueJob.id.in_(own)))


def pause(session: Session) -> int:
    """Every open job is paused; the running one is held, or ends at its last whole epoch. How many."""
    return _change(session, (QueueState.WAITING, QueueState.RUNNING), QueueState.PAUSED)


def resume(session: Session) -> int:
    """Paused jobs wait again; how many."""
    return _change(session, (QueueState.PAUSED,), QueueState.WAITING)


def cancel(session: Session, job_id: int) -> None:
    """Cancel a job that has not ended, and what builds on it.

    Raises:
        NotReady: It has ended.
    """
    if not end(session, job_id, QueueState.CANCELLED):
        state = get(session, job_id).state
        raise NotReady(f"Job {job_id} is {state}; only an open one can be cancelled.")


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


def _open_job_of(session: Session, run_id: int | None) -> int | None:
    """The open job that goes on with a run, if there is one."""
    one = select(QueueJob.id).where(QueueJob.run_id == run_id, QueueJob.state.in_(OPEN))
    return session.scalars(one).first()


def _change(session: Session, before: tuple[QueueState, ...], after: QueueState) -> int:
    chosen = update(QueueJob).where(QueueJob.state.in_(before))
    return _changed(session, chosen.values(state=after))


def _set(
    session: Session, job_id: int, before: tuple[QueueState, ...] = (), **values: object
) -> bool:
    """Change a job that is in one of these states, or in any; whether it was."""
    chosen = update(QueueJob).where(QueueJob.id == job_id)
    if before:
        chosen = chosen.where(QueueJob.state.in_(before))
    return _changed(session, chosen.values(**values)) == 1


def _changed(session: Session, change: Update) -> int:
    result = session.execute(change)
    return result.rowcount if isinstance(result, CursorResult) else 0


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
