"""What writers did, chained: each link's digest covers one row and the writer's link before it.

A decision, a locked point, an act on a region or an entry of the audit that is changed, removed or slipped in outside
AMAE breaks its writer's chain. Whoever rewrites the whole chain can hide that, unless its head was
written down elsewhere: `amae verify` prints the heads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, insert, select, text, update
from sqlalchemy.orm import Session

from amae_engine.catalog.audit import IMPORT
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.tables import Audit, Base, ChainLink, LabelDecision, LockedPoint

_CHAINED: tuple[type[Base], ...] = (LabelDecision, LockedPoint, RegionAct, Audit)
_WHAT = {
    "label_decision": "decision",
    "locked_point": "locked point",
    "region_act": "act on a region",
    "audit": "audit entry",
}
_ACTS = 0x414D4143  # "AMAC": the advisory lock that one act at a time holds on a server
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a look through the chains found.

    Attributes:
        links: Rows that are chained.
        before: Older rows, from before AMAE chained them.
        heads: Each writer's newest digest.
        problems: A sentence for each row that is not as it was written.
    """

    links: int
    before: int
    heads: dict[str, str]
    problems: tuple[str, ...]


def one_act_at_a_time(session: Session) -> None:
    """Serialise acts: until the commit, no other act reads the current rows or writes.

    A server's advisory lock; in a SQLite file the lock that a write takes, by one that changes
    nothing.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ACTS})
    else:
        session.execute(update(ChainLink).where(ChainLink.id < 0).values(number=0))


class ChainedSession(Session):
    """Adds a link for every row that is added to a chained table."""


@event.listens_for(ChainedSession, "after_flush")
def _add_links(session: Session, _context: object) -> None:
    new = [row for row in session.new if isinstance(row, _CHAINED)]
    if not new:
        return
    one_act_at_a_time(session)
    new.sort(key=lambda row: (row.__tablename__, row.id))  # type: ignore[attr-defined]
    heads: dict[str, tuple[int, str]] = {}
    links = []
    for row in new:
        writer = row.reader  # type: ignore[attr-defined]
        number, before = heads.get(writer) or _head(session, writer)
        digest = _digest(before, row)
        heads[writer] = (number + 1, digest)
        links.append(
            {
                "writer": writer,
                "number": number + 1,
                "table_name": row.__tablename__,
                "row_id": row.id,  # type: ignore[attr-defined]
                "digest": digest,
            }
        )
    session.execute(insert(ChainLink), links)


def _head(session: Session, writer: str) -> tuple[int, str]:
    newest = (
        select(ChainLink.number, ChainLink.digest)
        .where(ChainLink.writer == writer)
        .order_by(ChainLink.number.desc())
        .limit(1)
    )
    found = session.execute(newest).first()
    return (0, "") if found is None else (found.number, found.digest)


def _digest(before: str, row: Base) -> str:
    values = {
        column.key: _plain(getattr(row, column.key)) for column in type(row).__mapper__.column_attrs
    }
    if isinstance(row, Audit) and row.act == IMPORT:
        del values["detail"]  # grows while images come in; an entry of its own says how it ended
    if isinstance(row, LockedPoint) and not row.seen:
        del values["seen"]  # locked before there was such a column
    content = json.dumps([before, row.__tablename__, values], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value as the database gives it back."""
    return str(value) if isinstance(value, str) else value


def verify_chains(session: Session) -> ChainReport:
    """Work every chain out again."""
    problems: list[str] = []
    heads: dict[str, tuple[int, str]] = {}
    seen: dict[str, set[int]] = {table.__tablename__: set() for table in _CHAINED}
    links = 0
    for link, row in _links(session):
        links += 1
        number, before = heads.get(link.writer, (0, ""))
        what = f"{_WHAT[link.table_name]} {link.row_id} of {link.writer or 'AMAE'}"
        if link.number != number + 1:
            gone = link.number - number - 1
            problems.append(f"{gone} links of {link.writer or 'AMAE'} before {what} are gone")
        elif row is None:
            problems.append(f"{what} is gone")
        elif _digest(before, row) != link.digest:
            problems.append(f"{what} is not as it was written")
        heads[link.writer] = (link.number, link.digest)
        seen[link.table_name].add(link.row_id)
    before_all = 0
    for table in _CHAINED:
        every = set(session.scalars(select(table.id)))  # type: ignore[attr-defined]
        own = seen[table.__tablename__]
        first = min(own, default=max(every, default=0) + 1)
        before_all += len([number for number in every - own if number < first])
        problems += [
            f"{_WHAT[table.__tablename__]} {number} was added outside AMAE"
            for number in sorted(every - own)
            if number > first
        ]
    return ChainReport(links, before_all, {w: d for w, (_, d) in heads.items()}, tuple(problems))


def _links(session: Session) -> Iterator[tuple[ChainLink, Base | None]]:
    """Every link, in its writer's order, with its row; some at a time."""
    by_name = {table.__tablename__: table for table in _CHAINED}
    ordered = select(ChainLink).order_by(ChainLink.writer, ChainLink.number)
    found = session.scalars(ordered, execution_options={"yield_per": _AT_ONCE})
    for some in found.partitions():
        rows: dict[tuple[str, int], Base] = {}
        for name, table in by_name.items():
            ids = [link.row_id for link in some if link.table_name == name]
            query = select(table).where(table.id.in_(ids))  # type: ignore[attr-defined]
            rows |= {(name, row.id): row for row in session.scalars(query)}  # type: ignore[attr-defined]
        for link in some:
            yield link, rows.get((link.table_name, link.row_id))
