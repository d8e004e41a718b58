"""Where images came from: numbers in the catalog, labels in the project's private folder."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import Image

SOURCE_NAMES = "source_names"  # in a session's info: what labels sources


def labelled(session: Session) -> dict[str, str]:
    """What readers call each source that images came from, by its code."""
    return {code: source_label(session, code) for code in sources(session)}


def source_label(session: Session, code: str) -> str:
    """What readers call a source: its label in the project's private folder, else its code."""
    names = session.info.get(SOURCE_NAMES)
    return code if names is None else str(names.label(code))


def sources(session: Session) -> list[str]:
    """The codes of where images came from; each step jumps to the next one in the index."""
    labels: list[str] = []
    while True:
        query = select(func.min(Image.source)).where(Image.removed_at.is_(None))
        following = session.scalar(query.where(Image.source > labels[-1]) if labels else query)
        if following is None:
            return labels
        labels.append(following)
