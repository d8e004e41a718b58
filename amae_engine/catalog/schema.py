"""The tables of a new catalog, and an older catalog brought to today's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from amae_engine.catalog import reading_tables  # noqa: F401 - its tables belong to the metadata
from amae_engine.catalog.tables import Base
from amae_engine.errors import ProjectError

_UPGRADES_OLDER = "db34093"  # the last that knew the schemas 0001 to 0007
_LOCK = 0x414D4153  # "AMAS": the advisory lock of whoever changes a server's schema


def bring_to_today(engine: Engine, alone: Engine, back_up: Callable[[str], None]) -> None:
    """Make the tables where there are none, or change older ones; in one transaction.

    What is killed meanwhile leaves the old schema, and every other process waits.

    Args:
        engine: The catalog's.
        alone: Another one of the same database, whose transactions are each alone on SQLite.
        back_up: Copies the catalog before it is changed, under a name for the schema that it gets.

    Raises:
        ProjectError: It is newer than this AMAE, or older than the oldest that is brought forward.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    head = script.get_current_head()
    if found == head:
        return
    if found is not None:
        _require_known(found, [each.revision for each in script.walk_revisions()])
        back_up(f"before-{head}")
    with alone.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        migration = MigrationContext.configure(connection)
        if migration.get_current_revision() is None:
            Base.metadata.create_all(connection)
            migration.stamp(script, "head")
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _require_known(found: str, known: list[str]) -> None:
    if found in known:
        return
    if found < known[-1]:
        raise ProjectError(
            f"This project's catalog has the schema {found} of an older AMAE, and was left as it is. "
            f"Open it once with AMAE's commit {_UPGRADES_OLDER}, which brings it to {known[-1]}; then "
            f"open it here."
        )
    raise ProjectError(
        f"The catalog was made by a newer AMAE (schema {found}); update AMAE to open this project."
    )
