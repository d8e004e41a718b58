"""Backups of a catalog in a SQLite file: one a day, the newest kept, and which one is the newest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from amae_engine.atomic_write import atomic_write

_FOLDER, _KEPT = "backups", 7


def newest_backup(folder: Path) -> Path | None:
    """The youngest backup in a project's folder, of a day or from before a migration."""
    found = [*folder.glob(f"{_FOLDER}/catalog-*.sqlite"), *folder.glob("catalog.before-*.sqlite")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def restore_text(folder: Path) -> str:
    """How to get the catalog back, for an error."""
    newest = newest_backup(folder)
    if newest is None:
        return (
            "No backup lies in the project's folder: restore catalog.sqlite from your own backup."
        )
    return (
        f"The newest backup is {newest.relative_to(folder).as_posix()}: copy it to catalog.sqlite, and "
        f"remove catalog.sqlite-wal and catalog.sqlite-shm where they are."
    )


def todays_backup(folder: Path) -> Path:
    """Where today's backup lies, or will lie."""
    return folder / _FOLDER / f"catalog-{datetime.now(UTC).date().isoformat()}.sqlite"


def back_up_today(folder: Path, copy: Callable[[Path], None]) -> None:
    """Make today's backup where there is none, and keep the newest seven.

    Args:
        folder: The project's.
        copy: Copies the catalog into a file, while it is in use.
    """
    target = todays_backup(folder)
    if target.is_file():
        return
    target.parent.mkdir(exist_ok=True)
    with atomic_write(target) as unfinished:
        copy(unfinished)
    for old in sorted(target.parent.glob("catalog-*.sqlite"))[:-_KEPT]:
        old.unlink(missing_ok=True)
