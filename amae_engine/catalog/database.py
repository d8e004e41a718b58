"""Open a catalog, in a SQLite file or on a PostgreSQL server: migrations, backup, sessions."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.orm import Session as Session  # for the layers that know no SQL

from amae_engine.catalog.backups import back_up_today, restore_text, todays_backup
from amae_engine.catalog.chain import ChainedSession
from amae_engine.catalog.network_folder import is_network_folder
from amae_engine.catalog.schema import bring_to_today
from amae_engine.errors import ProjectError

_BUSY_TIMEOUT_MS = 10_000
_FILE = "catalog.sqlite"
_QUICKLY_CHECKED = 64_000_000  # bytes: about a tenth of a second, some 120,000 images
POSTGRESQL = "postgresql+psycopg://user@host/database"


class Catalog:
    """An open catalog; one session per unit of work and thread.

    Args:
        folder: The project's folder; holds the SQLite file, and backups.
        url: SQLAlchemy's URL of a PostgreSQL database; "" for `catalog.sqlite` in the folder,
            which is created in a new project. The password comes from ~/.pgpass or PGPASSWORD.
        only_reading: Why nothing may be written, as a clause; "" where it may.
            For SQLite it means that the folder cannot be written: it then works on a copy of its
            own, since it writes next to the file even to read it.

    Raises:
        ProjectError: The database cannot be reached, is lost, damaged or not a catalog, was made by
            a newer AMAE, or would be a SQLite file on a network folder.
    """

    def __init__(self, folder: Path, url: str = "", only_reading: str = "") -> None:
        self._folder, self._only_reading = folder, ""
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._url = require_url(url) if url else make_url(f"sqlite:///{folder / _FILE}")
        if not url and is_network_folder(folder):
            raise ProjectError(
                f"{folder.name} lies on a network folder, where SQLite loses data when two readers "
                f"write. Put the catalog on PostgreSQL ({POSTGRESQL}), or the project on a local "
                f"disk."
            )
        if not url:
            _require_not_lost(folder)
            if only_reading:
                self._copy = _private_copy(folder)
                self._url = make_url(f"sqlite:///{Path(self._copy.name) / _FILE}")
        self._engine = _engine(self._url)
        try:
            if not url and (folder / _FILE).is_file():
                self._check()
            self._migrate()
        except DatabaseError as error:
            self.close()
            raise self._unreadable(error) from error
        except ProjectError:
            self.close()
            raise
        if only_reading:
            self.only_read(only_reading)

    @property
    def is_shared(self) -> bool:
        """Whether several readers can work on it from several machines."""
        return self._url.get_backend_name() == "postgresql"

    @property
    def server(self) -> Engine | None:
        """The PostgreSQL server behind it; None for a SQLite file."""
        return self._engine if self.is_shared else None

    @contextmanager
    def session(self, info: dict[str, object] | None = None) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when the body raises.

        Args:
            info: What its user wants to find in `session.info`.

        Raises:
            ProjectError: The catalog cannot be read or written now; the message says why.
        """
        try:
            known = {**(info or {}), "only_reading": self._only_reading}
            with (
                ChainedSession(self._engine, expire_on_commit=False, info=known) as session,
                session.begin(),
            ):
                yield session
        except DatabaseError as error:
            reported = self._translated(error)
            if reported is None:
                raise
            raise reported from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
        if self._copy is not None:
            self._copy.cleanup()

    def only_read(self, why: str) -> None:
        """Refuse every write from now on.

        Args:
            why: As a clause, for the reader.
        """
        self._only_reading = why
        event.listen(self._engine, "connect", self._forbid_writing)
        self._engine.dispose()  # connections that are open may write

    def back_up_today(self) -> None:
        """Make today's backup of a SQLite file that may be written, where there is none yet."""
        if not self.is_shared and not self._only_reading:
            back_up_today(self._folder, self.backup)

    def analyse(self) -> None:
        """Refresh the statistics from which queries are planned; after many images came in."""
        with self._engine.begin() as connection:
            connection.execute(text("ANALYZE"))

    def backup(self, target: Path) -> None:
        """Copy the catalog while it is in use: SQLite's own API, or `pg_dump`.

        Raises:
            ProjectError: `pg_dump` is missing or failed.
        """
        if self.is_shared:
            self._dump(target)
            return
        with (
            closing(sqlite3.connect(str(self._url.database))) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)

    def _dump(self, target: Path) -> None:
        program = shutil.which("pg_dump")
        if program is None:
            raise ProjectError(
                "pg_dump is not on this machine, so the catalog cannot be backed up; install "
                "PostgreSQL's client programs."
            )
        address = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        done = subprocess.run(
            [program, "--file", str(target), address], capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ProjectError(f"pg_dump could not back the catalog up: {last[0]}")

    def _migrate(self) -> None:
        suffix = "sql" if self.is_shared else "sqlite"
        alone = _engine(self._url, is_alone=True)
        try:
            bring_to_today(
                self._engine,
                alone,
                lambda name: self.backup(self._folder / f"catalog.{name}.{suffix}"),
            )
        finally:
            alone.dispose()

    def _check(self) -> None:
        """Let SQLite look through its pages; through many only until the day's backup was made.

        Raises:
            ProjectError: Some are damaged.
        """
        is_large = Path(str(self._url.database)).stat().st_size > _QUICKLY_CHECKED
        if is_large and todays_backup(self._folder).is_file():
            return
        with self._engine.connect() as connection:
            found = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if found != "ok":
            what = " ".join(str(found).replace("*** in database main ***", "").split())
            raise ProjectError(f"catalog.sqlite is damaged ({what}). {restore_text(self._folder)}")

    def _forbid_writing(self, connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        if self.is_shared:
            cursor.execute("SET default_transaction_read_only = on")
            connection.commit()  # a setting falls with the transaction that made it
        else:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def _translated(self, error: DatabaseError) -> ProjectError | None:
        """A sentence for what can happen to a catalog that was in order; None for anything else."""
        reason = str(error.orig)
        if "readonly database" in reason or "read-only transaction" in reason:
            why = self._only_reading or "the file catalog.sqlite cannot be written"
            return ProjectError(f"This project is open for reading only: {why}.")
        if self.is_shared:
            return None
        if "locked" in reason:
            return ProjectError(
                f"Another program has been writing into catalog.sqlite for "
                f"{_BUSY_TIMEOUT_MS // 1000} seconds; nothing was changed. Try again when it is done."
            )
        if "full" in reason:
            return ProjectError(
                "The disk is full: catalog.sqlite could not be written, and nothing was changed. "
                "Make room, then try again."
            )
        if "malformed" in reason or "not a database" in reason:
            return ProjectError(f"catalog.sqlite is damaged. {restore_text(self._folder)}")
        if "disk I/O error" in reason or "unable to open database" in reason:
            return ProjectError(
                f"catalog.sqlite cannot be read or written now ({reason}); is the disk still there?"
            )
        return None

    def _unreadable(self, error: DatabaseError) -> ProjectError:
        if not self.is_shared:
            return self._translated(error) or ProjectError(
                f"catalog.sqlite is not a readable AMAE catalog. {restore_text(self._folder)}"
            )
        reason = str(error.orig).strip().splitlines()[-1]
        where = f"{self._url.host or 'this machine'}, database {self._url.database}"
        return ProjectError(
            f"The catalog on {where} cannot be opened ({reason}). Check the server, the user and "
            f"the password (~/.pgpass or PGPASSWORD)."
        )


def _require_not_lost(folder: Path) -> None:
    """A project that has images has a catalog.

    Raises:
        ProjectError: The file is missing or empty: a new one would look like an empty project.
    """
    catalog, pixels = folder / _FILE, folder / "pixels" / "images.u8"
    if catalog.is_file() and catalog.stat().st_size:
        return
    has_images = pixels.is_file() and pixels.stat().st_size > 0
    if has_images or any(folder.glob("runs/*/run.json")) or any(folder.glob("backups/*.sqlite")):
        what = "is empty" if catalog.is_file() else "is missing"
        raise ProjectError(
            f"catalog.sqlite {what}, though {folder.name} has images or runs: what is known of them "
            f"would be lost. {restore_text(folder)}"
        )


def _private_copy(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """The catalog with its write-ahead log in a folder that may be written."""
    copy = tempfile.TemporaryDirectory(prefix="amae-catalog-")
    for name in (_FILE, f"{_FILE}-wal"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, Path(copy.name) / name)
    return copy


def require_url(address: str) -> URL:
    """A PostgreSQL database's address without a password.

    Raises:
        ProjectError: It is another kind of address, or holds a password.
    """
    try:
        url = make_url(address)
        known = url.get_backend_name() == "postgresql" and url.get_dialect() is not None
    except (ArgumentError, NoSuchModuleError):
        known = False
    if not known:
        raise ProjectError(f"'{address}' is no PostgreSQL address; it must be like {POSTGRESQL}.")
    if url.password:
        raise ProjectError(
            "Leave the password out of the catalog's address, which is stored in the project; put "
            "it into ~/.pgpass or PGPASSWORD."
        )
    return url


def _engine(url: URL, is_alone: bool = False) -> Engine:
    """Of a catalog; a SQLite file's transactions are on request alone with it from their beginning."""
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _set_pragmas)
    if is_alone:
        event.listen(engine, "connect", _leave_transactions_alone)
        event.listen(engine, "begin", _begin)
    return engine


def _leave_transactions_alone(connection: DBAPIConnection, _record: object) -> None:
    """Python's driver would end a transaction before each change of the schema."""
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
