"""Validation images: labelled test images that thresholds are chosen by, never tested on.

All images of a known patient stand on the same side.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from amae_engine.catalog import looks
from amae_engine.catalog.audit import audit
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.image_changes import change
from amae_engine.catalog.tables import Image, Split
from amae_engine.errors import BadInput, NotReady
from amae_engine.words import plural


def set_validation(
    session: Session, image_ids: Sequence[int], is_validation: bool, reader: str
) -> list[int]:
    """Set test images apart to choose by, or give them back; whole patients at a time.

    Returns:
        The ids of all images that changed.
    """
    chosen = [
        row
        for some in id_chunks(image_ids)
        for row in session.execute(
            select(Image.id, Image.patient_id, Image.patient_known).where(
                Image.id.in_(some), _is_test()
            )
        )
    ]
    patients = {patient for _, patient, known in chosen if known}
    ids = {image_id for image_id, _, _ in chosen}
    for some in chunks(sorted(patients)):
        query = select(Image.id).where(Image.patient_id.in_(some), _is_test())
        ids |= set(session.scalars(query))
    word = "set apart for validation" if is_validation else "tested on again"
    changed = change(
        session,
        [("is_validation", is_validation, sorted(ids))],
        reader,
        lambda n: f"{plural(n, 'image')} {word}",
    )
    audit(session, reader, "set_validation", f"{len(changed)} images to {is_validation}")
    if not is_validation:
        looks.note(session, changed, [looks.TRUTH], reader, "thresholds were chosen by them")
    return changed


def draw_validation(session: Session, share: float, reader: str, seed: int = 0) -> list[int]:
    """Set a share of the test patients apart, at random within each truth; for a first time only.

    Raises:
        BadInput: The share is not between 0 and 1.
        NotReady: There are validation images already, or no test image with known truth.
    """
    if not 0 < share < 1:
        raise BadInput(f"A share lies between 0 and 1; it is {share:g}.")
    if session.scalar(select(Image.id).where(Image.is_validation.is_(True)).limit(1)) is not None:
        raise NotReady(
            "Validation images are set apart already; a second draw would see images that were "
            "tested on. Change single images by hand if you must."
        )
    query = select(Image.id, Image.patient_id, Image.truth).where(
        _is_test(), Image.truth.is_not(None)
    )
    by_patient: dict[int, tuple[list[int], int]] = {}
    for image_id, patient, truth in session.execute(query.order_by(Image.id)):
        ids, worst = by_patient.get(patient, ([], 0))
        by_patient[patient] = ([*ids, image_id], max(worst, truth or 0))
    if not by_patient:
        raise NotReady("No test image has a known truth; set it in Studies or import it.")
    draw = random.Random(seed)
    chosen: list[int] = []
    for truth in (0, 1):
        group = [ids for ids, worst in by_patient.values() if worst == truth]
        draw.shuffle(group)
        for ids in group[: round(share * len(group))]:
            chosen += ids
    return set_validation(session, chosen, True, reader)


def _is_test() -> ColumnElement[bool]:
    return and_(Image.split == Split.TEST, Image.removed_at.is_(None))
