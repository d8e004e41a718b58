"""Whose decisions stand, and deciding without touching those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog import acts, decisions
from amae_engine.catalog.audit import require_reader
from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.decisions import UNKNOWN_OFFER, Offer
from amae_engine.catalog.tables import Label, LabelDecision

_STEPS = ("undo", "redo")


@dataclass(frozen=True, slots=True)
class Standing:
    """The decision that an image has: its label, and whose it is."""

    label: Label
    reader: str


def standing(session: Session, image_ids: Sequence[int] | None = None) -> dict[int, Standing]:
    """The decisions that images, or all, have now, by image; images without one are left out."""
    found = {
        image: Standing(label, reader)
        for image, label, reader in decisions.newest(session, image_ids)
    }
    for some in chunks(_restored(session, list(found))):
        chosen = LabelDecision.image_id.in_(some)
        every: dict[int, list[LabelDecision]] = {}
        for row in session.scalars(select(LabelDecision).where(chosen).order_by(LabelDecision.id)):
            every.setdefault(row.image_id, []).append(row)
        for image, rows in every.items():
            found[image] = Standing(found[image].label, _whose(rows))
    return found


def _restored(session: Session, image_ids: Sequence[int]) -> list[int]:
    """Those images whose newest row is an undo or a redo: the decision is that of another row."""
    newest = select(func.max(LabelDecision.id)).group_by(LabelDecision.image_id)
    found: list[int] = []
    for some in id_chunks(image_ids):
        query = select(LabelDecision.image_id).where(
            LabelDecision.id.in_(newest.where(LabelDecision.image_id.in_(some))),
            LabelDecision.kind.in_(_STEPS),
        )
        found += session.scalars(query)
    return found


def _whose(rows: Sequence[LabelDecision]) -> str:
    """Whose an image's decision is, by all of its rows, oldest first."""
    row = rows[-1]
    while row.kind in _STEPS:
        acted = [n for n, each in enumerate(rows) if each.batch == row.reverts]
        if not acted or (row.kind == "undo" and acted[0] == 0):
            break
        row = rows[acted[0]] if row.kind == "redo" else rows[acted[0] - 1]
    return row.reader


def decided_by(session: Session, reader: str) -> set[int]:
    """The images that a reader has decided on, alone or with another; undone acts do not count."""
    mine = acts.is_of(LabelDecision.reader, reader)
    columns = select(LabelDecision.batch, LabelDecision.kind, LabelDecision.reverts)
    own = select(LabelDecision.batch).where(mine, LabelDecision.kind.not_in(_STEPS))
    about = mine | LabelDecision.reverts.in_(own)
    query = columns.where(about).distinct().order_by(LabelDecision.batch)
    standing, _ = acts.replayed(
        [
            (batch, kind if kind in _STEPS else "do", reverts, "")
            for batch, kind, reverts in session.execute(query)
        ]
    )
    found: set[int] = set()
    for some in chunks(standing):
        images = select(LabelDecision.image_id).where(
            mine, LabelDecision.batch.in_(some), LabelDecision.after != Label.NONE
        )
        found |= set(session.scalars(images))
    return found


def decide_undisputed(
    session: Session,
    image_ids: Sequence[int],
    label: Label,
    reader: str,
    run_id: int | None = None,
    offer: Offer = UNKNOWN_OFFER,
) -> dict[int, Standing]:
    """Decide on those images that have no other decision, in one act.

    Another decision stays, whoever's it is; a reader may take back an own one.

    Args:
        session: Open session.
        image_ids: The images.
        label: The reader's; `NONE` takes decisions back.
        reader: Who decides.
        run_id: The stage-1 run whose pseudo-labels were on screen.
        offer: How the images were offered.

    Returns:
        The decisions that stay, by image.

    Raises:
        BadInput: The reader has no name.
    """
    require_reader(reader, "A decision")
    one_act_at_a_time(session)
    kept = {
        image: found
        for image, found in standing(session, image_ids).items()
        if found.label is not label and not (label is Label.NONE and found.reader == reader)
    }
    free = [image for image in image_ids if image not in kept]
    if free:
        decisions.decide(session, free, label, reader, run_id, offer=offer)
    return kept
