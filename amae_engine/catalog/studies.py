"""Patients, studies and images: add, count, list, move between splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.filters import where_clause
from amae_engine.catalog.tables import Audit, Image, Patient, Split, Study, now
from amae_engine.errors import BadInput

SORT_KEYS = ("name", "patient_id", "split", "truth", "view", "rows", "source", "added_at")
_CHUNK = 500  # ids in one IN clause


@dataclass(frozen=True, slots=True)
class NewImage:
    """One film to add; keys are hashes, never identities.

    Attributes:
        truth: 0 normal, 1 abnormal, None unknown.
        pixel_spacing_mm: Row spacing in mm, None where the file has none.
    """

    patient_key: str
    study_key: str
    split: Split
    truth: int | None
    source: str
    sop_key: str | None
    pixel_hash: str
    store_row: int
    rows: int
    columns: int
    bits_stored: int
    photometric: str
    modality: str
    view: str
    body_part: str
    transfer_syntax: str
    pixel_spacing_mm: float | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image as lists and detail panels show it."""

    id: int
    name: str
    patient_id: int
    split: Split
    truth: int | None
    source: str
    store_row: int
    rows: int
    columns: int
    bits_stored: int
    photometric: str
    modality: str
    view: str
    body_part: str
    transfer_syntax: str
    pixel_spacing_mm: float | None
    flags: str
    added_at: str


@dataclass(frozen=True, slots=True)
class ImageTable:
    """All images of a split, by id.

    Attributes:
        ids: (n,) int64.
        store_rows: (n,) int64, rows of the pixel store.
        truth: (n,) int8, −1 where unknown.
        names: n texts.
    """

    ids: npt.NDArray[np.int64]
    store_rows: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int8]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many images and patients a split has, and how many of them have a known truth."""

    images: int
    patients: int
    normal: int
    abnormal: int


def add_image(session: Session, new: NewImage) -> int:
    """Add one film with its patient and study; returns the image's id."""
    patient = session.scalar(select(Patient).where(Patient.key == new.patient_key))
    if patient is None:
        patient = Patient(key=new.patient_key)
        session.add(patient)
        session.flush()
    study = session.scalar(select(Study).where(Study.key == new.study_key))
    if study is None:
        study = Study(patient_id=patient.id, key=new.study_key)
        session.add(study)
        session.flush()
    image = Image(
        name=f"pending-{new.store_row}",
        patient_id=patient.id,
        study_id=study.id,
        split=new.split,
        truth=new.truth,
        source=new.source,
        sop_key=new.sop_key,
        pixel_hash=new.pixel_hash,
        store_row=new.store_row,
        rows=new.rows,
        columns=new.columns,
        bits_stored=new.bits_stored,
        photometric=new.photometric,
        modality=new.modality,
        view=new.view,
        body_part=new.body_part,
        transfer_syntax=new.transfer_syntax,
        pixel_spacing_mm=new.pixel_spacing_mm,
        flags=",".join(new.flags),
    )
    session.add(image)
    session.flush()
    image.name = f"CXR-{image.id:05d}"
    return image.id


def split_counts(session: Session) -> dict[Split, SplitCount]:
    """Counts of every split; zeros for an empty one."""
    columns = (
        Image.split,
        func.count(Image.id),
        func.count(Image.patient_id.distinct()),
        func.count(Image.id).filter(Image.truth == 0),
        func.count(Image.id).filter(Image.truth == 1),
    )
    query = select(*columns).where(Image.removed_at.is_(None)).group_by(Image.split)
    found = {Split(row[0]): SplitCount(*row[1:]) for row in session.execute(query)}
    return {split: found.get(split, SplitCount(0, 0, 0, 0)) for split in Split}


def page_of_ids(
    session: Session, filter_text: str = "", sort: str = "name", descending: bool = False
) -> npt.NDArray[np.int64]:
    """Ids of the images that a filter keeps, sorted in SQL.

    Raises:
        BadInput: The filter or the sort key is unknown.
    """
    if sort not in SORT_KEYS:
        raise BadInput(f"Cannot sort by '{sort}'; choose one of {', '.join(SORT_KEYS)}.")
    column = Image.id if sort == "name" else getattr(Image, sort)
    order = (column.desc(), Image.id.desc()) if descending else (column, Image.id)
    query = select(Image.id).where(where_clause(filter_text)).order_by(*order)
    return np.fromiter(session.scalars(query), dtype=np.int64)


