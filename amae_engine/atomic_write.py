"""A file is written whole or not at all: beside its place, onto the disk, then into its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_UNFINISHED = ".part"


@contextmanager
def atomic_write(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """The body fills the file that is yielded, which then replaces `path`; an error leaves `path`.

    Its content is on the disk before it has the name: a power cut leaves the old file or the new one.

    Args:
        path: Where it belongs; the yielded one lies beside it, with ".part" behind its name.
        mode: The rights of the new file, less the process's mask.
    """
    unfinished = path.with_name(path.name + _UNFINISHED)
    unfinished.unlink(missing_ok=True)  # also a link that somebody put there
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield unfinished
        _flush(unfinished, os.O_RDWR)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    if os.name == "posix":
        _flush(path.parent, os.O_RDONLY)


def is_unfinished(path: Path) -> bool:
    """Whether a file was cut short while it was written."""
    return path.suffix == _UNFINISHED


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name, as `numpy.load` reads them (.npz)."""
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def write_array(path: Path, array: npt.ArrayLike) -> None:
    """Write one array, as `numpy.load` reads it (.npy)."""
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, array)


def _flush(place: Path, flags: int) -> None:
    number = os.open(place, flags)
    try:
        os.fsync(number)
    finally:
        os.close(number)
