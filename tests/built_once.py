"""What takes a while to make, made once a session for every worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from amae_engine.project import Project

OpenCopy = Callable[[str, Callable[[Project], None]], Project]


class BuiltOnce:
    """Folders by name; a lock keeps two workers from making the same one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str, build: Callable[[Path], None]) -> Path:
        """The folder, made by `build` where it is not there yet; to be read and copied only."""
        self._root.mkdir(exist_ok=True)
        folder = self._root / name
        with FileLock(self._root / f"{name}.lock"):
            if not folder.is_dir():
                unfinished = self._root / f"{name}.unfinished"
                build(unfinished)
                unfinished.rename(folder)
        return folder