def rows(session: Session, ids: Sequence[int]) -> list[ImageRow]:
    """The rows of `ids`, in their order; unknown ids are left out."""
    found: dict[int, ImageRow] = {}
    for start in range(0, len(ids), _CHUNK):
        wanted = [int(i) for i in ids[start : start + _CHUNK]]
        for image in session.scalars(select(Image).where(Image.id.in_(wanted))):
            found[image.id] = _row(image)
    return [found[int(i)] for i in ids if int(i) in found]


def images_in(session: Session, split: Split) -> ImageTable:
    """Every image of a split, by id."""
    query = (
        select(Image.id, Image.store_row, Image.truth, Image.name)
        .where(Image.split == split, Image.removed_at.is_(None))
        .order_by(Image.id)
    )
    found = session.execute(query).all()
    return ImageTable(
        ids=np.array([row[0] for row in found], dtype=np.int64),
        store_rows=np.array([row[1] for row in found], dtype=np.int64),
        truth=np.array([-1 if row[2] is None else row[2] for row in found], dtype=np.int8),
        names=tuple(row[3] for row in found),
    )


def change_split(session: Session, ids: Sequence[int], split: Split, reader: str) -> None:
    """Move images to another split."""
    for start in range(0, len(ids), _CHUNK):
        wanted = [int(i) for i in ids[start : start + _CHUNK]]
        session.execute(update(Image).where(Image.id.in_(wanted)).values(split=split))
    audit(session, reader, "change_split", f"{len(ids)} images to {split}")


def set_truth(session: Session, ids: Sequence[int], truth: int | None, reader: str) -> None:
    """State what is known about images: 0 normal, 1 abnormal, None unknown."""
    for start in range(0, len(ids), _CHUNK):
        wanted = [int(i) for i in ids[start : start + _CHUNK]]
        session.execute(update(Image).where(Image.id.in_(wanted)).values(truth=truth))
    audit(session, reader, "set_truth", f"{len(ids)} images to {truth}")


def remove(session: Session, ids: Sequence[int], reader: str) -> None:
    """Hide images from every list and from training; `restore` brings them back."""
    session.execute(update(Image).where(Image.id.in_(map(int, ids))).values(removed_at=now()))
    audit(session, reader, "remove", f"{len(ids)} images")


def restore(session: Session, ids: Sequence[int], reader: str) -> None:
    """Undo `remove`."""
    session.execute(update(Image).where(Image.id.in_(map(int, ids))).values(removed_at=None))
    audit(session, reader, "restore", f"{len(ids)} images")


def newest_addition(session: Session) -> str:
    """When the newest film came in (ISO 8601, UTC); "" for an empty catalog."""
    return session.scalar(select(func.max(Image.added_at))) or ""


def patients_in_two_splits(session: Session) -> list[int]:
    """Ids of patients with images in more than one split: their results would leak."""
    query = (
        select(Image.patient_id)
        .where(Image.removed_at.is_(None))
        .group_by(Image.patient_id)
        .having(func.count(Image.split.distinct()) > 1)
    )
    return list(session.scalars(query))


def audit(session: Session, reader: str, act: str, detail: str) -> None:
    """Note an act of a reader."""
    session.add(Audit(reader=reader, act=act, detail=detail))


def _row(image: Image) -> ImageRow:
    return ImageRow(
        id=image.id,
        name=image.name,
        patient_id=image.patient_id,
        split=Split(image.split),
        truth=image.truth,
        source=image.source,
        store_row=image.store_row,
        rows=image.rows,
        columns=image.columns,
        bits_stored=image.bits_stored,
        photometric=image.photometric,
        modality=image.modality,
        view=image.view,
        body_part=image.body_part,
        transfer_syntax=image.transfer_syntax,
        pixel_spacing_mm=image.pixel_spacing_mm,
        flags=image.flags,
        added_at=image.added_at,
    )
