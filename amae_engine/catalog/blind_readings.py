"""A second reader's blind reading: which images, what the first reader had decided, what they read.

A reading decides nothing: pseudo-labels follow the decisions alone, and the consensus on a conflict
is a decision of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog import acts, decisions, standing
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.audit import require_reader
from amae_engine.catalog.image_changes import change
from amae_engine.catalog.reading_tables import Reading, ReadingItem, ReadingSession
from amae_engine.catalog.tables import Label
from amae_engine.errors import BadInput


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One blind reading.

    Attributes:
        chosen_by: How its images were chosen: "random" or "nearest a cut".
        images: How many it has.
        read: How many the reader has rated.
    """

    id: int
    reader: str
    chosen_by: str
    began_at: str
    images: int
    read: int


@dataclass(frozen=True, slots=True)
class BlindItem:
    """One image of a session: the first reader's label and the second's, `NONE` while unread."""

    image_id: int
    first_reader: str
    first: Label
    second: Label

    @property
    def is_conflict(self) -> bool:
        """Whether both have called it something, and not the same."""
        return self.second is not Label.NONE and self.first is not self.second


def candidates(session: Session, reader: str) -> dict[int, tuple[str, Label]]:
    """Images that another reader has decided on, and not this one: who, and what.

    An own decision that was undone is none.
    """
    mine = standing.decided_by(session, reader)
    return {
        image: (found.reader, found.label)
        for image, found in standing.standing(session).items()
        if image not in mine
    }


def begin(session: Session, image_ids: Sequence[int], reader: str, chosen_by: str) -> int:
    """Begin a blind reading of images in this order; returns its number.

    Raises:
        BadInput: The reader has no name, or no other reader has decided on one of the images.
    """
    require_reader(reader, "A reading")
    known = candidates(session, reader)
    strange = [i for i in image_ids if int(i) not in known]
    if strange or not len(image_ids):
        raise BadInput(
            "A second reading is of images that another reader has decided on and you have not; "
            + (f"{len(strange)} of these are not such." if strange else "there is none yet.")
        )
    row = ReadingSession(reader=reader, chosen_by=chosen_by)
    session.add(row)
    session.flush()
    session.add_all(
        ReadingItem(
            session_id=row.id,
            image_id=int(image_id),
            place=place,
            first_reader=known[int(image_id)][0],
            first_label=known[int(image_id)][1],
        )
        for place, image_id in enumerate(image_ids)
    )
    return row.id


def read(session: Session, session_id: int, image_ids: Sequence[int], label: Label) -> None:
    """Note what the second reader calls images; `NONE` takes it back.

    Raises:
        BadInput: An image is not of the session.
    """
    row = session.get(ReadingSession, session_id)
    ids = [int(image_id) for image_id in image_ids]
    for image_id in ids:
        if row is None or session.get(ReadingItem, (session_id, image_id)) is None:
            raise BadInput(f"Image {image_id} is not of reading {session_id}.")
    if row is None or not ids:
        return
    change(
        session,
        [(f"reading:{session_id}", str(label), ids)],
        row.reader,
        lambda _: f"second reading: {label or 'nothing'}",
        Subject.READING,
    )


def offers(session: Session, reader: str) -> tuple[list[SessionRow], int]:
    """A reader's own second readings, and how many images another one could have."""
    mine = [row for row in sessions(session) if row.reader == reader]
    return mine, len(candidates(session, reader))


def items(session: Session, session_id: int) -> list[BlindItem]:
    """A session's images in its order, with both labels."""
    newest = (
        select(func.max(Reading.id))
        .where(Reading.session_id == session_id)
        .group_by(Reading.image_id)
    )
    given = {
        image_id: Label(label)
        for image_id, label in session.execute(
            select(Reading.image_id, Reading.label).where(Reading.id.in_(newest))
        )
    }
    query = (
        select(ReadingItem).where(ReadingItem.session_id == session_id).order_by(ReadingItem.place)
    )
    return [
        BlindItem(
            item.image_id,
            item.first_reader,
            Label(item.first_label),
            given.get(item.image_id, Label.NONE),
        )
        for item in session.scalars(query)
    ]


def sessions(session: Session) -> list[SessionRow]:
    """Every blind reading, newest first."""
    found = []
    for row in session.scalars(select(ReadingSession).order_by(ReadingSession.id.desc())):
        each = items(session, row.id)
        read_count = sum(item.second is not Label.NONE for item in each)
        found.append(
            SessionRow(row.id, row.reader, row.chosen_by, row.began_at, len(each), read_count)
        )
    return found


def agree(session: Session, session_id: int, image_id: int, label: Label) -> None:
    """Decide on a conflict by consensus: a decision of both readers.

    Raises:
        BadInput: The image is not of the session.
    """
    item = next((i for i in items(session, session_id) if i.image_id == image_id), None)
    row = session.get(ReadingSession, session_id)
    if item is None or row is None:
        raise BadInput(f"Image {image_id} is not of reading {session_id}.")
    readers = acts.both(item.first_reader, row.reader)
    decisions.decide(session, [image_id], label, readers, kind=decisions.CONSENSUS)
