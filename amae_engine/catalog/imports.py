"""Imports: which images came in together, so that the last import can be taken back.

An import is an `Audit` row; its detail holds the images' ids as ranges, and those of older images
whose truth came with it, and grows with each commit, so that an import that was cut short can be taken
back too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, false, func, or_, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog import acts, twins
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.audit import IMPORT, audit
from amae_engine.catalog.chunks import chunks
from amae_engine.catalog.image_sources import source_label
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.tables import (
    Act,
    Audit,
    Image,
    LabelDecision,
    Run,
    Score,
)
from amae_engine.errors import NotReady
from amae_engine.words import plural

_UNDO = "undo_import"
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One import that can be taken back.

    Attributes:
        at: When it began (ISO 8601, UTC).
        ranges: Of the ids of the images that it brought, both ends included.
        truths: Of the ids of older images that it gave their truth (0, 1), by this truth.
        replaced: What older images had from their files before it gave them larger ones, by id.
    """

    id: int
    at: str
    reader: str
    source: str
    ranges: Ranges
    truths: dict[int, Ranges]
    replaced: dict[int, dict[str, Any]]

    @property
    def images(self) -> int:
        """How many images it brought."""
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def completed(self) -> int:
        """How many older images it gave their truth."""
        return sum(last - first + 1 for of in self.truths.values() for first, last in of)

    @property
    def what(self) -> str:
        """What it brought, in the reader's words: "6 images and the truth of 1 older image"."""
        brought = [plural(self.images, "image")] if self.images else []
        if self.completed:
            brought.append(f"the truth of {plural(self.completed, 'older image')}")
        if self.replaced:
            brought.append(f"a larger file of {plural(len(self.replaced), 'older image')}")
        return " and ".join(brought)


def begin(session: Session, source: str, reader: str) -> int:
    """Note that an import begins; returns its number."""
    known = {"source": source, "ids": [], "truths": {}, "summary": ""}
    row = Audit(reader=reader, act=IMPORT, detail=json.dumps(known))
    session.add(row)
    session.flush()
    return row.id


def extend(session: Session, import_id: int, image_ids: Sequence[int]) -> None:
    """Note images that the import brought, in the transaction that adds them."""
    row = session.get_one(Audit, import_id)
    known = json.loads(row.detail)
    row.detail = json.dumps({**known, "ids": _merged(known["ids"], image_ids)})


def withdraw(session: Session, import_id: int, image_id: int) -> None:
    """Take an image out again that the import brought."""
    twins.take_out(session, Image.id == image_id)
    row = session.get_one(Audit, import_id)
    known = json.loads(row.detail)
    ids = [i for first, last in known["ids"] for i in range(first, last + 1) if i != image_id]
    row.detail = json.dumps({**known, "ids": _merged([], ids)})


def extend_truths(session: Session, import_id: int, truth: int, image_ids: Sequence[int]) -> None:
    """Note older images that got their truth (0, 1) by the import, in the transaction that gives it."""
    row = session.get_one(Audit, import_id)
    known = json.loads(row.detail)
    truths = known.get("truths", {})
    truths[str(truth)] = _merged(truths.get(str(truth), []), image_ids)
    row.detail = json.dumps({**known, "truths": truths})


def extend_replaced(
    session: Session, import_id: int, image_id: int, before: dict[str, Any]
) -> None:
    """Note an older image that got a larger file, and what it had from its own."""
    row = session.get_one(Audit, import_id)
    known = json.loads(row.detail)
    row.detail = json.dumps(
        {**known, "replaced": {str(image_id): before, **known.get("replaced", {})}}
    )


def end(session: Session, import_id: int, summary: str) -> None:
    """Note how the import ended."""
    row = session.get_one(Audit, import_id)
    known = json.loads(row.detail)
    row.detail = json.dumps({**known, "summary": summary})
    audit(session, row.reader, "imported", json.dumps({"import": import_id, "summary": summary}))
    if known["ids"] or known.get("truths") or known.get("replaced"):
        count = sum(last - first + 1 for first, last in known["ids"])
        what = f"import of {plural(count, 'image')}"
        acts.record(session, row.reader, Subject.IMPORT, what, import_id)


def has_ended(session: Session, source: str) -> bool:
    """Whether an import of this source was finished: not cut short by a cancel or a crash."""
    details = session.scalars(select(Audit.detail).where(Audit.act == IMPORT))
    return any(
        bool(known["summary"]) for known in map(_parsed, details) if known["source"] == source
    )


