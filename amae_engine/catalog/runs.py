"""Runs: start, heartbeat, end, list."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import Run, RunKind, RunState, now
from amae_engine.errors import BadInput

RESUMABLE = (RunState.INTERRUPTED, RunState.CANCELLED, RunState.FAILED)

_NOT_DECISIVE = ("splits", "rerank", "keep_maps", "batch_size", "device")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as the catalog knows it; times are ISO 8601 in UTC."""

    id: int
    kind: RunKind
    state: RunState
    parent_id: int | None
    config: dict[str, Any]
    epoch: int
    epochs: int
    created_at: str
    finished_at: str | None
    heartbeat_at: str
    error: str
    experiment: str


def start(
    session: Session, kind: RunKind, config: dict[str, Any], parent_id: int | None, epochs: int
) -> int:
    """Add a running run; returns its number."""
    run = Run(
        kind=kind,
        state=RunState.RUNNING,
        config=json.dumps(config),
        parent_id=parent_id,
        epochs=epochs,
    )
    session.add(run)
    session.flush()
    return run.id


def stage1_of(session: Session, run: RunRow) -> RunRow | None:
    """The stage-1 run that a run stands on, or is; None for a peer's or for pre-training."""
    row: RunRow | None = run
    while row is not None and row.kind is not RunKind.STAGE1:
        row = get(session, row.parent_id) if row.parent_id else None
    return row


def rated_alike(session: Session, run_id: int) -> list[int]:
    """The run, and the others that rate any image as it does: of the same parent and the same settings.

    A peer's run trains anew, and stands alone.
    """
    run = get(session, run_id)
    alike = [run_id]
    if run.kind in (RunKind.SCORE, RunKind.MODEL):
        settings = _that_decide(run)
        alike += [
            row.id
            for row in list_runs(session)
            if row.id != run_id
            and (row.kind, row.parent_id, _that_decide(row)) == (run.kind, run.parent_id, settings)
        ]
    return alike


def _that_decide(run: RunRow) -> dict[str, Any]:
    """The settings that an image's scores depend on."""
    return {key: value for key, value in run.config.items() if key not in _NOT_DECISIVE}


def restart(session: Session, run_id: int) -> None:
    """Mark a run as running again."""
    _set(session, run_id, state=RunState.RUNNING, error="", heartbeat_at=now(), finished_at=None)


def beat(session: Session, run_id: int, epochs_done: int | None = None) -> None:
    """Say that the run's process is alive, and how many epochs it has finished."""
    values: dict[str, Any] = {"heartbeat_at": now()}
    if epochs_done is not None:
        values["epoch"] = epochs_done
    _set(session, run_id, **values)


def finish(session: Session, run_id: int) -> None:
    """End a run well."""
    _set(session, run_id, state=RunState.FINISHED, finished_at=now())


def cancel(session: Session, run_id: int) -> None:
    """End a run because a reader wished it; it can be resumed."""
    _set(session, run_id, state=RunState.CANCELLED, finished_at=now())


def fail(session: Session, run_id: int, message: str) -> None:
    """End a run with an error; it can be resumed."""
    _set(session, run_id, state=RunState.FAILED, error=message, finished_at=now())


def interrupt(session: Session, run_id: int, message: str) -> None:
    """Note that a run's process died; only a run that was running changes."""
    session.execute(
        update(Run)
        .where(Run.id == run_id, Run.state == RunState.RUNNING)
        .values(state=RunState.INTERRUPTED, error=message)
    )


def mark_interrupted(session: Session, is_leased: Callable[[int], bool]) -> None:
    """Runs that say "running" but whose lease nobody holds lost their process."""
    for run_id in session.scalars(select(Run.id).where(Run.state == RunState.RUNNING)).all():
        if not is_leased(run_id):
            interrupt(session, run_id, "The program ended while this run was going on.")


def get(session: Session, run_id: int) -> RunRow:
    """One run.

    Raises:
        BadInput: There is no such run.
    """
    run = session.get(Run, run_id)
    if run is None:
        raise BadInput(f"There is no run {run_id} in this project; `amae runs` lists them.")
    return _row(run)


def newest(session: Session, kind: RunKind, state: RunState = RunState.FINISHED) -> RunRow | None:
    """The newest run of a kind in a state; runs of an experiment's grid are left out."""
    own = (Run.kind == kind, Run.state == state, Run.experiment == "")
    query = select(Run).where(*own).order_by(Run.id.desc()).limit(1)
    run = session.scalar(query)
    return None if run is None else _row(run)


def mark_experiment(session: Session, run_id: int, experiment: str) -> None:
    """Note that a run belongs to an experiment's grid."""
    _set(session, run_id, experiment=experiment)


def list_runs(session: Session) -> list[RunRow]:
    """Every run, newest first."""
    return [_row(run) for run in session.scalars(select(Run).order_by(Run.id.desc()))]


def _set(session: Session, run_id: int, **values: Any) -> None:
    session.execute(update(Run).where(Run.id == run_id).values(**values))


def _row(run: Run) -> RunRow:
    return RunRow(
        id=run.id,
        kind=RunKind(run.kind),
        state=RunState(run.state),
        parent_id=run.parent_id,
        config=json.loads(run.config),
        epoch=run.epoch,
        epochs=run.epochs,
        created_at=run.created_at,
        finished_at=run.finished_at,
        heartbeat_at=run.heartbeat_at,
        error=run.error,
        experiment=run.experiment,
    )
