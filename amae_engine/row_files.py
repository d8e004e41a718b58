"""Arrays on disk, row by row: written in order, read with `readinto`, never mapped into memory.

Where a mapped file is cut, or its disk goes away, the system ends the process in place of raising
an error; and mapped pages that are written would fill the memory.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from amae_engine.errors import ProjectError


def new_half_file(path: Path, shape: tuple[int, ...]) -> BinaryIO:
    """An NPY file of a float16 array, open behind its header; its rows are then written."""
    file = path.open("wb")
    np.lib.format.write_array_header_1_0(file, _header(shape))
    return file


def _header(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"descr": "<f2", "fortran_order": False, "shape": shape}


def half_file_from(path: Path, shape: tuple[int, ...], first: int) -> BinaryIO:
    """The same, to be written from a row on; other processes may write its other rows meanwhile."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    file = os.fdopen(number, "r+b")
    np.lib.format.write_array_header_1_0(file, _header(shape))
    file.seek(first * 2 * math.prod(shape[1:]), os.SEEK_CUR)
    return file


def read_rows(path: Path, start: int, rows: npt.NDArray[np.int64], into: npt.NDArray[Any]) -> int:
    """Read some rows of an array.

    Args:
        path: The file.
        start: Bytes before the first row.
        rows: (B,) which ones.
        into: (B, …), C-contiguous; what is read has its type and shape.

    Returns:
        How many rows were read: fewer than B where the next one is not whole in the file.

    Raises:
        ProjectError: The file is gone.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise ProjectError(
            f"{path.name} is not in the project's folder any more; is its disk, or its network "
            f"folder, still connected? Connect it again; otherwise restore the folder from a backup."
        ) from error
    with file:
        for done, (one, row) in enumerate(zip(into, rows.tolist(), strict=True)):
            file.seek(start + row * one.nbytes)
            if file.readinto(one.data.cast("B")) != one.nbytes:
                return done
    return len(rows)
