"""A project holds files and folders, no links: what a link leads to is somebody else's.

A received project could otherwise let AMAE overwrite, copy, delete or open to others what lies outside.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, Any

from amae_engine.errors import ProjectError

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_REPARSE = stat.FILE_ATTRIBUTE_REPARSE_POINT if os.name == "nt" else 0  # a junction


def require_no_links(folder: Path, within: str = "") -> None:
    """Look at every file and folder of a project, or of one of its parts; follows nothing.

    The folder itself may be one: its user chose it.

    Raises:
        ProjectError: The message names the first link.
    """
    place = folder / within
    found = place if within and _is_link(place) else _first_link(place)
    if found is not None:
        name = found.relative_to(folder).as_posix()
        raise ProjectError(
            f"{folder.name}: {name} is a link. A project holds no links, since what they lead to "
            f"would be read, written or deleted; put the file or folder itself in its place."
        )


def open_own(path: Path, mode: str) -> IO[Any]:
    """Open a file of a project; a link in its place is refused.

    Raises:
        OSError: It is a link, or cannot be opened.
    """
    return open(path, mode, opener=lambda name, flags: os.open(name, flags | _NO_FOLLOW, 0o666))


def _first_link(folder: Path | str) -> Path | None:
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() or (_REPARSE and _is_link(Path(entry.path))):
                    return Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    except (NotADirectoryError, FileNotFoundError, PermissionError):
        return None
    return next(filter(None, map(_first_link, folders)), None)


def _is_link(path: Path) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    attributes = getattr(facts, "st_file_attributes", 0)
    return stat.S_ISLNK(facts.st_mode) or bool(attributes & _REPARSE)
