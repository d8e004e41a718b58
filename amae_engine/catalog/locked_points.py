"""Operating points fixed before the test images are opened, and whether they were opened before.

The test set can be sealed: nothing of its truth is shown until a point is locked, or a reader opens
it without one. Seal, lock and opening are in the audit with reader and time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from amae_engine.catalog import looks, runs
from amae_engine.catalog.audit import audit, require_reader
from amae_engine.catalog.looks import Seen, is_sealed
from amae_engine.catalog.tables import Audit, LockedPoint, now
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady

_LOCK = "lock_point"


@dataclass(frozen=True, slots=True)
class LockedRow:
    """A locked operating point.

    Attributes:
        chosen_on: Which images it was chosen on, in words.
        seen_before: When a test image was first opened before it was locked; "" where none was.
        seen: What had been seen of the test images by then; None where only looks at whole runs were
            kept when it was locked.
    """

    id: int
    run_id: int
    kind: ScoreKind
    threshold: float
    rule: str
    target: float
    prevalence: float
    chosen_on: str
    reader: str
    locked_at: str
    seen_before: str
    seen: tuple[Seen, ...] | None

    @property
    def is_blind(self) -> bool:
        """Whether it was locked while nothing had been seen of any test image."""
        return not self.seen_before and self.seen == ()

    @property
    def when(self) -> str:
        """Whether the test images were closed when it was locked, in words."""
        if self.is_blind:
            return "before the test images were opened"
        if self.seen is None and not self.seen_before:
            return (
                "when looks at single images were not kept: whether the test images had been opened "
                "is not known"
            )
        opened = f"after the test images had been opened ({self.seen_before[:16].replace('T', ' ')}"
        seen = "; ".join(each.text for each in self.seen or ())
        return f"{opened}{': ' if seen else ''}{seen})"

    @property
    def text(self) -> str:
        """Who locked it and when, and whether the test images were closed then."""
        at = self.locked_at[:16].replace("T", " ")
        return f"Locked by {self.reader} at {at} UTC, {self.when}."


def seal(session: Session, reader: str) -> None:
    """Close the truth of the test images until a point is locked.

    Raises:
        BadInput: The reader has no name.
    """
    require_reader(reader, "Sealing the test images")
    audit(session, reader, looks.SEAL, json.dumps({"run": None}))


def open_test(session: Session, run_id: int, reader: str, why: str) -> str:
    """Note that the test images' truth is shown for a run; when it was shown first.

    Only the first opening of a run is noted, and one that breaks a seal.
    """
    first = opened_at(session, run_id)
    if not first or is_sealed(session):
        detail = json.dumps({"run": run_id, "why": why})
        session.add(Audit(reader=reader, act=looks.OPEN, detail=detail, at=now()))
        session.flush()
    return first or opened_at(session, run_id)


def opened_at(session: Session, run_id: int) -> str:
    """When the test images' truth was first shown for a run; "" where it was not."""
    query = select(Audit.at, Audit.detail).where(Audit.act == looks.OPEN).order_by(Audit.id)
    for at, detail in session.execute(query):
        if json.loads(detail)["run"] == run_id:
            return str(at)
    return ""


def lock(
    session: Session,
    run_id: int,
    kind: ScoreKind,
    threshold: float,
    rule: str,
    target: float,
    prevalence: float,
    chosen_on: str,
    reader: str,
) -> LockedRow:
    """Fix an operating point of a score; once a score and run.

    Raises:
        BadInput: The reader has no name.
        NotReady: This score of the run has a locked point already.
    """
    require_reader(reader, "A locked point")
    earlier = locked(session, run_id, kind)
    if earlier is not None:
        raise NotReady(
            f"{kind.label} of run {run_id} has an operating point that {earlier.reader} locked at "
            f"{earlier.locked_at[:16]}; a locked point stays."
        )
    had = looks.seen(session)
    row = LockedPoint(
        run_id=run_id,
        kind=kind,
        threshold=threshold,
        rule=rule,
        target=target,
        prevalence=prevalence,
        chosen_on=chosen_on[:256],
        reader=reader,
        seen_before=min((each.at for each in had), default="") or opened_at(session, run_id),
        seen=looks.written(had),
    )
    session.add(row)
    session.flush()
    detail = {"run": run_id, "score": str(kind), "threshold": threshold, "rule": rule}
    audit(session, reader, _LOCK, json.dumps(detail))
    return _row(row)


def locked(session: Session, run_id: int, kind: ScoreKind) -> LockedRow | None:
    """The point that holds for a score of a run (`valid_for`); None where there is none."""
    return next((row for row in valid_for(session, run_id) if row.kind is kind), None)


def valid_for(session: Session, run_id: int) -> list[LockedRow]:
    """The points that hold for a run: its own, and those of runs that rate any image as it does.

    So a point that was locked goes on to hold when images have come and are scored. Re-ranked scores
    are ranks among a run's own images.
    """
    rows = [
        row
        for run in runs.rated_alike(session, run_id)
        for row in of_run(session, run)
        if run == run_id or row.kind is not ScoreKind.RERANKED
    ]
    return list({row.kind: row for row in reversed(rows)}.values())


def of_run(session: Session, run_id: int) -> list[LockedRow]:
    """Every locked point of a run."""
    query = select(LockedPoint).where(LockedPoint.run_id == run_id).order_by(LockedPoint.id)
    return [_row(row) for row in session.scalars(query)]


def _row(row: LockedPoint) -> LockedRow:
    return LockedRow(
        row.id,
        row.run_id,
        ScoreKind(row.kind),
        row.threshold,
        row.rule,
        row.target,
        row.prevalence,
        row.chosen_on,
        row.reader,
        row.locked_at,
        row.seen_before,
        looks.read(row.seen) if row.seen else None,
    )
