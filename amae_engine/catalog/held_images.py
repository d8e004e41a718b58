"""Images that may be no frontal chest, or have two labels: held back until a reader decides.

They have their rows and pixels, and count as removed: no list, no count and no training has them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.audit import audit
from amae_engine.catalog.chunks import id_chunks
from amae_engine.catalog.image_changes import change, write_column
from amae_engine.catalog.studies import ImageRow, rows
from amae_engine.catalog.tables import Held, Image, now
from amae_engine.words import plural


def waiting(session: Session) -> list[ImageRow]:
    """The images that wait for a decision, by id."""
    query = select(Image.id).where(Image.held == Held.WAITING).order_by(Image.id)
    return rows(session, list(session.scalars(query)))


def waiting_count(session: Session) -> int:
    """How many images wait for a decision."""
    query = select(func.count()).select_from(Image).where(Image.held == Held.WAITING)
    return session.scalar(query) or 0


def left_out(session: Session) -> list[ImageRow]:
    """The images that a reader left out, by id."""
    query = select(Image.id).where(Image.held == Held.LEFT_OUT).order_by(Image.id)
    return rows(session, list(session.scalars(query)))


def let_in(session: Session, ids: Sequence[int], reader: str) -> int:
    """Images become images of their split like any other; returns how many did."""
    return _decide(session, ids, Held.NO, reader)


def leave_out(session: Session, ids: Sequence[int], reader: str) -> int:
    """Images stay out; they are still recognised when they are imported again."""
    return _decide(session, ids, Held.LEFT_OUT, reader)


def hold(session: Session, image_id: int) -> None:
    """An image waits for a reader, without an act of one: what is said of it contradicts itself."""
    write_column(session, [image_id], held=Held.WAITING, removed_at=now())


def _decide(session: Session, ids: Sequence[int], held: Held, reader: str) -> int:
    mine: list[int] = []
    for wanted in id_chunks(ids):
        # what was never held is not this file's to remove
        mine += session.scalars(select(Image.id).where(Image.id.in_(wanted), Image.held != Held.NO))
    word = held or "let in"
    changed = change(
        session, [("held", str(held), mine)], reader, lambda n: f"{plural(n, 'image')} {word}"
    )
    audit(session, reader, "held_images", f"{len(changed)} images {word}")
    return len(changed)
