"""What an image is recognised by: its keyed hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.tables import Image


@dataclass(frozen=True, slots=True)
class ImageKeys:
    """The keyed hashes of one image; `sop_key` is None where its file had no SOP instance."""

    image_id: int
    pixel_hash: str
    sop_key: str | None


def of_images(session: Session, ids: Sequence[int]) -> list[ImageKeys]:
    """The keys of these images, in no particular order; unknown ids are left out."""
    found = []
    for some in id_chunks(ids):
        query = select(Image.id, Image.pixel_hash, Image.sop_key).where(Image.id.in_(some))
        found += [ImageKeys(*row) for row in session.execute(query)]
    return found


def names_by_key(session: Session, keys: Sequence[str]) -> dict[str, str]:
    """The images that have one of these pixel hashes or SOP keys, removed ones too, by the key."""
    found: dict[str, str] = {}
    for column in (Image.pixel_hash, Image.sop_key):
        for some in chunks(keys):
            query = select(column, Image.name).where(column.in_(some))
            found.update({key: name for key, name in session.execute(query) if key})
    return found


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image with what is said of it; the truth is 0, 1 or None."""

    id: int
    name: str
    store_row: int
    split: str
    truth: int | None


def labels_by_pixels(session: Session, hashes: Sequence[str]) -> dict[str, LabelledImage]:
    """The images that have one of these pixel hashes, by the hash."""
    found: dict[str, LabelledImage] = {}
    columns = (Image.id, Image.name, Image.store_row, Image.split, Image.truth)
    for some in chunks(list(dict.fromkeys(hashes))):
        query = select(Image.pixel_hash, *columns).where(Image.pixel_hash.in_(some))
        found |= {row[0]: LabelledImage(*row[1:]) for row in session.execute(query)}
    return found
