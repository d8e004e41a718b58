"""Decoded images as one array of bytes on disk."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from PIL import Image

from amae_engine.atomic_write import write_text
from amae_engine.errors import ProjectError
from amae_engine.project_links import open_own
from amae_engine.row_files import read_rows

SIDE = 256
Pixels = npt.NDArray[np.uint8]


def to_store_size(pixels: Pixels, side: int = SIDE) -> Pixels:
    """The whole image (rows, columns) uint8 squashed to (side, side), antialiased.

    The aspect ratio is not kept, as in the methods that AMAE is compared with; maps go back to
    the image's own shape by the same two factors.
    """
    if pixels.shape == (side, side):
        return pixels
    # averaging by whole factors first, down to twice the size, halves the time
    picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS, reducing_gap=2)
    return np.asarray(picture)


class PixelStore:
    """uint8 images (n, S, S) in one file that only ever grows.

    Args:
        folder: Holds `images.u8` and `store.json`; created when it is missing.
        side: S of a new store.

    Raises:
        ProjectError: The files do not fit together.
    """

    def __init__(self, folder: Path, side: int = SIDE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "images.u8"
        facts = folder / "store.json"
        if facts.is_file():
            self.side: int = _side_of(facts)
        else:
            self.side = side
            write_text(facts, json.dumps({"side": side, "dtype": "uint8"}))
            self._path.touch()
        if not self._path.is_file():
            raise ProjectError("pixels/images.u8 is missing; restore the project's pixels folder.")

    def __len__(self) -> int:
        """Whole images in the store."""
        return self._path.stat().st_size // self.side**2

    @property
    def files(self) -> tuple[Path, ...]:
        """All that the store is, without locks: images, facts, and the hashes next to them."""
        return tuple(p for p in sorted(self._path.parent.iterdir()) if p.suffix != ".lock")

    def locked(self) -> AbstractContextManager[object]:
        """Hold the store alone, among all processes of this machine (`Project.lock_pixels`)."""
        return FileLock(self._path.with_suffix(".lock"))

    def append(self, images: list[Pixels]) -> int:
        """Write images (side, side) at the end and flush them to disk.

        Returns:
            The row of the first one. A half-written image of an earlier crash is overwritten.
        """
        first = len(self)
        with open_own(self._path, "r+b") as file:
            file.seek(first * self.side**2)
            for image in images:
                if image.shape != (self.side, self.side) or image.dtype != np.uint8:
                    raise ValueError(
                        f"An image must be uint8 ({self.side}, {self.side}); it is "
                        f"{image.dtype} {image.shape}."
                    )
                file.write(np.ascontiguousarray(image).tobytes())
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        return first

    def read(self, rows: npt.NDArray[np.int64]) -> Pixels:
        """The images (B, S, S) in `rows` (B,).

        Raises:
            ProjectError: A row lies beyond the file: the store was cut or replaced.
        """
        images = np.empty((len(rows), self.side, self.side), dtype=np.uint8)
        done = read_rows(self._path, 0, rows, images)
        if done < len(rows):
            raise ProjectError(
                f"pixels/images.u8 holds {len(self)} images, but the catalog names image "
                f"{rows[done]}; restore the pixels folder from a backup."
            )
        return images


def _side_of(facts: Path) -> int:
    """S of a store.

    Raises:
        ProjectError: Its file is damaged.
    """
    try:
        side = json.loads(facts.read_text(encoding="utf-8"))["side"]
    except (ValueError, KeyError, TypeError, RecursionError):
        side = 0
    if not isinstance(side, int) or side <= 0:
        raise ProjectError(
            f'pixels/store.json is damaged; restore it. It must hold {{"side": {SIDE}}} for a project '
            f"that was made with this AMAE."
        )
    return side
