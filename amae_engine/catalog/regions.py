"""Readers' regions and notes: append-only, each reader's own; undo and redo append too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog import acts
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.audit import require_reader
from amae_engine.catalog.chain import one_act_at_a_time
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import Outline, Shape

LONGEST_NOTE = 2000  # characters
_IMAGE = "image"  # the shape of a note on the whole image
_DONE = {
    "draw": "drawn",
    "edit": "changed",
    "note": "given a note",
    "judge": "judged",
}


class RegionState(StrEnum):
    """What a reader says of a region."""

    DRAWN = "drawn"
    AGREED = "agreed"  # a map's region that shows something
    REJECTED = "rejected"  # a map's region that shows nothing
    IMPORTED = "imported"  # came with a table, masks or a segmentation
    NOTE = "note"  # on the whole image
    GONE = ""  # taken away, or undone

    @property
    def is_marked(self) -> bool:
        """Whether the reader holds that something is there."""
        return self in (RegionState.DRAWN, RegionState.AGREED, RegionState.IMPORTED)

    @property
    def is_from_a_map(self) -> bool:
        """Whether it began as a part of a map, which it says nothing about: it would be judged by itself."""
        return self is RegionState.AGREED


@dataclass(frozen=True, slots=True)
class NewRegion:
    """A region to add.

    Attributes:
        run_id, score, threshold: Of the map whose region it is, where it is one.
    """

    image_id: int
    outline: Outline
    state: RegionState
    note: str = ""
    run_id: int | None = None
    score: str = ""
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region in its current state, or a note on an image.

    Attributes:
        region: Its number.
        outline: None for a note on the whole image.
    """

    region: int
    image_id: int
    reader: str
    acted_at: str
    state: RegionState
    outline: Outline | None
    note: str
    run_id: int | None
    score: str
    threshold: float | None


def add(session: Session, new: Sequence[NewRegion], reader: str, kind: str = "draw") -> list[int]:
    """Add regions in one act, which one undo takes back; returns their numbers.

    Raises:
        BadInput: The reader has no name, or a note is too long.
    """
    require_reader(reader, "A region")
    one_act_at_a_time(session)
    first = (session.scalar(select(func.max(RegionAct.region))) or 0) + 1
    rows = [
        RegionAct(
            region=number,
            image_id=each.image_id,
            state=each.state,
            shape=each.outline.shape,
            points=json.dumps(each.outline.points),
            note=_checked(each.note),
            run_id=each.run_id,
            score=each.score,
            threshold=each.threshold,
        )
        for number, each in enumerate(new, start=first)
    ]
    _append(session, rows, reader, kind)
    return [row.region for row in rows]


def change(
    session: Session,
    region: int,
    reader: str,
    state: RegionState | None = None,
    outline: Outline | None = None,
    note: str | None = None,
) -> None:
    """Change one of the reader's own regions; what is None stays.

    Raises:
        BadInput: It is another reader's, or there is none, or the note is too long.
    """
    require_reader(reader, "A region")
    one_act_at_a_time(session)
    found = _newest(session, [region]).get(region)
    if found is None or found.state == RegionState.GONE:
        raise BadInput(f"There is no region {region}.")
    if found.reader != reader:
        raise BadInput(
            f"Region {region} is {found.reader}'s; agree with it or draw your own in its place."
        )
    row = _copy(found)
    if state is not None:
        row.state = state
    if outline is not None:
        row.shape, row.points = outline.shape, json.dumps(outline.points)
    if note is not None:
        row.note = _checked(note)
    kind = "edit" if outline is not None else "note" if note is not None else "judge"
    _append(session, [row], reader, kind)


def remove(session: Session, region: int, reader: str) -> None:
    """Take one of the reader's own regions away; see `change`."""
    change(session, region, reader, state=RegionState.GONE)


def note_image(session: Session, image_id: int, text: str, reader: str) -> None:
    """Write the reader's note on an image, in place of their earlier one; "" takes it away."""
    require_reader(reader, "A note")
    one_act_at_a_time(session)
    mine = [
        row
        for row in of_images(session, [image_id])
        if row.state is RegionState.NOTE and row.reader == reader
    ]
    state = RegionState.NOTE if text.strip() else RegionState.GONE
    if not mine and state is RegionState.GONE:
        return
    number = (
        mine[0].region if mine else (session.scalar(select(func.max(RegionAct.region))) or 0) + 1
    )
    row = RegionAct(
        region=number,
        image_id=image_id,
        state=state,
        shape=_IMAGE,
        points="[]",
        note=_checked(text),
        run_id=None,
        score="",
        threshold=None,
    )
    _append(session, [row], reader, "note")


