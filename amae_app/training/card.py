"""A step of the pipeline as its card shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amae_engine.catalog import runs
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, RunState


class CardState(StrEnum):
    """What a card says about its step."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    STALE = "out of date"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Card:
    """One step.

    Attributes:
        facts: What the step is made of, in a line.
        reason: Why it waits or is out of date; "" when nothing is wrong.
        resumable: A run that can go on from its last whole epoch, or None.
        can_start: Whether its button can work.
        only_score: Whether its button scores, without training.
        without_stage2: Whether it scores by stage 1 alone, since stage 2 has nothing to learn from.
        begun_score: An unfinished score run of these modules, whose images so far are kept.
    """

    state: CardState
    facts: str
    reason: str = ""
    resumable: int | None = None
    can_start: bool = True
    only_score: bool = False
    without_stage2: bool = False
    begun_score: RunRow | None = None


def of_kind(rows: list[RunRow], kind: RunKind, state: RunState) -> list[RunRow]:
    """The runs of a kind that are in a state, newest first."""
    return [row for row in rows if row.kind is kind and row.state is state]


def unfinished_run(rows: list[RunRow], kind: RunKind) -> int | None:
    """The newest unfinished run, unless a later one of its kind has finished."""
    for row in rows:
        if row.kind is kind:
            return row.id if row.state in runs.RESUMABLE else None
    return None


def run_facts(run: RunRow) -> str:
    """A run's number, and how far it is."""
    epochs = f" · epoch {run.epoch} of {run.epochs}" if run.epochs else ""
    return f"run {run.id}{epochs}"
