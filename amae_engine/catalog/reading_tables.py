"""The tables of what readers see in images: blind readings, regions, notes."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from amae_engine.catalog.tables import Base, now


class ReadingSession(Base):
    """A second reader's blind reading of some images; their readings decide nothing."""

    __tablename__ = "reading_session"
    id: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[str] = mapped_column(String(64))
    chosen_by: Mapped[str] = mapped_column(String(32))
    began_at: Mapped[str] = mapped_column(String(32), default=now)


class ReadingItem(Base):
    """One image of a session, and what its first reader had decided when the session began."""

    __tablename__ = "reading_item"
    session_id: Mapped[int] = mapped_column(ForeignKey("reading_session.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    place: Mapped[int]
    first_reader: Mapped[str] = mapped_column(String(64))
    first_label: Mapped[str] = mapped_column(String(16))


class Reading(Base):
    """What the second reader called an image; appended, the newest counts."""

    __tablename__ = "reading"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("reading_session.id"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    label: Mapped[str] = mapped_column(String(16))
    read_at: Mapped[str] = mapped_column(String(32), default=now)


class RegionAct(Base):
    """One reader's act on one of their regions or notes; appended, never changed: the newest counts.

    A note on the whole image is a region without points.
    """

    __tablename__ = "region_act"
    id: Mapped[int] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(index=True)
    region: Mapped[int] = mapped_column(index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    reader: Mapped[str] = mapped_column(String(64))
    acted_at: Mapped[str] = mapped_column(String(32), default=now)
    kind: Mapped[str] = mapped_column(String(16))
    reverts: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(16))  # "" is taken away
    shape: Mapped[str] = mapped_column(String(16))
    points: Mapped[str] = mapped_column(Text)  # JSON, shares of the image's width and height
    note: Mapped[str] = mapped_column(Text)
    # what the map was whose region a reader judged
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))
    score: Mapped[str] = mapped_column(String(32))
    threshold: Mapped[float | None]
