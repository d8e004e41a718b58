"""What the window remembers between starts."""

from __future__ import annotations

import getpass
import hashlib
import json
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from amae_app.theme import ThemeName

MOST_RECENT = 8


class Settings:
    """Typed access to the user's settings file."""

    def __init__(self) -> None:
        self._store = QSettings(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, "AMAE", "AMAE"
        )
        self._reader = str(self._store.value("reader", _login_initials()))

    @property
    def theme(self) -> ThemeName:
        """The chosen theme; dark at first."""
        value = str(self._store.value("theme", ThemeName.DARK))
        return ThemeName(value) if value in set(ThemeName) else ThemeName.DARK

    @theme.setter
    def theme(self, name: ThemeName) -> None:
        self._store.setValue("theme", str(name))

    @property
    def reader(self) -> str:
        """The reader's name or initials: those that this window shows, whatever others have stored."""
        return self._reader

    @reader.setter
    def reader(self, name: str) -> None:
        self._reader = name
        self._store.setValue("reader", name)

    @property
    def last_project(self) -> Path | None:
        """The project that was open last, if it is still there."""
        text = str(self._store.value("last_project", ""))
        return Path(text) if text and (Path(text) / "project.json").is_file() else None

    @property
    def recent_projects(self) -> list[Path]:
        """The projects that were opened last, newest first; one that is gone says so when opened.

        No disk is asked: a network folder that does not answer would hold the window.
        """
        text = str(self._store.value("recent_projects", "[]"))
        return [Path(str(folder)) for folder in json.loads(text)]

    def remember_project(self, folder: Path) -> None:
        """Put a project in front of the recent ones."""
        others = [each for each in self.recent_projects if each != folder]
        kept = [str(each) for each in (folder, *others)][:MOST_RECENT]
        self._store.setValue("recent_projects", json.dumps(kept))
        self._store.setValue("last_project", str(folder))

    @property
    def has_seen_tour(self) -> bool:
        """Whether the tour was shown once."""
        return str(self._store.value("has_seen_tour", "false")) == "true"

    @has_seen_tour.setter
    def has_seen_tour(self, has: bool) -> None:
        self._store.setValue("has_seen_tour", "true" if has else "false")

    def view_of(self, project: Path) -> dict[str, str]:
        """How a project's pages were left."""
        text = str(self._store.value(f"views/{_key(project)}", "{}"))
        return {str(name): str(value) for name, value in json.loads(text).items()}

    def set_view_of(self, project: Path, view: dict[str, str]) -> None:
        """Keep it."""
        self._store.setValue(f"views/{_key(project)}", json.dumps(view))

    @property
    def geometry(self) -> QByteArray | None:
        """The window's place and size."""
        value = self._store.value("geometry")
        return value if isinstance(value, QByteArray) else None

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.setValue("geometry", value)

    @property
    def workspace(self) -> str:
        """The name of the workspace that was open last; "" for none."""
        return str(self._store.value("workspace", ""))

    @workspace.setter
    def workspace(self, name: str) -> None:
        self._store.setValue("workspace", name)

    @property
    def pacs(self) -> dict[str, str]:
        """How the PACS was last spoken to; no password, no patient."""
        text = str(self._store.value("pacs", "{}"))
        return {str(k): str(v) for k, v in json.loads(text).items()}

    @pacs.setter
    def pacs(self, entries: dict[str, str]) -> None:
        self._store.setValue("pacs", json.dumps(entries))

    def widths(self, name: str) -> list[int]:
        """The widths of panes, as they were left; none at the first start."""
        text = str(self._store.value(f"widths/{name}", "[]"))
        return [int(width) for width in json.loads(text)]

    def set_widths(self, name: str, widths: list[int]) -> None:
        """Keep them."""
        self._store.setValue(f"widths/{name}", json.dumps(widths))

    def keys(self, page: str) -> dict[str, tuple[str, ...]]:
        """The keys that the reader has changed on a page, by act."""
        text = str(self._store.value(f"keys/{page}", "{}"))
        return {str(act): tuple(map(str, keys)) for act, keys in json.loads(text).items()}

    def set_keys(self, page: str, keys: dict[str, tuple[str, ...]]) -> None:
        """Keep them."""
        self._store.setValue(f"keys/{page}", json.dumps(keys))


def _key(project: Path) -> str:
    """A key that names no folder."""
    return hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:16]


def _login_initials() -> str:
    try:
        return getpass.getuser()[:3].upper()
    except (OSError, KeyError):
        return "R1"
