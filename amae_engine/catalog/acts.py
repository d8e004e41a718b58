"""The log of acts: what each reader did last, whatever it was about, for one undo and one redo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from amae_engine.catalog.tables import Act

_AND = " + "  # between the names of two who act together
_DO, _UNDO, _REDO = "do", "undo", "redo"


class Subject(StrEnum):
    """What an act is about."""

    DECISIONS = "decisions"  # a batch of them
    REGIONS = "regions"  # a batch of acts on regions and notes
    READING = "reading"  # what a second reader called an image
    IMAGES = "images"  # their split, truth, tags, …
    IMPORT = "import"


def both(first: str, second: str) -> str:
    """Whose an act of two readers is."""
    return f"{first}{_AND}{second}"[:64]


def is_of(name: InstrumentedAttribute[str], reader: str) -> ColumnElement[bool]:
    """Whether a reader is the one that a column names, or one of the two."""
    return or_(
        name == reader,
        name.startswith(f"{reader}{_AND}", autoescape=True),
        name.endswith(f"{_AND}{reader}", autoescape=True),
    )


def record(
    session: Session,
    reader: str,
    subject: Subject,
    what: str,
    batch: int | None = None,
    changes: str = "",
) -> None:
    """Note an act, in the transaction that does it.

    Args:
        session: Open session.
        reader: Who acts.
        subject: What it is about.
        what: In words, after which "undone" can follow: "3 images to test".
        batch: Its number in the subject's own table, where that has one.
        changes: What it changed, where the subject's own table does not say so.
    """
    act = Act(
        reader=reader, kind=_DO, subject=subject, what=what[:200], batch=batch, changes=changes
    )
    session.add(act)


def record_step(session: Session, reader: str, act: Act, is_redo: bool) -> None:
    """Note that a reader undid an act, or did it again."""
    session.add(
        Act(
            reader=reader,
            kind=_REDO if is_redo else _UNDO,
            subject=act.subject,
            what=act.what,
            batch=act.batch,
            changes="",
            reverts=act.id,
        )
    )


def next_act(session: Session, reader: str, is_redo: bool) -> Act | None:
    """The act that the reader would undo, or do again, next; an act of two is each one's."""
    done, undone = _stacks(session, reader)
    of = undone if is_redo else done
    return session.get_one(Act, of[-1]) if of else None


@dataclass(frozen=True, slots=True)
class NewActs:
    """What was done since an act.

    Attributes:
        newest: The newest act's number.
        subjects: What others' acts were about.
    """

    newest: int
    subjects: frozenset[Subject]


def since(session: Session, last: int, reader: str) -> NewActs:
    """The acts after one, of others than a reader."""
    newest = session.scalar(select(func.max(Act.id))) or 0
    new = select(Act.subject).where(Act.id > last, Act.reader != reader).distinct()
    return NewActs(newest, frozenset(Subject(name) for name in session.scalars(new)))


def _stacks(session: Session, reader: str) -> tuple[list[int], list[int]]:
    """The acts that can be undone and those that can be redone, newest last."""
    columns = select(Act.id, Act.kind, Act.reverts, Act.subject)
    mine = select(Act.id).where(is_of(Act.reader, reader), Act.kind == _DO)
    query = columns.where(
        (is_of(Act.reader, reader) & (Act.kind == _DO)) | Act.reverts.in_(mine)
    ).order_by(Act.id)
    return replayed(
        [(row.id, row.kind, row.reverts, row.subject) for row in session.execute(query)]
    )


def replayed(acts: Sequence[tuple[int, str, int | None, str]]) -> tuple[list[int], list[int]]:
    """Replay acts, oldest first, given as (number, kind, the act that it reverts, subject)."""
    done: list[int] = []
    undone: list[int] = []
    for number, kind, reverts, subject in acts:
        if kind == _DO or reverts is None:
            done.append(number)
            undone.clear()
            continue
        start, end = (done, undone) if kind == _UNDO else (undone, done)
        if reverts in start:
            start.remove(reverts)
        if subject != Subject.IMPORT:  # whose images are gone
            end.append(reverts)
    return done, undone
