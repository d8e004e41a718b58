"""Probable twins in the catalog: which of two is better, and the better one in the other's place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.chunks import chunks
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.studies import NewImage
from amae_engine.catalog.tables import (
    Image,
    ImageTag,
    LabelDecision,
    Patient,
    Score,
    Study,
    TestLook,
)

Quality = tuple[int, int]  # pixels, bits: the larger is better, of two as large the deeper

# what an image has from its file; who it is, its split and its truth stay
_OF_THE_FILE = (
    "sop_key", "pixel_hash", "store_row", "rows", "columns", "bits_stored", "photometric", "modality",
    "view", "body_part", "transfer_syntax", "pixel_spacing_mm", "column_spacing_mm", "spacing_tag",
    "flags",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Twin:
    """An image of the project that another one is probably the same as."""

    image_id: int
    name: str
    quality: Quality
    split: str
    truth: int | None


def at(session: Session, store_row: int) -> Twin | None:
    """The image whose pixels are in a row of the store, None where it was taken back."""
    found = session.scalar(select(Image).where(Image.store_row == store_row))
    if found is None:
        return None
    quality = (found.rows * found.columns, found.bits_stored)
    return Twin(found.id, found.name, quality, found.split, found.truth)


def is_used(session: Session, image_id: int) -> bool:
    """Whether a reader or a run has had to do with an image."""
    return any(
        session.scalar(select(table.image_id).where(table.image_id == image_id).limit(1))
        for table in (LabelDecision, RegionAct, Score)
    )


def take_out(session: Session, which: ColumnElement[bool]) -> list[int]:
    """Take images out with their tags, and their patients and studies that have no other.

    Returns:
        Their ids.
    """
    ids = list(session.scalars(select(Image.id).where(which)))
    visits = list(session.scalars(select(Image.study_id).where(which).distinct()))
    people = list(session.scalars(select(Image.patient_id).where(which).distinct()))
    for table in (ImageTag, TestLook):
        session.execute(delete(table).where(table.image_id.in_(select(Image.id).where(which))))
    session.execute(delete(Image).where(which))
    for some in chunks(visits):
        unused = ~exists().where(Image.study_id == Study.id)
        session.execute(delete(Study).where(Study.id.in_(some), unused))
    for some in chunks(people):
        unused = ~exists().where(Study.patient_id == Patient.id)
        session.execute(delete(Patient).where(Patient.id.in_(some), unused))
    return ids


def take_place(session: Session, image_id: int, new: NewImage) -> dict[str, Any]:
    """Give an image the pixels of a better file; decisions, split, truth and tags stay.

    Returns:
        What it had from its file before, for `give_back`.
    """
    image = session.get_one(Image, image_id)
    before = {name: getattr(image, name) for name in _OF_THE_FILE}
    values = {**asdict(new), "flags": ",".join(new.flags)}
    give_back(session, image_id, {name: values[name] for name in _OF_THE_FILE})
    return before


def give_back(session: Session, image_id: int, facts: dict[str, Any]) -> None:
    """Let an image have what it had from an earlier file."""
    session.execute(update(Image).where(Image.id == image_id).values(**facts))
