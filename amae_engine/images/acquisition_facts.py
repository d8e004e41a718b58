"""What an image's pixels reveal of how it was made: its border, burned-in markers, its sharpness."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

_FLAT = 3.0  # standard deviation of a line, in grey levels, below which it shows nothing
# a letter's edge: such a step, in grey levels, from one pixel to the next, next to a white one. On
# both development sets these tell N from U no better than chance (0.48 to 0.55); without the white
# one they see ribs, which disease blurs (0.72)
_STEP, _WHITE = 90, 235
_CELLS = 4  # along each side of the ring where markers stand, an eighth of the image wide

StoredImages = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def border(images: StoredImages) -> Floats:
    """Width of the empty frame at top, bottom, left and right (B, 4) of images (B, S, S).

    In shares of the side, up to a quarter.
    """
    side = images.shape[1]
    most = side // 4
    values = images.astype(np.float32)
    rows, columns = values.std(axis=2) < _FLAT, values.std(axis=1) < _FLAT  # (B, S)
    lines = (rows, rows[:, ::-1], columns, columns[:, ::-1])
    widths = [np.cumprod(flat[:, :most], axis=1).sum(axis=1) for flat in lines]
    return np.stack(widths, axis=1) / side


def markers(images: StoredImages) -> Floats:
    """Share of letters' edges in each cell of the outer ring (B, 16) of images (B, S, S)."""
    side, width = images.shape[1], images.shape[1] // 8
    values = images.astype(np.int16)
    pairs = (values[:, :-1, :-1], values[:, :-1, 1:], values[:, 1:, :-1])
    step = np.maximum(*(np.abs(pairs[0] - other) for other in pairs[1:]))
    edges = (step > _STEP) & (np.maximum.reduce(pairs) >= _WHITE)
    ends = np.linspace(0, side, _CELLS + 1).astype(int)
    cells = []
    for start, end in pairwise(ends.tolist()):
        along = slice(start, end)
        cells += [edges[:, :width, along], edges[:, -width:, along]]
        cells += [edges[:, along, :width], edges[:, along, -width:]]
    return np.stack([cell.mean(axis=(1, 2)) for cell in cells], axis=1).astype(np.float64)


def sharpness(images: StoredImages) -> Floats:
    """How much of the detail is fine (B, 2) of images (B, S, S): what was enlarged has less.

    Mean second difference over that of every other pixel, along rows and along columns, inside the
    middle half: 1 for white noise.
    """
    quarter = images.shape[1] // 4
    middle = images[:, quarter:-quarter, quarter:-quarter].astype(np.float32)
    found = []
    for axis in (2, 1):
        fine = np.abs(np.diff(middle, n=2, axis=axis)).mean(axis=(1, 2))
        even = middle[:, :, ::2] if axis == 2 else middle[:, ::2]
        coarse = np.abs(np.diff(even, n=2, axis=axis)).mean(axis=(1, 2))
        found.append(fine / np.maximum(coarse, 1e-3))
    return np.stack(found, axis=1).astype(np.float64)
