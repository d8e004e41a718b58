"""A project: one folder with the catalog, the pixels, the runs and the exports."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from amae_engine.atomic_write import write_text
from amae_engine.catalog import image_sources, runs, studies
from amae_engine.catalog.database import Catalog, require_url
from amae_engine.catalog.lease import Lease, hold_pixels, is_leased, take_lease
from amae_engine.errors import ProjectError
from amae_engine.images.deidentify import new_key
from amae_engine.images.pixel_store import PixelStore
from amae_engine.originals import Originals
from amae_engine.private_folder import (
    close_to_others,
    file_mode,
    may_write,
    require_key,
    write_key,
)
from amae_engine.project_links import require_no_links
from amae_engine.source_names import SourceNames

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")
P = ParamSpec("P")

_log = logging.getLogger(__name__)
_opened: list[Project] | None = None  # while a command collects what it opens
_WINDOWS: dict[Path, FileLock] = {}  # a theme change opens a project again before it is closed
_FORMAT = 1
_FACTS = "project.json"
_PARTS = ("pixels", "runs", "exports", "private")


class Project:
    """An open project folder. Cheap to open; child processes reopen it by its folder.

    `private/` holds the key of the keyed hashes and where each image's original lies: the only
    places that can name a patient. Leave it out to share a project.

    Attributes:
        only_reading: Why nothing may be written, as a clause; "" where it may.
        source_names: What readers call the places that images came from.
    """

    def __init__(self, folder: Path, name: str, catalog_url: str = "") -> None:
        self.folder = folder
        self.name = name
        self.key = require_key(folder / "private")
        is_locked = not may_write(folder)
        self._held_for_window = self._is_closed = False
        self.only_reading = "its folder cannot be written" if is_locked else ""
        self.is_shared = bool(catalog_url)
        if not is_locked:
            close_to_others(folder / "private", self.is_shared, everything=False)
        self.pixels = PixelStore(folder / "pixels")
        self._originals = Originals(folder / "private")
        self.source_names = SourceNames(folder / "private", file_mode(self.is_shared))
        self._catalog = Catalog(folder, catalog_url, self.only_reading)
        if not self.only_reading:
            with self.session() as session:
                runs.mark_interrupted(session, self.is_at_work)
        if _opened is not None:
            _opened.append(self)

    @classmethod
    def create(cls, folder: Path, name: str | None = None, catalog_url: str = "") -> Project:
        """Make a new project in an empty or missing folder.

        Args:
            folder: Several readers of one project share it.
            name: Shown to readers; the folder's name by default.
            catalog_url: A PostgreSQL database for the catalog, so that several readers can work at
                once: postgresql+psycopg://user@host/database. "" keeps a SQLite file in the folder.

        Raises:
            ProjectError: The folder is not empty or cannot be written, or the database holds
                another project.
        """
        if catalog_url:
            require_url(catalog_url)
        if folder.exists() and any(folder.iterdir()) and not _is_half_made(folder):
            raise ProjectError(f"{folder.name} is not empty; choose a new folder for the project.")
        for part in _PARTS:
            require_no_links(folder, part)
        try:
            for part in _PARTS:
                (folder / part).mkdir(parents=True, exist_ok=True)
            write_key(folder / "private", new_key())
            facts: dict[str, object] = {"format": _FORMAT, "name": name or folder.name}
            if catalog_url:
                facts["catalog_url"] = catalog_url
            write_text(folder / _FACTS, json.dumps(facts, indent=1))
        except OSError as error:
            raise ProjectError(f"{folder.name} cannot be created: {error.strerror}.") from error
        project = cls.open(folder)
        with project.session() as session:
            taken = studies.newest_addition(session) != ""
        if taken:
            project.close()
            raise ProjectError(
                "That database holds another project's images; give each project a database of its "
                "own."
            )
        return project

    @classmethod
    def open(cls, folder: Path) -> Project:
        """Open an existing project; for reading only where its folder cannot be written.

        Raises:
            ProjectError: The folder is not a project, is damaged, or a newer AMAE made it.
        """
        facts_file = folder / _FACTS
        if not facts_file.is_file():
            raise ProjectError(
                f"{folder.name} is not an AMAE project (it has no {_FACTS}); choose a project "
                f"folder, or make a new project."
            )
        require_no_links(folder)
        try:
            facts = json.loads(facts_file.read_text(encoding="utf-8"))
            made_by, name = int(facts["format"]), str(facts["name"])
            catalog_url = str(facts.get("catalog_url", ""))
        except (ValueError, KeyError, TypeError) as error:
            raise ProjectError(f"{folder.name}: {_FACTS} is damaged; restore it.") from error
        if made_by > _FORMAT:
            raise ProjectError(
                f"Project {folder.name} was made by a newer AMAE (format {made_by}, this one "
                f"reads up to {_FORMAT}); update AMAE to open it."
            )
        return cls(folder, name, catalog_url)

    def session(self) -> AbstractContextManager[Session]:
        """A catalog session for one act: commits at the end, rolls back on an error."""
        return self._catalog.session({image_sources.SOURCE_NAMES: self.source_names})

    def in_session(
        self, act: Callable[Concatenate[Session, P], T], *values: P.args, **named: P.kwargs
    ) -> T:
        """One act, or one look, with its values in a session of its own; returns what it returned."""
        with self.session() as session:
            return act(session, *values, **named)

    def analyse(self) -> None:
        """Let the database count what it holds, so that it plans its queries well."""
        self._catalog.analyse()

    def run_folder(self, run_id: int) -> Path:
        """Where a run keeps its settings, metrics, weights and maps."""
        return self.folder / "runs" / f"{run_id:03d}"

    def lock_pixels(self) -> AbstractContextManager[object]:
        """Hold the pixel store alone, among all processes and machines that share the project."""
        server = self._catalog.server
        return self.pixels.locked() if server is None else hold_pixels(server)

    def take_lease(self, run_id: int) -> Lease | None:
        """Take the right to work on a run; None where another process holds it."""
        return take_lease(self.run_folder(run_id), run_id, self._catalog.server)

    def is_at_work(self, run_id: int) -> bool:
        """Whether a process works on a run now."""
        return is_leased(self.run_folder(run_id), run_id, self._catalog.server)

    @property
    def exports_folder(self) -> Path:
        """Where tables, pictures and reports go."""
        return self.folder / "exports"

    def remember_originals(self, paths: dict[int, Path]) -> None:
        """Note where the original file of each image id lies."""
        self._originals.remember(paths)

    def original_path(self, image_id: int) -> Path | None:
        """The original file of an image, or None where it is unknown or has moved."""
        path = self._originals.path(image_id)
        return path if path is not None and path.is_file() else None

    def missing_originals(self) -> dict[int, Path]:
        """Where the originals that are no longer there were, by image id."""
        return self._originals.missing()

    def forget_originals(self, image_ids: Iterable[int]) -> None:
        """Drop the originals of images that left the project."""
        self._originals.forget(image_ids)

    def close(self, backs_up: bool = True) -> None:
        """Make today's backup, close the catalog's connections, and let other windows write.

        Args:
            backs_up: Not where the same project is open here once more, which does.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if backs_up and not self.only_reading:
                require_no_links(self.folder, "backups")
                self._catalog.back_up_today()
        except (OSError, sqlite3.Error) as error:  # a full disk: what there is stays as it is
            _log.warning("No backup of the catalog was made: %s", error)
        finally:
            self._catalog.close()
            if self._held_for_window:
                _let_window_go(self.folder)

    def require_writable(self) -> None:
        """Go on only where the project may be written.

        Raises:
            ProjectError: It is open for reading only; the message says why.
        """
        if self.only_reading:
            raise ProjectError(f"This project is open for reading only: {self.only_reading}.")

    def close_private(self) -> None:
        """Keep others out of every file of `private/`; after files came into it."""
        require_no_links(self.folder, "private")
        close_to_others(self.folder / "private", self.is_shared)

    def hold_for_window(self) -> None:
        """Be this window's until `close`: the window of another process then reads only.

        A catalog on a server is made for several readers, and is nobody's.
        """
        if self.only_reading or self.is_shared or self._held_for_window:
            return
        self._held_for_window = _hold_window(self.folder)
        if not self._held_for_window:
            self.only_reading = "it is open in another window"
            self._catalog.only_read(self.only_reading)


def _is_half_made(folder: Path) -> bool:
    """Whether making a project was cut short here, so that nothing but empty parts is there."""
    names = {path.name for path in folder.iterdir()}
    inside = [path for part in _PARTS for path in (folder / part).rglob("*")]
    return names <= set(_PARTS) and all(path.name == "key" for path in inside)


@contextmanager
def closing_projects() -> Iterator[None]:
    """Close every project that is opened meanwhile; around a command."""
    global _opened
    before, _opened = _opened, []
    try:
        yield
    finally:
        mine, _opened = _opened, before
        for project in mine:
            project.close()


def _hold_window(folder: Path) -> bool:
    """Take the right of this process's window to write, once more where it has it already."""
    place = folder.resolve()
    lock = _WINDOWS.setdefault(
        place, FileLock(place / "private" / "window.lock", mode=0o600, thread_local=False)
    )
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _let_window_go(folder: Path) -> None:
    _WINDOWS[folder.resolve()].release()  # as often as it was taken
