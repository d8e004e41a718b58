"""What of the catalog goes into a bundle, and how a copy of it comes without identities."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog.audit import RUN_FILES
from amae_engine.catalog.reading_tables import RegionAct
from amae_engine.catalog.tables import Audit, Base, Image, ImageTag, Run

_KEYS = ("name", "sop_key", "pixel_hash", "store_row", "study_id")
# free words, and its own chain
_LEFT_OUT = ("act", "chain_link", "image_tag", "saved_filter", "queue_job")
_FREE_ACTS = ("tag", "untag")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image as a bundle names it: all that is known of it, and nothing that names a person."""

    id: int
    store_row: int
    study: int
    facts: dict[str, Any]


def image_records(session: Session) -> list[ImageRecord]:
    """Every image, those too that were removed, by id."""
    columns = [c.key for c in Image.__table__.columns if c.key not in (*_KEYS, "id")]
    return [
        ImageRecord(
            image.id,
            image.store_row,
            image.study_id,
            {name: getattr(image, name) for name in columns},
        )
        for image in session.scalars(select(Image).order_by(Image.id))
    ]


def restore_marks(session: Session, of_images: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Give images of a bundle what adding them does not: removal, validation, when they came."""
    names = ("removed_at", "held", "is_validation", "added_at", "flags")
    rows = [{"id": i, **{name: facts[name] for name in names}} for i, facts in of_images]
    if rows:
        session.execute(update(Image), rows)


def copy_rows(source: Session, target: Session) -> int:
    """Copy every row of a catalog into an empty one, but free words and the chain.

    Notes, tags, saved filters, queued jobs and error messages stay behind: readers and systems wrote
    them, and they can name somebody. Returns the number of rows.
    """
    copied = 0
    for table in Base.metadata.sorted_tables:
        if table.name in _LEFT_OUT:
            continue
        found = source.execute(select(table), execution_options={"yield_per": _AT_ONCE})
        for some in found.mappings().partitions():
            kept = [row for row in (_without_words(table.name, dict(each)) for each in some) if row]
            if kept:
                target.execute(insert(table), kept)
            copied += len(kept)
    return copied


def _without_words(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row without what somebody typed; {} where nothing is left."""
    if table == RegionAct.__tablename__:
        return {**row, "note": ""}
    if table == Run.__tablename__:
        return {**row, "error": ""}
    if table == Audit.__tablename__ and row["act"] in _FREE_ACTS:
        return {}
    return row


def shorten_configs(session: Session, shorten: Callable[[Any], Any]) -> None:
    """Rewrite what runs' settings say, by a function of their JSON values."""
    for run in session.scalars(select(Run)):
        run.config = json.dumps(shorten(json.loads(run.config)))


def forget_run_files(session: Session) -> None:
    """Drop what the audit says of runs' files: in this copy they are others."""
    for row in session.scalars(select(Audit).where(Audit.act == RUN_FILES)):
        session.delete(row)


def words_in(session: Session) -> int:
    """How many notes and tags there are, which a shared copy leaves behind."""
    notes = session.scalars(select(RegionAct.id).where(RegionAct.note != "")).all()
    return len(notes) + len(session.scalars(select(ImageTag.tag)).all())
