"""All images of a split as arrays: what training and judging read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.chunks import id_chunks
from amae_engine.catalog.tables import Audit, Image, Split


@dataclass(frozen=True, slots=True)
class ImageTable:
    """All images of a split, by id.

    Attributes:
        ids: (n,) int64.
        store_rows: (n,) int64, rows of the pixel store.
        truth: (n,) int8, −1 where unknown.
        names: n texts.
        patient_ids: (n,) int64.
        pixel_hashes: n keyed hashes of the originals' pixels.
        aspects: (n,) width over height of each original, as it is on the body.
        is_validation: (n,) whether it is a test image that thresholds are chosen by.
    """

    ids: npt.NDArray[np.int64]
    store_rows: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int8]
    names: tuple[str, ...]
    patient_ids: npt.NDArray[np.int64]
    pixel_hashes: tuple[str, ...]
    aspects: npt.NDArray[np.float64]
    is_validation: npt.NDArray[np.bool_]

    def chosen(self, keep: npt.NDArray[np.bool_]) -> ImageTable:
        """The images where `keep` (n,) is true."""
        places = np.flatnonzero(keep).tolist()
        return ImageTable(
            ids=self.ids[keep],
            store_rows=self.store_rows[keep],
            truth=self.truth[keep],
            names=tuple(self.names[i] for i in places),
            patient_ids=self.patient_ids[keep],
            pixel_hashes=tuple(self.pixel_hashes[i] for i in places),
            aspects=self.aspects[keep],
            is_validation=self.is_validation[keep],
        )


def patients_of(session: Session, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whose images these (n,) are."""
    found: dict[int, int] = {}
    for wanted in id_chunks(ids.tolist()):
        rows = session.execute(select(Image.id, Image.patient_id).where(Image.id.in_(wanted)))
        found |= {int(image): int(patient) for image, patient in rows}
    return np.array([found[i] for i in ids.tolist()], dtype=np.int64)


def newest_change(session: Session) -> tuple[int, int]:
    """A number that changes with every act that adds, removes or changes images."""
    newest = session.scalar(select(func.max(Image.id))) or 0
    return newest, session.scalar(select(func.count(Audit.id))) or 0


def images_in(session: Session, split: Split) -> ImageTable:
    """Every image of a split, by id."""
    query = (
        select(
            Image.id,
            Image.store_row,
            Image.truth,
            Image.name,
            Image.patient_id,
            Image.pixel_hash,
            Image.columns,
            Image.rows,
            Image.column_spacing_mm,
            Image.pixel_spacing_mm,
            Image.is_validation,
        )
        .where(Image.split == split, Image.removed_at.is_(None))
        .order_by(Image.id)
    )
    found = session.execute(query).all()
    return ImageTable(
        ids=np.array([row[0] for row in found], dtype=np.int64),
        store_rows=np.array([row[1] for row in found], dtype=np.int64),
        truth=np.array([-1 if row[2] is None else row[2] for row in found], dtype=np.int8),
        names=tuple(row[3] for row in found),
        patient_ids=np.array([row[4] for row in found], dtype=np.int64),
        pixel_hashes=tuple(row[5] for row in found),
        aspects=np.array(
            [aspect(row[6], row[7], row[8], row[9]) for row in found], dtype=np.float64
        ),
        is_validation=np.array([row[10] for row in found], dtype=bool),
    )


def aspect(
    columns: int, rows: int, column_mm: float | None = None, row_mm: float | None = None
) -> float:
    """Width over height of an image; its pixels are squares where their size is not known."""
    return (
        columns * ((column_mm or 1) if row_mm else 1) / (rows * ((row_mm or 1) if column_mm else 1))
    )
