"""Words that readers give images, and filters that they keep under a name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.audit import audit
from amae_engine.catalog.chunks import id_chunks
from amae_engine.catalog.image_changes import change
from amae_engine.catalog.tables import ImageTag, SavedFilter
from amae_engine.errors import BadInput
from amae_engine.words import plural

_TAG = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def checked_tag(text: str) -> str:
    """A tag as it is stored.

    Raises:
        BadInput: It is not a single word of letters, digits, - and _; a name of a person is not one.
    """
    tag = text.strip().lower()
    if not _TAG.fullmatch(tag):
        raise BadInput(
            f"A tag is one word of up to 32 letters a–z, digits, - and _; it is '{text.strip()}'."
        )
    return tag


def add_tag(session: Session, image_ids: Sequence[int], tag: str, reader: str) -> list[int]:
    """Give images a tag; returns the ids of those that did not have it.

    Raises:
        BadInput: The tag is no word.
    """
    word = checked_tag(tag)
    new = change(
        session,
        [(f"tag:{word}", True, image_ids)],
        reader,
        lambda n: f"“{word}” given to {plural(n, 'image')}",
    )
    audit(session, reader, "tag", f"{len(new)} images: {word}")
    return new


def remove_tag(session: Session, image_ids: Sequence[int], tag: str, reader: str) -> list[int]:
    """Take a tag from images; returns the ids of those that had it."""
    word = checked_tag(tag)
    had = change(
        session,
        [(f"tag:{word}", False, image_ids)],
        reader,
        lambda n: f"“{word}” taken from {plural(n, 'image')}",
    )
    audit(session, reader, "untag", f"{len(had)} images: {word}")
    return had


def tags_of(session: Session, image_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The tags of each image that has some, in the alphabet's order."""
    found: dict[int, tuple[str, ...]] = {}
    for some in id_chunks(image_ids):
        query = (
            select(ImageTag.image_id, ImageTag.tag)
            .where(ImageTag.image_id.in_(some))
            .order_by(ImageTag.tag)
        )
        for image_id, tag in session.execute(query):
            found[image_id] = (*found.get(image_id, ()), tag)
    return found


def all_tags(session: Session) -> list[tuple[str, int]]:
    """Every tag with how many images have it."""
    query = select(ImageTag.tag, func.count()).group_by(ImageTag.tag).order_by(ImageTag.tag)
    return [(tag, count) for tag, count in session.execute(query)]


def save_filter(session: Session, name: str, text: str) -> None:
    """Keep a filter under a name, in place of an earlier one of that name.

    Raises:
        BadInput: There is no name or no filter.
    """
    if not name.strip() or not text.strip():
        raise BadInput("A saved filter needs a name and a filter text.")
    session.merge(SavedFilter(name=name.strip()[:64], text=text.strip()[:256]))


def forget_filter(session: Session, name: str) -> None:
    """Forget a saved filter."""
    session.execute(delete(SavedFilter).where(SavedFilter.name == name))


def saved_filters(session: Session) -> list[tuple[str, str]]:
    """Every saved filter: name and text, by name."""
    query = select(SavedFilter.name, SavedFilter.text).order_by(SavedFilter.name)
    return [(name, text) for name, text in session.execute(query)]
