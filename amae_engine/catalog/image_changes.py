"""What readers change of images as a whole, so that it can be undone: split, truth, tags, readings.

Decisions and regions have tables of their own, which only grow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from amae_engine.catalog import acts
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.chunks import chunks, id_chunks
from amae_engine.catalog.reading_tables import Reading
from amae_engine.catalog.tables import Held, Image, ImageTag, Label, now

Value = str | int | bool | None
Now = dict[int, Any]  # each image's value


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that can be said of images.

    Attributes:
        read: Gives the value of each of these images that are there, by id.
        write: Gives images a value.
    """

    read: Callable[[Session, Sequence[int]], Now]
    write: Callable[[Session, Sequence[int], Any], None]


@dataclass(frozen=True, slots=True)
class Reversed:
    """What became of an act's images when it was undone or done again.

    Attributes:
        changed: Their ids.
        kept: How many were left as they are, because they were changed again since.
        gone: How many are no longer in the project.
    """

    changed: tuple[int, ...] = ()
    kept: int = 0
    gone: int = 0


def change(
    session: Session,
    wanted: Sequence[tuple[str, Value, Sequence[int]]],
    reader: str,
    what: Callable[[int], str],
    subject: Subject = Subject.IMAGES,
) -> list[int]:
    """Change images in one act, which one undo takes back.

    Args:
        session: Open session.
        wanted: A fact, its value, and the images that get it; facts as `fact` knows them.
        reader: Who acts.
        what: Says it in words, for so many images.
        subject: What the act is about.

    Returns:
        The ids of those that had another value.
    """
    changed: list[int] = []
    written: list[tuple[str, Value, list[tuple[Value, list[int]]]]] = []
    for name, value, ids in wanted:
        known = fact(name)
        before: dict[Value, list[int]] = {}
        for image, was in known.read(session, ids).items():
            if was != value:
                before.setdefault(was, []).append(image)
        others = [image for some in before.values() for image in some]
        if others:
            known.write(session, others, value)
            written.append((name, value, list(before.items())))
            changed += others
    if changed:
        acts.record(session, reader, subject, what(len(changed)), changes=json.dumps(written))
    return changed


def reverse(session: Session, changes: str, is_redo: bool) -> Reversed:
    """Give images back what they were before an act, or again what it made them.

    What was changed again since is left as it is.
    """
    changed: list[int] = []
    kept = gone = 0
    for name, after, befores in json.loads(changes):
        known = fact(name)
        for before, ids in befores:
            source, target = (before, after) if is_redo else (after, before)
            stands = known.read(session, ids)
            still = [image for image, value in stands.items() if value == source]
            known.write(session, still, target)
            changed += still
            kept += len(stands) - len(still)
            gone += len(ids) - len(stands)
    return Reversed(tuple(changed), kept, gone)


def fact(name: str) -> Fact:
    """What is known under a name: a column, "removed", "held", "tag:device", "reading:3"."""
    kind, _, which = name.partition(":")
    if kind == "tag":
        return _tag(which)
    if kind == "reading":
        return _reading(int(which))
    return _COLUMNS[kind]


def write_column(session: Session, ids: Sequence[int], **values: object) -> None:
    """Give images values, without an act that could be undone."""
    for wanted in id_chunks(ids):
        session.execute(update(Image).where(Image.id.in_(wanted)).values(**values))


def _column(name: str, values: Callable[[Any], dict[str, object]] | None = None) -> Fact:
    column = Image.removed_at.is_not(None) if name == "removed" else getattr(Image, name)

    def read(session: Session, ids: Sequence[int]) -> Now:
        found: Now = {}
        for some in id_chunks(ids):
            query = select(Image.id, column).where(Image.id.in_(some)).order_by(Image.id)
            found |= {row[0]: row[1] for row in session.execute(query)}
        return found

    def write(session: Session, ids: Sequence[int], value: Any) -> None:
        write_column(session, ids, **({name: value} if values is None else values(value)))

    return Fact(read, write)


_COLUMNS = {
    "split": _column("split"),
    "truth": _column("truth"),
    "is_validation": _column("is_validation"),
    "removed": _column("removed", lambda value: {"removed_at": now() if value else None}),
    # an image that is held back counts as removed
    "held": _column(
        "held", lambda value: {"held": value, "removed_at": None if value == Held.NO else now()}
    ),
}


def _tag(word: str) -> Fact:
    def read(session: Session, ids: Sequence[int]) -> Now:
        there = _COLUMNS["truth"].read(session, ids)
        found: Now = dict.fromkeys(there, False)
        for some in id_chunks(ids):
            query = select(ImageTag.image_id).where(
                ImageTag.image_id.in_(some), ImageTag.tag == word
            )
            found |= dict.fromkeys(session.scalars(query), True)
        return found

    def write(session: Session, ids: Sequence[int], value: Any) -> None:
        if value and ids:
            session.execute(insert(ImageTag), [{"image_id": i, "tag": word} for i in ids])
            return
        for some in chunks(list(ids)):
            session.execute(
                delete(ImageTag).where(ImageTag.image_id.in_(some), ImageTag.tag == word)
            )

    return Fact(read, write)


def _reading(number: int) -> Fact:
    def read(session: Session, ids: Sequence[int]) -> Now:
        found: Now = dict.fromkeys((int(i) for i in ids), str(Label.NONE))
        newest = (
            select(func.max(Reading.id))
            .where(Reading.session_id == number)
            .group_by(Reading.image_id)
        )
        for some in id_chunks(ids):
            query = select(Reading.image_id, Reading.label).where(
                Reading.id.in_(newest.where(Reading.image_id.in_(some)))
            )
            found |= {row.image_id: row.label for row in session.execute(query)}
        return found

    def write(session: Session, ids: Sequence[int], value: Any) -> None:
        session.add_all(Reading(session_id=number, image_id=i, label=value) for i in ids)
        session.flush()

    return Fact(read, write)
