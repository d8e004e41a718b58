"""Who acted on the catalog, and the record of it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from amae_engine.catalog.tables import Audit
from amae_engine.errors import BadInput

RUN_FILES = "run_files"  # what a finished run left
IMPORT = "import"
LONGEST_READER = 64  # characters, as wide as the columns


def require_reader(reader: str, what: str) -> None:
    """Whoever acts has a name.

    Args:
        reader: Their name or initials.
        what: The act, as a sentence begins: "A decision".

    Raises:
        BadInput: The reader has no name, or one that no column holds.
    """
    if len(reader) > LONGEST_READER:
        raise BadInput(
            f"A reader's name has at most {LONGEST_READER} characters; this one has {len(reader)}: give "
            f"initials."
        )
    if not reader.strip():
        raise BadInput(
            f"{what} needs a reader: give your name or initials (the window's Reader, a command's --reader)."
        )


def audit(session: Session, reader: str, act: str, detail: str) -> None:
    """Note an act of a reader."""
    session.add(Audit(reader=reader, act=act, detail=detail))


def details(session: Session, act: str) -> list[str]:
    """The details of every act of a kind, oldest first."""
    return list(session.scalars(select(Audit.detail).where(Audit.act == act).order_by(Audit.id)))
