"""Who works on a run, or on the pixels: a lock that its process holds meanwhile, and nothing else, decides.

Next to a SQLite catalog it is a file lock in the run's folder. A file lock on a network disk cannot
be trusted, so on PostgreSQL it is an advisory lock of the server, which ends with the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

_FILE = "lease.lock"
_SPACE = 0x414D4145  # "AMAE": tells these locks from those of other programs in one database
_PIXELS = 0  # in the place of a run's number, which begins at 1
_PATIENCE = 2.0  # seconds: another program may be looking whether the run is alive


class Lease:
    """The right to work on one run, until `release` or the process's end."""

    def __init__(self, lock: FileLock | _ServerLock) -> None:
        self._lock = lock

    def renew(self) -> bool:
        """Whether the lease still holds; a server's lock that was lost is taken again."""
        return self._lock.is_held() if isinstance(self._lock, _ServerLock) else True

    def release(self) -> None:
        """Let others work on the run."""
        self._lock.release()


def take_lease(run_folder: Path, run_id: int, server: Engine | None) -> Lease | None:
    """Take the lease of a run.

    Args:
        run_folder: The run's folder; made where it is missing.
        run_id: The run.
        server: Of a PostgreSQL catalog; None next to a SQLite file.

    Returns:
        The lease, or None where another process, or another job of this one, holds it.
    """
    if server is not None:
        lock = _ServerLock(server, run_id)
        return Lease(lock) if lock.take(_PATIENCE) else None
    run_folder.mkdir(parents=True, exist_ok=True)
    file = FileLock(run_folder / _FILE, thread_local=False)
    try:
        file.acquire(timeout=_PATIENCE)
    except Timeout:
        return None
    return Lease(file)


def is_leased(run_folder: Path, run_id: int, server: Engine | None) -> bool:
    """Whether a process works on a run now."""
    if server is not None:
        lock = _ServerLock(server, run_id)
        free = lock.take(0.0)
        if free:
            lock.release()
        return not free
    if not (run_folder / _FILE).is_file():
        return False
    with _tried(FileLock(run_folder / _FILE, thread_local=False)) as free:
        return not free


@contextmanager
def hold_pixels(server: Engine) -> Iterator[None]:
    """Hold a project's pixel store alone, among all machines that share it."""
    lock = _ServerLock(server, _PIXELS)
    lock.wait()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _tried(lock: FileLock) -> Iterator[bool]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


class _ServerLock:
    """An advisory lock of a PostgreSQL server, held by a connection of its own."""

    def __init__(self, server: Engine, number: int) -> None:
        self._server, self._keys = server, {"space": _SPACE, "number": number}
        self._connection: Connection | None = None

    def take(self, patience: float) -> bool:
        """Take the lock, waiting `patience` seconds at most."""
        connection = self._server.connect().execution_options(isolation_level="AUTOCOMMIT")
        if self._got(connection, patience):
            self._connection = connection
            return True
        connection.close()
        return False

    def wait(self) -> None:
        """Take the lock, however long another process holds it."""
        self._connection = self._server.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(text("SELECT pg_advisory_lock(:space, :number)"), self._keys)

    def is_held(self) -> bool:
        """Whether the lock is still ours; taken again where the server dropped the connection."""
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self._connection.invalidate()
                self._connection = None
            else:
                return True
        return self.take(0.0)

    def release(self) -> None:
        """Give the lock back."""
        if self._connection is None:
            return
        try:
            self._connection.execute(text("SELECT pg_advisory_unlock(:space, :number)"), self._keys)
            self._connection.close()
        except SQLAlchemyError:  # the server dropped the connection, and with it the lock
            self._connection.invalidate()
        self._connection = None

    def _got(self, connection: Connection, patience: float) -> bool:
        if patience > 0:
            connection.execute(text(f"SET lock_timeout = {round(1000 * patience)}"))
            try:
                connection.execute(text("SELECT pg_advisory_lock(:space, :number)"), self._keys)
            except SQLAlchemyError:
                return False
            finally:
                connection.execute(text("SET lock_timeout = 0"))
            return True
        asked = text("SELECT pg_try_advisory_lock(:space, :number)")
        return bool(connection.scalar(asked, self._keys))
