"""Scores of images by runs: bulk in, arrays out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from amae_engine.catalog.studies import image_name
from amae_engine.catalog.tables import Score
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput

Ids = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def save(
    session: Session, run_id: int, kind: ScoreKind, image_ids: Ids, values: npt.ArrayLike
) -> None:
    """Store one value an image, in place of earlier ones of the same run and kind.

    Raises:
        BadInput: A value is not a number; nothing is stored.
    """
    ids = [int(i) for i in image_ids]
    numbers = [float(v) for v in np.asarray(values)]
    if len(ids) != len(numbers):
        raise ValueError(f"{len(ids)} images but {len(numbers)} values of {kind}.")
    wrong = [i for i, value in zip(ids, numbers, strict=True) if not math.isfinite(value)]
    if wrong:
        raise BadInput(
            f"The score '{kind.label}' of {image_name(wrong[0])} is not a number, nor that of "
            f"{len(wrong) - 1} other images: the networks behind it are damaged. Train them again."
        )
    if not ids:
        return
    earlier = select(Score.image_id).where(Score.run_id == run_id, Score.kind == kind).limit(1)
    if session.scalar(earlier) is not None:
        for start in range(0, len(ids), 500):
            chunk = ids[start : start + 500]
            session.execute(
                delete(Score).where(
                    Score.run_id == run_id, Score.kind == kind, Score.image_id.in_(chunk)
                )
            )
    rows = [
        {"run_id": run_id, "kind": str(kind), "image_id": i, "value": v}
        for i, v in zip(ids, numbers, strict=True)
    ]
    session.execute(insert(Score), rows)


def load(session: Session, run_id: int, kind: ScoreKind) -> tuple[Ids, Values]:
    """Image ids (n,) in ascending order and their values (n,)."""
    query = (
        select(Score.image_id, Score.value)
        .where(Score.run_id == run_id, Score.kind == kind)
        .order_by(Score.image_id)
    )
    found = session.execute(query).all()
    ids = np.array([row[0] for row in found], dtype=np.int64)
    return ids, np.array([row[1] for row in found], dtype=np.float64)


def of_images(session: Session, run_id: int, kind: ScoreKind, image_ids: Ids) -> Values:
    """Values (n,) of the given images, NaN where the run has none."""
    ids, values = load(session, run_id, kind)
    found = dict(zip(ids.tolist(), values.tolist(), strict=True))
    return np.array([found.get(int(i), np.nan) for i in image_ids], dtype=np.float64)


def kinds(session: Session, run_id: int) -> list[ScoreKind]:
    """Which scores a run has."""
    query = select(Score.kind).where(Score.run_id == run_id).distinct()
    present = {ScoreKind(kind) for kind in session.scalars(query)}
    return [kind for kind in ScoreKind if kind in present]
