"""Who acts on the catalog, and the note that stays of it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from amae_engine.catalog.tables import Audit
from amae_engine.errors import BadInput


def require_reader(reader: str, what: str) -> None:
    """Whoever acts has a name.

    Args:
        reader: Their name or initials.
        what: The act, as a sentence begins: "A decision".

    Raises:
        BadInput: The reader has no name.
    """
    if not reader.strip():
        raise BadInput(f"{what} needs a reader: enter your name or initials at the top right.")


def audit(session: Session, reader: str, act: str, detail: str) -> None:
    """Note an act of a reader."""
    session.add(Audit(reader=reader, act=act, detail=detail))