def newest(session: Session) -> ImportRow | None:
    """The newest import that brought images or truth and was not taken back."""
    undone = {
        json.loads(detail)["import"]
        for detail in session.scalars(select(Audit.detail).where(Audit.act == _UNDO))
    }
    query = select(Audit).where(Audit.act == IMPORT).order_by(Audit.id.desc())
    for row in session.scalars(query):
        known = _parsed(row.detail)
        truths = {int(truth): _ranges(of) for truth, of in known.get("truths", {}).items() if of}
        replaced = {int(image): facts for image, facts in known.get("replaced", {}).items()}
        if row.id not in undone and (known["ids"] or truths or replaced):
            label = source_label(session, known["source"])
            ranges = _ranges(known["ids"])
            return ImportRow(row.id, row.at, row.reader, label, ranges, truths, replaced)
    return None


def undo(session: Session, reader: str) -> tuple[ImportRow, tuple[int, ...]]:
    """Take the newest import back: its images leave the catalog with their patients and studies.

    Older images lose the truth that came with it, unless somebody has stated another one since.

    Returns:
        The import with what was really taken back, and the ids of the images whose originals are
        others now: those that left, and those that are the smaller ones again.

    Raises:
        NotReady: There is no such import, a run has used its images, or a reader decided on them.
    """
    found = newest(session)
    if found is None:
        raise NotReady("There is no import to undo.")
    inside = or_(false(), *(Image.id.between(first, last) for first, last in found.ranges))
    _require_unused(session, found, inside)
    ids = twins.take_out(session, inside)
    for image, facts in found.replaced.items():
        twins.give_back(session, image, facts)
    forgotten = {truth: _forget(session, truth, of) for truth, of in found.truths.items()}
    undone = replace(found, truths=forgotten)
    detail = {"import": found.id, "images": len(ids), "truths": undone.completed}
    audit(session, reader, _UNDO, json.dumps(detail))
    act = session.scalar(
        select(Act).where(
            Act.subject == Subject.IMPORT, Act.batch == found.id, Act.reverts.is_(None)
        )
    )
    if act is not None:
        acts.record_step(session, reader, act, is_redo=False)
    return undone, (*ids, *found.replaced)


def _forget(session: Session, truth: int, ranges: Ranges) -> Ranges:
    """Make the truth of images unknown where it still is this one; which these are."""
    ids = [image_id for first, last in ranges for image_id in range(first, last + 1)]
    forgotten: list[int] = []
    for some in chunks(ids):
        still = select(Image.id).where(Image.id.in_(some), Image.truth == truth)
        forgotten += session.scalars(still)
        session.execute(update(Image).where(Image.id.in_(still)).values(truth=None))
    return _ranges(_merged([], forgotten))


def _require_unused(session: Session, found: ImportRow, inside: Any) -> None:
    remedy = "Remove the images you do not want instead; they can be restored."
    came_in = session.scalar(select(func.min(Image.added_at)).where(inside)) or found.at
    scored = select(Score.run_id).join(Image, Image.id == Score.image_id).where(inside)
    at_work = select(Run.id).where(Run.heartbeat_at >= came_in).order_by(Run.id)
    run = session.scalar(scored.limit(1)) or session.scalar(at_work.limit(1))
    if run is not None:
        came = "images" if found.images else "truth"
        instead = remedy if found.images else "State the truth of the images again instead."
        raise NotReady(
            f"The import of {found.source} cannot be undone: run {run} was at work after its "
            f"{came} came in. {instead}"
        )
    for table, did, what in (
        (LabelDecision, "decided on", "decisions"),
        (RegionAct, "marked or noted on", "regions and notes"),
    ):
        images = select(func.count(table.image_id.distinct()))
        count = session.scalar(images.join(Image, and_(Image.id == table.image_id, inside)))
        if count:
            raise NotReady(
                f"The import of {found.source} cannot be undone: readers have {did} {count} "
                f"of its images, and {what} are kept. {remedy}"
            )


def _merged(ranges: list[list[int]], ids: Sequence[int]) -> list[list[int]]:
    merged = [list(pair) for pair in ranges]
    for image_id in sorted(ids):
        if merged and merged[-1][1] == image_id - 1:
            merged[-1][1] = image_id
        else:
            merged.append([image_id, image_id])
    return merged


def _ranges(pairs: list[list[int]]) -> Ranges:
    return tuple((first, last) for first, last in pairs)


def _parsed(detail: str) -> dict[str, Any]:
    """A row's detail; the first ones are plain text and cannot be taken back."""
    try:
        known: dict[str, Any] = json.loads(detail)
    except ValueError:
        return {"source": detail, "ids": [], "truths": {}, "summary": ""}
    return known
