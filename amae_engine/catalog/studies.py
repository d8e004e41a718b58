"""Patients, studies and images: add, count, list, move between splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, String, cast, func, insert, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog import looks
from amae_engine.catalog.audit import audit
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.filters import where_clause
from amae_engine.catalog.image_changes import change, write_column
from amae_engine.catalog.image_facts import ImageFacts
from amae_engine.catalog.image_sources import labelled, source_label
from amae_engine.catalog.image_tables import aspect
from amae_engine.catalog.tables import Held, Image, Patient, Split, Study, now
from amae_engine.errors import BadInput
from amae_engine.words import plural

SORT_KEYS = ("name", "patient_id", "split", "truth", "view", "rows", "source", "added_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage(ImageFacts):
    """One decoded image, ready to be catalogued.

    Attributes:
        patient_key, study_key, sop_key, pixel_hash: Keyed hashes.
        patient_known: False where nothing says who the patient is; the key is then the image's.
        truth: 0 normal, 1 abnormal, None unknown.
        held: Whether it waits for a reader's decision, in no split meanwhile.
    """

    patient_key: str
    patient_known: bool
    study_key: str
    split: Split
    truth: int | None
    source: str
    sop_key: str | None
    pixel_hash: str
    store_row: int
    flags: tuple[str, ...]
    held: Held = Held.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow(ImageFacts):
    """One image as lists and detail panels show it."""

    id: int
    name: str
    patient_id: int
    patient_known: bool
    split: Split
    truth: int | None
    source: str
    store_row: int
    is_validation: bool
    flags: str
    added_at: str

    @property
    def aspect(self) -> float:
        """Width over height, as it is on the body."""
        return aspect(self.columns, self.rows, self.column_spacing_mm, self.pixel_spacing_mm)


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many images and patients a split has, and how many of them have a known truth.

    Attributes:
        patients: Those that are known.
        unknown: Images of which nothing says who the patient is.
        validation: Test images that thresholds are chosen by.
    """

    images: int
    patients: int
    unknown: int
    normal: int
    abnormal: int
    validation: int = 0


def add_images(
    session: Session, images: Sequence[NewImage], ids: Sequence[int] | None = None
) -> list[int]:
    """Add images with their patients and studies; returns the images' ids in the images' order.

    Args:
        session: Open session.
        images: What is added.
        ids: The numbers they have elsewhere, for an empty catalog; None takes the next ones.
    """
    patients = _ids(session, Patient, {f.patient_key: {"key": f.patient_key} for f in images})
    visits = _ids(
        session,
        Study,
        {f.study_key: {"key": f.study_key, "patient_id": patients[f.patient_key]} for f in images},
    )
    rows = [_values(f, patients[f.patient_key], visits[f.study_key]) for f in images]
    if not rows:
        return []
    if ids is not None:
        rows = [{**row, "id": number} for row, number in zip(rows, ids, strict=True)]
    adding = insert(Image).returning(Image.id, sort_by_parameter_order=True)
    added = list(session.scalars(adding, rows))
    session.execute(update(Image), [{"id": i, "name": image_name(i)} for i in added])
    return added


def image_name(image_id: int) -> str:
    """What readers call an image."""
    return f"CXR-{image_id:05d}"


def full_name(text: str) -> str:
    """An image's name of "12", "CXR-12" or "CXR-00012"; the text itself where it is none."""
    number = text.upper().removeprefix("CXR-")
    return image_name(int(number)) if number.isdecimal() else text


def _ids(
    session: Session, table: type[Patient] | type[Study], wanted: dict[str, dict[str, object]]
) -> dict[str, int]:
    """The ids of keys; keys that are new are added."""
    known: dict[str, int] = {}
    keys = list(wanted)
    for some in chunks(keys):
        query = select(table.key, table.id).where(table.key.in_(some))
        known |= {found.key: found.id for found in session.execute(query)}
    new = [values for key, values in wanted.items() if key not in known]
    if new:
        adding = insert(table).returning(table.key, table.id)
        known |= {added.key: added.id for added in session.execute(adding, new)}
    return known


def _values(image: NewImage, patient_id: int, study_id: int) -> dict[str, object]:
    values = {field.name: getattr(image, field.name) for field in fields(image)}
    del values["patient_key"], values["study_key"]
    return {
        **values,
        "name": f"pending-{image.store_row}",
        "patient_id": patient_id,
        "study_id": study_id,
        "flags": ",".join(image.flags),
        "removed_at": now() if image.held else None,
    }


def split_counts(session: Session) -> dict[Split, SplitCount]:
    """Counts of every split; zeros for an empty one."""
    shown = Image.removed_at.is_(None)
    images = (
        select(Image.split, Image.truth, func.count())
        .where(shown)
        .group_by(Image.split, Image.truth)
    )
    counts: dict[tuple[Split, int | None], int] = {
        (Split(split), truth): count for split, truth, count in session.execute(images)
    }
    each = select(Image.patient_id, Image.split).where(shown).distinct().subquery()
    people = select(each.c.split, func.count()).group_by(each.c.split)
    patients = {Split(split): count for split, count in session.execute(people)}
    strangers = (
        select(Image.split, func.count())
        .where(shown, Image.patient_known.is_(False))
        .group_by(Image.split)
    )
    unknown = {Split(split): count for split, count in session.execute(strangers)}
    kept_apart = select(func.count()).select_from(Image)
    validation = session.scalar(kept_apart.where(shown, Image.is_validation.is_(True))) or 0
    return {
        split: SplitCount(
            images=sum(counts.get((split, truth), 0) for truth in (None, 0, 1)),
            # an image of an unknown patient is a patient of its own
            patients=patients.get(split, 0) - unknown.get(split, 0),
            unknown=unknown.get(split, 0),
            normal=counts.get((split, 0), 0),
            abnormal=counts.get((split, 1), 0),
            validation=validation if split is Split.TEST else 0,
        )
        for split in Split
    }


