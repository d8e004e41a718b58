"""Recognise an image again in another format: difference hashes, then the stored pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from amae_engine.images.pixel_store import PixelStore
from amae_engine.project_links import open_own

# 16 × 16 bits. Measured on 6,428 chest images: of other images 1 in 100,000 lies within 20 bits
# (with 8 × 8 bits: 1 in 100 within 3); copies with another window, gamma, size or JPEG quality lie
# within 16, and 19 of 20 whose window cuts a third of the greys away within 23.
_FILE = "fingerprints.u64"
_SIDE = 16
_WORDS = _SIDE * _SIDE // 64
_MOST_BITS = 20
_MOST_BITS_IN_FIRST_WORD = 12
_AT_ONCE = 1 << 16  # hashes whose first words fit the cache
_LARGEST_RESIDUAL = 0.15  # standard deviations; copies reach 0.12, other images start at 0.25
_FEWEST_PIXELS = 0.2  # of the image, neither black nor white in either copy

Hash = npt.NDArray[np.uint64]


def difference_hash(image: npt.NDArray[np.uint8]) -> Hash:
    """Where an image (S, S) gets brighter from left to right, on a 16 × 17 grid.

    Returns:
        (4,) uint64.
    """
    small = Image.fromarray(image).resize((_SIDE + 1, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).view(np.uint64)


def probably_same(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Whether two images (S, S) differ by brightness and contrast only.

    The mean absolute residual of a linear fit of standardised greys, over the pixels that neither
    window has cut to black or white.
    """
    inside = (one > 2) & (one < 253) & (other > 2) & (other < 253)
    if inside.mean() < _FEWEST_PIXELS:
        return False
    a, b = _standardised(one[inside]), _standardised(other[inside])
    return float(np.abs(b - np.mean(a * b) * a).mean()) <= _LARGEST_RESIDUAL


class Fingerprints:
    """The hashes of a pixel store's images, kept next to it and completed where some are missing.

    Args:
        folder: The store's folder; holds `fingerprints.u64`, which can be deleted at any time.
        pixels: The store.
    """

    def __init__(self, folder: Path, pixels: PixelStore) -> None:
        self._path = folder / _FILE
        self._pixels = pixels
        self._pending: dict[int, npt.NDArray[np.uint8]] = {}
        known = read_hashes(folder)[: len(pixels)]
        self._count = len(known)
        self._hashes = np.empty((_WORDS, max(1024, 2 * len(pixels))), dtype=np.uint64)
        self._hashes[:, : self._count] = known.T
        self.sync()

    def __len__(self) -> int:
        """Images whose hashes are known."""
        return self._count

    def find(self, image: npt.NDArray[np.uint8], wanted: Hash, since: int = 0) -> list[int]:
        """Rows of the store whose images are probably the same as `image`, oldest first.

        Every hash is looked at, a piece that fits the processor's cache at a time: 12 ms at ten million.
        An index by parts of the hash that cannot miss one would not be quicker: chest images are so alike
        that it leaves 1 to 5 in 100 of them to be compared.

        Args:
            image: (S, S).
            wanted: Its difference hash.
            since: The first row to look at.
        """
        near = []
        for start in range(since, self._count, _AT_ONCE):
            piece = self._hashes[:, start : min(start + _AT_ONCE, self._count)]
            first = np.bitwise_count(piece[0] ^ wanted[0])
            rows = np.flatnonzero(first <= _MOST_BITS_IN_FIRST_WORD)
            bits = np.bitwise_count(piece[:, rows] ^ wanted[:, None]).sum(axis=0)
            near += (start + rows[bits <= _MOST_BITS]).tolist()
        return [row for row in near if probably_same(self._image(row), image)]

    def add(self, image: npt.NDArray[np.uint8], value: Hash) -> int:
        """Note an image that will be appended to the store next; returns the row it will have."""
        self._pending[self._count] = image
        self._append(value)
        return self._count - 1

    def sync(self) -> None:
        """Have, and keep on disk, exactly the hashes of the images that the store now has."""
        self._pending.clear()
        self._count = min(self._count, len(self._pixels))
        for row in range(self._count, len(self._pixels)):
            self._append(difference_hash(self._stored(row)))
        self._write()

    def _image(self, row: int) -> npt.NDArray[np.uint8]:
        pending = self._pending.get(row)
        return self._stored(row) if pending is None else pending

    def _stored(self, row: int) -> npt.NDArray[np.uint8]:
        return self._pixels.read(np.array([row]))[0]

    def _append(self, value: Hash) -> None:
        if self._count == self._hashes.shape[1]:
            self._hashes = np.concatenate((self._hashes, np.empty_like(self._hashes)), axis=1)
        self._hashes[:, self._count] = value
        self._count += 1

    def _write(self) -> None:
        """Append what the file does not have yet."""
        self._path.touch()
        row_bytes = _WORDS * 8
        start = min(self._path.stat().st_size // row_bytes, self._count)
        with open_own(self._path, "r+b") as file:
            file.seek(start * row_bytes)
            file.write(np.ascontiguousarray(self._hashes[:, start : self._count].T).tobytes())
            file.truncate()


def read_hashes(folder: Path) -> Hash:
    """The hashes (n, 4) that were kept next to a pixel store; fewer than its images after a crash."""
    path = folder / _FILE
    found = np.fromfile(path, dtype=np.uint64) if path.is_file() else np.zeros(0, dtype=np.uint64)
    return found[: len(found) // _WORDS * _WORDS].reshape(-1, _WORDS)


def same_hashes(images: npt.NDArray[np.uint8], hashes: Hash) -> npt.NDArray[np.bool_]:
    """Whether images (B, S, S) have the hashes (B, 4) that were kept of them."""
    own = [difference_hash(image) for image in images]
    return np.array([bool((a == b).all()) for a, b in zip(own, hashes, strict=True)], dtype=bool)


def _standardised(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    centred = values.astype(np.float32) - values.mean()
    return centred / max(float(centred.std()), 1e-6)
