"""Patients: in which splits their images are, and moving them into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from amae_engine.catalog.chunks import chunks
from amae_engine.catalog.studies import change_splits, patients_in_two_splits
from amae_engine.catalog.tables import Image, Patient, Split
from amae_engine.errors import BadSetting

_STRICTEST_FIRST = (Split.TEST, Split.UNLABELED, Split.NORMAL)


@dataclass(frozen=True, slots=True)
class MovedImage:
    """One image that changed its split."""

    image_id: int
    name: str
    before: Split
    after: Split


def splits_of(session: Session, patient_keys: Sequence[str]) -> dict[str, set[Split]]:
    """In which splits the known ones of these patients have images."""
    found: dict[str, set[Split]] = {}
    for some in chunks(patient_keys):
        query = (
            select(Patient.key, Image.split)
            .join(Image, Image.patient_id == Patient.id)
            .where(Patient.key.in_(some), Image.removed_at.is_(None))
            .distinct()
        )
        for key, split in session.execute(query):
            found.setdefault(key, set()).add(Split(split))
    return found


def resolve_patients_in_two_splits(
    session: Session, reader: str, keep: Split = Split.TEST
) -> tuple[MovedImage, ...]:
    """Move all images of such a patient into one split: test, else unlabeled, else normal.

    Args:
        session: Open session.
        reader: Who decides, for the audit.
        keep: The split that wins where the patient has images in it.

    Returns:
        What was moved.

    Raises:
        BadSetting: `keep` is normal: an image is normal only when it is known to be.
    """
    if keep is Split.NORMAL:
        raise BadSetting(
            "An image is normal only when it is known to be; let test or unlabeled win, not normal."
        )
    order = (keep, *(split for split in _STRICTEST_FIRST if split is not keep))
    moved: list[MovedImage] = []
    shared = patients_in_two_splits(session)
    for some in chunks(shared):
        images = _images_of(session, some)
        for rows in images.values():
            after = min((Split(row.split) for row in rows), key=order.index)
            moved += [
                MovedImage(row.id, row.name, Split(row.split), after)
                for row in rows
                if row.split != after
            ]
    wanted = {s: [image.image_id for image in moved if image.after is s] for s in Split}
    change_splits(session, {split: ids for split, ids in wanted.items() if ids}, reader)
    return tuple(moved)


def _images_of(session: Session, patient_ids: Sequence[int]) -> dict[int, list[Image]]:
    query = (
        select(Image)
        .where(Image.patient_id.in_(patient_ids), Image.removed_at.is_(None))
        .order_by(Image.id)
    )
    images: dict[int, list[Image]] = {}
    for image in session.scalars(query):
        images.setdefault(image.patient_id, []).append(image)
    return images