def page_of_ids(
    session: Session, filter_text: str = "", sort: str = "name", descending: bool = False
) -> npt.NDArray[np.int64]:
    """Ids of the images that a filter keeps, sorted in SQL.

    Raises:
        BadInput: The filter or the sort key is unknown.
    """
    if sort not in SORT_KEYS:
        raise BadInput(f"Cannot sort by '{sort}'; choose one of {', '.join(SORT_KEYS)}.")
    query = select(Image.id).where(where_clause(filter_text, lambda: labelled(session)))
    if sort == "name":
        if not filter_text.strip():
            # an order that an index has: SQLite would read the rows, twenty times as long
            query = query.order_by(Image.split, Image.id)
        # the database may walk whichever index is shortest; sorting numbers is quick here
        ids = _joined_ids(session, query)
        ids.sort(kind="stable")
        return ids[::-1] if descending else ids
    column = getattr(Image, sort)
    order = (column.desc(), Image.id.desc()) if descending else (column, Image.id)
    return _joined_ids(session, query.order_by(*order))


def _joined_ids(session: Session, query: Select[Any]) -> npt.NDArray[np.int64]:
    """All ids of a query as one text: a row for each of a million would take three times longer."""
    found = query.subquery()
    joined = select(func.aggregate_strings(cast(found.c.id, String), ","))
    return np.fromstring(session.scalar(joined) or "", dtype=np.int64, sep=",")


def rows(session: Session, ids: Sequence[int]) -> list[ImageRow]:
    """The rows of `ids`, in their order; unknown ids are left out."""
    found: dict[int, ImageRow] = {}
    for wanted in id_chunks(ids):
        for image in session.scalars(select(Image).where(Image.id.in_(wanted))):
            found[image.id] = _row(image, source_label(session, image.source))
    return [found[int(i)] for i in ids if int(i) in found]


def change_split(session: Session, ids: Sequence[int], split: Split, reader: str) -> list[int]:
    """Move images to another split; returns the ids of those that were in another."""
    return change_splits(session, {split: ids}, reader)


def change_splits(
    session: Session, wanted: Mapping[Split, Sequence[int]], reader: str
) -> list[int]:
    """Move images to several splits in one act; returns the ids of those that were in another."""
    for split, ids in wanted.items():
        audit(session, reader, "change_split", f"{len(ids)} images to {split}")
    to = " and ".join(str(split) for split in wanted)
    return change(
        session,
        [("split", str(split), ids) for split, ids in wanted.items()],
        reader,
        lambda n: f"{plural(n, 'image')} to {to}",
    )


def set_truth(session: Session, ids: Sequence[int], truth: int | None, reader: str) -> list[int]:
    """State what is known about images: 0 normal, 1 abnormal, None unknown; which had another."""
    audit(session, reader, "set_truth", f"{len(ids)} images to {truth}")
    word = {0: "normal", 1: "abnormal", None: "unknown"}[truth]
    return change(
        session, [("truth", truth, ids)], reader, lambda n: f"truth of {plural(n, 'image')}: {word}"
    )


def set_test_truth(
    session: Session, ids: Sequence[int], truth: int | None, reader: str
) -> list[int]:
    """State the truth of those that are test images; which these are."""
    test = [row.id for row in rows(session, ids) if row.split is Split.TEST]
    set_truth(session, test, truth, reader)
    looks.note(session, test, [looks.TRUTH], reader, "its truth was stated")
    return test


def complete_truth(
    session: Session, names: Sequence[str], truth: int, reader: str
) -> dict[int, str]:
    """State the truth (0, 1) of those images whose truth nobody knows; their names, by id."""
    found: dict[int, str] = {}
    for some in chunks(names):
        query = select(Image.id, Image.name).where(Image.name.in_(some), Image.truth.is_(None))
        found |= {row.id: row.name for row in session.execute(query)}
    if found:
        write_column(session, list(found), truth=truth)
        audit(session, reader, "set_truth", f"{len(found)} images to {truth}")
    return found


def remove(session: Session, ids: Sequence[int], reader: str) -> list[int]:
    """Hide images from every list and from training; `restore` brings them back."""
    audit(session, reader, "remove", f"{len(ids)} images")
    return change(
        session, [("removed", True, ids)], reader, lambda n: f"{plural(n, 'image')} removed"
    )


def restore(session: Session, ids: Sequence[int], reader: str) -> list[int]:
    """Bring removed images back."""
    audit(session, reader, "restore", f"{len(ids)} images")
    return change(
        session, [("removed", False, ids)], reader, lambda n: f"{plural(n, 'image')} restored"
    )


def newest_addition(session: Session) -> str:
    """When the newest image came in (ISO 8601, UTC); "" for an empty catalog."""
    return session.scalar(select(func.max(Image.added_at))) or ""


def patients_in_two_splits(session: Session) -> list[int]:
    """Ids of patients with images in more than one split: their results would leak."""
    query = (
        select(Image.patient_id)
        .where(Image.removed_at.is_(None))
        .group_by(Image.patient_id)
        .having(func.min(Image.split) != func.max(Image.split))
    )
    return list(session.scalars(query))


def _row(image: Image, source: str) -> ImageRow:
    stored = {field.name: getattr(image, field.name) for field in fields(ImageRow)}
    return ImageRow(**stored | {"split": Split(image.split), "source": source})
