"""A quick look at a stored image: is it an upright frontal chest, bone bright, without text?

The image's ranks on a 32 × 32 grid are correlated with a mean chest under small shifts and
stretches. A flag is a hint for the reader: nothing is refused or turned by it.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from amae_engine.evaluation.ranks import relative_ranks
from amae_engine.resources import required_resource

NOT_FRONTAL_CHEST = "not-frontal-chest?"
INVERTED = "inverted?"
TURNED = "turned?"
NEAR_EMPTY = "near-empty"
TEXT = "text?"

_GRID = 32
_TEMPLATE = "plausibility/mean_chest.png"
_STRETCHES = (0.85, 1.0, 1.15)
_SHIFTS = (-3, 0, 3)  # grid cells
# Of 900 adult and 5,528 paediatric chests, 0.4 % and none lie below (resources/plausibility).
_LEAST_LIKENESS = 0.36
_SURE_LIKENESS = 0.5  # an inverted or turned image below it may be no chest at all
_CLEARLY_MORE = 0.05
_FLAT_LINE, _WHITE = 4.0, 200.0  # of a white frame: standard deviation and mean, in grey levels
_FLAT_BLOCK = 2.0  # standard deviation in grey levels of 16 × 16 pixels
_MOST_FLAT = 0.85  # share of flat blocks
_STROKE = 24  # grey levels up, and down again within _STROKE_WIDTH pixels
_STROKE_WIDTH = 5
_LINE = 64  # pixels in which a line of text is looked for
_TEXT_STROKES = 8

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def look_at(image: Bytes, is_said_to_be_chest: bool = True) -> tuple[str, ...]:
    """Flags of a stored image (S, S), S a multiple of 32; () where nothing seems wrong.

    Args:
        image: Bone bright.
        is_said_to_be_chest: False for a file that should say what it shows and does not: it must
            then look more like one.
    """
    text = (TEXT,) if _has_text(image) else ()
    image = _within_white(image)
    if _flat_share(image) > _MOST_FLAT:
        return (NEAR_EMPTY, *text)
    upright, inverted, turned = likeness(image)
    other, flag = max((inverted, INVERTED), (turned, TURNED))
    least = _LEAST_LIKENESS if is_said_to_be_chest else _SURE_LIKENESS
    if upright >= least and other <= upright + _CLEARLY_MORE:
        return text
    if other < max(_LEAST_LIKENESS, upright + _CLEARLY_MORE):
        return (NOT_FRONTAL_CHEST, *text)
    return (flag, *text) if other >= _SURE_LIKENESS else (NOT_FRONTAL_CHEST, flag, *text)


def _within_white(image: Bytes) -> Bytes:
    """An image (S, S) without a white frame, at its own size: a frame is no inverted chest."""
    lines = []
    for axis in (1, 0):
        white = (image.std(axis=axis) < _FLAT_LINE) & (image.mean(axis=axis) > _WHITE)
        busy = np.flatnonzero(~white)
        if len(busy) < len(image) // 3 or len(busy) == len(image):
            lines.append((0, len(image)))
        else:
            lines.append((int(busy[0]), int(busy[-1]) + 1))
    (top, bottom), (left, right) = lines
    if (top, bottom, left, right) == (0, len(image), 0, len(image)):
        return image
    inside = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right]))
    return np.asarray(inside.resize(image.shape[::-1], Image.Resampling.BOX))


def likeness(image: Bytes) -> tuple[float, float, float]:
    """How much an image (S, S) is like the mean chest as it is, inverted, and turned, −1…1."""
    plain, bowed = _bank()
    ranks = _ranks(_grid(image))

    def scores(grid: Floats) -> Floats:
        flat = grid.reshape(1, -1)
        both = plain @ _normed(flat, 0).T + bowed @ _normed(flat, 2).T  # (81, 1)
        return np.asarray(both / 2, dtype=np.float32)

    upright = scores(ranks)
    turned = max(float(scores(np.rot90(ranks, quarter)).max()) for quarter in (1, 2, 3))
    return float(upright.max()), float(-upright.min()), turned


@cache
def _bank() -> tuple[Floats, Floats]:
    """The template under every stretch and shift (81, 1024), without its mean and its bow."""
    template = Image.open(required_resource(_TEMPLATE)).convert("F")
    views = []
    for down, right, dy, dx in product(_STRETCHES, _STRETCHES, _SHIFTS, _SHIFTS):
        edge_y, edge_x = (1 - down) * _GRID / 2 + dy, (1 - right) * _GRID / 2 + dx
        warp = (right, 0, edge_x, 0, down, edge_y)
        view = template.transform(
            (_GRID, _GRID), Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR
        )
        views.append(np.asarray(view).ravel())
    flat = np.stack(views)
    return _normed(flat, 0), _normed(flat, 2)


@cache
def _background(degree: int) -> Floats:
    """An orthonormal basis (1024, k) of the mean, or of the mean, slopes and bows."""
    y, x = np.mgrid[-1 : 1 : _GRID * 1j, -1 : 1 : _GRID * 1j]
    terms = [np.ones_like(x)] if degree == 0 else [np.ones_like(x), x, y, x**2, y**2]
    basis, _ = np.linalg.qr(np.stack([term.ravel() for term in terms], axis=1))
    return basis.astype(np.float32)


def _normed(flat: Floats, degree: int) -> Floats:
    """Grids (n, 1024) without their background, of unit length."""
    basis = _background(degree)
    rest = flat - (flat @ basis) @ basis.T
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(rest / np.maximum(length, 1e-6), dtype=np.float32)


def _grid(image: Bytes) -> Floats:
    """The means of an image's cells (32, 32)."""
    side = len(image) // _GRID
    return image.reshape(_GRID, side, _GRID, side).mean(axis=(1, 3), dtype=np.float32)


def _ranks(grid: Floats) -> Floats:
    """Each cell's rank among the cells, 0…1, equal cells alike: no window or gamma matters."""
    return relative_ranks(grid.ravel()).reshape(grid.shape).astype(np.float32)


def _flat_share(image: Bytes) -> float:
    blocks = image.reshape(len(image) // 16, 16, len(image) // 16, 16).astype(np.float32)
    return float((blocks.std(axis=(1, 3)) < _FLAT_BLOCK).mean())


def _has_text(image: Bytes) -> bool:
    """Whether three rows in turn have many narrow bright strokes close together."""
    step = np.diff(image.astype(np.int16), axis=1)
    up = step > _STROKE
    down = step < -_STROKE
    ends = down.shape[1] - _STROKE_WIDTH
    closed = np.zeros((len(image), ends), dtype=bool)
    for width in range(1, _STROKE_WIDTH + 1):
        closed |= down[:, width : width + ends]
    strokes = up[:, :ends] & closed
    strokes[:, 1:] &= ~strokes[:, :-1]
    total = np.cumsum(np.pad(strokes, ((0, 0), (1, 0))), axis=1, dtype=np.int16)
    near = total[:, _LINE:] - total[:, :-_LINE]
    three_rows = np.minimum(np.minimum(near[:-2], near[1:-1]), near[2:])
    return bool((three_rows >= _TEXT_STROKES).any())