def of_images(session: Session, image_ids: Sequence[int] | None = None) -> list[RegionRow]:
    """What stands, of some images or of all; by region."""
    newest = select(func.max(RegionAct.id)).group_by(RegionAct.region)
    every = [None] if image_ids is None else id_chunks(image_ids)
    found: list[RegionRow] = []
    for some in every:
        last = newest if some is None else newest.where(RegionAct.image_id.in_(some))
        query = select(RegionAct).where(RegionAct.id.in_(last), RegionAct.state != RegionState.GONE)
        found += [_row(act) for act in session.scalars(query)]
    return sorted(found, key=lambda row: row.region)


def marked_images(session: Session) -> tuple[frozenset[int], frozenset[int]]:
    """Ids of the images with regions, and of those with notes of their own or on a region."""
    newest = select(func.max(RegionAct.id)).group_by(RegionAct.region)
    query = select(RegionAct.image_id, RegionAct.shape, RegionAct.note).where(
        RegionAct.id.in_(newest), RegionAct.state != RegionState.GONE
    )
    stand = session.execute(query).all()
    return (
        frozenset(image for image, shape, _ in stand if shape != _IMAGE),
        frozenset(image for image, _, note in stand if note),
    )


def reverse(session: Session, batch: int, reader: str, is_redo: bool) -> tuple[int, ...]:
    """Append the reverse or the repetition of an act; returns the images whose regions changed.

    Only a region's own reader acts on it, so nobody else's act lies between.
    """
    mine = select(RegionAct).where(RegionAct.batch == batch, RegionAct.reader == reader)
    about = list(session.scalars(mine.order_by(RegionAct.id)))
    before = _newest(session, [act.region for act in about], before=about[0].id)
    rows = []
    for act in about:
        source = act if is_redo else before.get(act.region)
        row = _copy(act if source is None else source)
        if source is None:  # the act added it
            row.state = RegionState.GONE
        rows.append(row)
    _append(session, rows, reader, "redo" if is_redo else "undo", reverts=batch)
    return tuple(dict.fromkeys(row.image_id for row in rows))


def _newest(
    session: Session, numbers: Sequence[int], before: int | None = None
) -> dict[int, RegionAct]:
    """The newest act on each region, before an act where one is given."""
    newest = select(func.max(RegionAct.id)).group_by(RegionAct.region)
    if before is not None:
        newest = newest.where(RegionAct.id < before)
    found: dict[int, RegionAct] = {}
    for some in chunks(list(numbers)):
        query = select(RegionAct).where(RegionAct.id.in_(newest.where(RegionAct.region.in_(some))))
        found |= {act.region: act for act in session.scalars(query)}
    return found


def _append(
    session: Session, rows: list[RegionAct], reader: str, kind: str, reverts: int | None = None
) -> None:
    batch = (session.scalar(select(func.max(RegionAct.batch))) or 0) + 1
    for row in rows:
        row.batch, row.reader, row.kind, row.reverts = batch, reader, kind, reverts
    session.add_all(rows)
    session.flush()
    if reverts is None:
        acts.record(session, reader, Subject.REGIONS, _words(rows, kind), batch)


def _words(rows: Sequence[RegionAct], kind: str) -> str:
    """An act in words: "region drawn"."""
    if len(rows) != 1:
        return f"{len(rows)} regions {_DONE.get(kind, 'taken in')}"
    (row,) = rows
    if row.shape == _IMAGE:
        return "note on an image"
    return (
        "region deleted"
        if row.state == RegionState.GONE
        else f"region {_DONE.get(kind, 'taken in')}"
    )


def _copy(act: RegionAct) -> RegionAct:
    kept = (
        "region",
        "image_id",
        "state",
        "shape",
        "points",
        "note",
        "run_id",
        "score",
        "threshold",
    )
    return RegionAct(**{name: getattr(act, name) for name in kept})


def _checked(note: str) -> str:
    text = note.strip()
    if len(text) > LONGEST_NOTE:
        raise BadInput(f"A note has up to {LONGEST_NOTE:,} characters; this one has {len(text):,}.")
    return text


def _row(act: RegionAct) -> RegionRow:
    outline = None
    if act.shape != _IMAGE:
        points = tuple((float(x), float(y)) for x, y in json.loads(act.points))
        outline = Outline(Shape(act.shape), points)
    return RegionRow(
        act.region,
        act.image_id,
        act.reader,
        act.acted_at,
        RegionState(act.state),
        outline,
        act.note,
        act.run_id,
        act.score,
        act.threshold,
    )
