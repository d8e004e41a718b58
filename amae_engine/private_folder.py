"""A project's private folder: its key, and that nobody else can read it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from amae_engine.atomic_write import atomic_write
from amae_engine.errors import ProjectError

KEY_BYTES = 32
_KEY = "key"


def may_write(folder: Path) -> bool:
    """Whether a folder can be written, by its rights and by how its disk is mounted."""
    if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return False
    return os.access(folder, os.W_OK)


def write_key(private: Path, key: bytes) -> None:
    """Write the key of the keyed hashes; nobody but the owner can read it at any time."""
    with atomic_write(private / _KEY, 0o600) as unfinished:
        unfinished.write_bytes(key)


def require_key(private: Path) -> bytes:
    """The key of the keyed hashes.

    Raises:
        ProjectError: It is missing, or not whole: with another key no known patient is recognised.
    """
    path = private / _KEY
    if not path.is_file():
        raise ProjectError(
            f"{private.parent.name}: private/key is missing; without it images of known patients "
            f"cannot be recognised. Restore it from a backup."
        )
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ProjectError(
            f"{private.parent.name}: private/key is damaged: it has {len(key)} bytes, and must have "
            f"{KEY_BYTES}. Restore it from a backup."
        )
    return key


def file_mode(is_shared: bool) -> int:
    """The rights of a file in the folder: the owner's, and the group's of a shared project."""
    return 0o660 if is_shared else 0o600


def close_to_others(private: Path, is_shared: bool = False, everything: bool = True) -> None:
    """Let only the owner into the folder and all that lies in it; mends what was open.

    POSIX rights alone: on Windows the folder has the rights of the user's own folder, so keep
    projects there, or set the folder's access list by hand. What belongs to another user of a shared
    project is left to them.

    Args:
        private: The folder.
        is_shared: Whether readers of the folder's group work on it too; others are still kept out.
        everything: Look at every file; else only into a folder that was open to others.
    """
    if os.name != "posix":
        return
    of_file, of_folder = file_mode(is_shared), 0o770 if is_shared else 0o700
    was_open = private.stat().st_mode & 0o777 != of_folder
    inside = private.rglob("*") if everything or was_open else private.glob("*")
    for path in (private, *inside):
        wanted = of_folder if path.is_dir() else of_file
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if not path.is_symlink() and path.stat().st_mode & 0o777 != wanted:
                path.chmod(wanted)
