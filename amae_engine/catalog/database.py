"""Open a catalog: pragmas, migrations, backup, sessions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from amae_engine.errors import ProjectError

_BUSY_TIMEOUT_MS = 10_000


class Catalog:
    """An open catalog; one session per unit of work and thread.

    Args:
        path: The SQLite file; created when it is missing.

    Raises:
        ProjectError: The file is not a catalog, or a newer AMAE made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = create_engine(f"sqlite:///{path}")
        event.listen(self._engine, "connect", _set_pragmas)
        try:
            self._migrate()
        except DatabaseError as error:
            self._engine.dispose()
            raise ProjectError(
                f"{path.name} is not a readable AMAE catalog; restore it from a backup."
            ) from error

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when the body raises."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def backup(self, target: Path) -> None:
        """Copy the catalog through SQLite's own API, also while it is in use."""
        with sqlite3.connect(self._path) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
        source.close()
        copy.close()

    def _migrate(self) -> None:
        script = ScriptDirectory.from_config(_alembic_config(self._engine))
        with self._engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        head = script.get_current_head()
        if found == head:
            return
        if found is not None and found not in {s.revision for s in script.walk_revisions()}:
            raise ProjectError(
                f"{self._path.name} was made by a newer AMAE (schema {found}); update AMAE to "
                f"open this project."
            )
        if found is not None:
            self.backup(self._path.with_suffix(f".before-{head}.sqlite"))
        command.upgrade(_alembic_config(self._engine), "head")


def _alembic_config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = engine
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return config


def _set_pragmas(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "foreign_keys=ON",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
