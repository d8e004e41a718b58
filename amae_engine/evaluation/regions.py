"""Regions of an image: outlines, what a map is inside them, and how two sets of them overlap.

Places are shares of the image's width and height (0…1), the same for an original, its stored copy
and every map of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput

MOST_POINTS = 400  # of an outline; a contour with more is drawn with fewer
_COARSEST = 1 / 1000  # of the side; how far a contour may be off where its points are thinned
Mask = npt.NDArray[np.bool_]
Points = tuple[tuple[float, float], ...]


class Shape(StrEnum):
    """What a reader drew."""

    POLYGON = "polygon"
    ELLIPSE = "ellipse"  # upright; its points are two corners of the box around it


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of one region.

    Attributes:
        points: (x, y) in 0…1; at least three of a polygon, two of an ellipse.

    Raises:
        BadInput: Too few points, too many, or one that is no place.
    """

    shape: Shape
    points: Points

    def __post_init__(self) -> None:
        enough = len(self.points) >= 3 if self.shape is Shape.POLYGON else len(self.points) == 2
        if not enough or len(self.points) > MOST_POINTS:
            raise BadInput(
                f"A {self.shape} of {len(self.points)} points cannot be drawn; a polygon has 3 to "
                f"{MOST_POINTS}, an ellipse the 2 corners of the box around it."
            )
        if not np.isfinite(self.points).all():
            raise BadInput("A place of the outline is no number.")

    @property
    def polygon(self) -> Points:
        """Its points as a polygon; of an ellipse 64 of them."""
        if self.shape is Shape.POLYGON:
            return self.points
        (left, top), (right, bottom) = self.points
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        across = (left + right) / 2 + np.cos(angles) * (right - left) / 2
        down = (top + bottom) / 2 + np.sin(angles) * (bottom - top) / 2
        return tuple(zip(across.tolist(), down.tolist(), strict=True))

    def moved(self, across: float, down: float) -> Outline:
        """The same outline elsewhere; it stays inside the image."""
        x, y = np.array(self.points).T
        across = float(np.clip(across, -x.min(), 1 - x.max()))
        down = float(np.clip(down, -y.min(), 1 - y.max()))
        moved = ((x + across).tolist(), (y + down).tolist())
        return Outline(self.shape, tuple(zip(*moved, strict=True)))


def box_outline(left: float, top: float, width: float, height: float) -> Outline:
    """An upright box, in the same shares."""
    right, bottom = left + width, top + height
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Outline(Shape.POLYGON, corners)


@dataclass(frozen=True, slots=True)
class MapRegion:
    """A part of a map that lies above a threshold, holes filled.

    Attributes:
        share: Of the image's area.
        mean, peak: Of the map inside, in its own units.
    """

    outline: Outline
    share: float
    mean: float
    peak: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """How the regions of two sources agree on one image.

    Attributes:
        dice: 2 |A ∩ B| / (|A| + |B|); NaN where both are empty.
        iou: |A ∩ B| / |A ∪ B|; NaN where both are empty.
    """

    dice: float
    iou: float


def regions_above(
    values: npt.NDArray[np.float32], threshold: float, most: int = 50
) -> tuple[list[MapRegion], int]:
    """The connected regions of a map (H, W) at or above a threshold, highest peak first.

    Args:
        values: The map.
        threshold: In the map's units.
        most: How many to give; of the others only how many there are.

    Returns:
        The regions, and how many more there are.
    """
    from scipy import ndimage

    numbers, count = ndimage.label(values >= threshold, structure=np.ones((3, 3)))
    if not count:
        return [], 0
    peaks = ndimage.maximum(values, numbers, np.arange(1, count + 1))
    chosen = np.argsort(-peaks, kind="stable")[:most]
    boxes = ndimage.find_objects(numbers)
    found = [_region(values, numbers, int(place) + 1, boxes[int(place)]) for place in chosen]
    return found, count - len(found)


def _region(
    values: npt.NDArray[np.float32],
    numbers: npt.NDArray[np.int32],
    number: int,
    box: tuple[slice, slice],
) -> MapRegion:
    from scipy import ndimage

    own = ndimage.binary_fill_holes(numbers[box] == number)
    inside = values[box][own]
    corner = (box[0].start, box[1].start)
    return MapRegion(
        _contour(own, corner, values.shape),
        float(own.sum() / values.size),
        float(inside.mean()),
        float(inside.max()),
    )


def _contour(own: Mask, corner: tuple[int, int], shape: tuple[int, ...]) -> Outline:
    """The outer contour of a mask (h, w) that lies at `corner` of an array of `shape`."""
    from skimage.measure import approximate_polygon, find_contours

    contours = find_contours(np.pad(own, 1).astype(np.float32), 0.5)
    longest = max(contours, key=len) - 1 + np.array(corner) + 0.5
    scaled = (longest / np.array(shape[:2]))[:-1, ::-1]  # (row, column) → (x, y); closed by itself
    coarse = _COARSEST
    thinned = approximate_polygon(np.vstack((scaled, scaled[:1])), coarse)[:-1]
    while len(thinned) > MOST_POINTS or len(thinned) < 3:
        if len(thinned) < 3:
            thinned = scaled[:: max(1, len(scaled) // MOST_POINTS)][:MOST_POINTS]
            break
        coarse *= 2
        thinned = approximate_polygon(np.vstack((scaled, scaled[:1])), coarse)[:-1]
    points = np.clip(thinned, 0, 1).round(6)
    return Outline(Shape.POLYGON, tuple(map(tuple, points.tolist())))


def mask_outlines(mask: Mask, most: int = 1000) -> list[Outline]:
    """The outlines of a mask (H, W), largest first; holes are filled."""
    from scipy import ndimage

    numbers, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(numbers)
    return [
        _contour(
            ndimage.binary_fill_holes(numbers[boxes[place]] == place + 1),
            (boxes[place][0].start, boxes[place][1].start),
            mask.shape,
        )
        for place in np.argsort(-sizes, kind="stable")[:most].tolist()
    ]


def outlines_mask(outlines: Sequence[Outline], rows: int, columns: int) -> Mask:
    """The pixels (rows, columns) whose middle lies in some outline."""
    from PIL import Image, ImageDraw
    from skimage.draw import polygon as inside

    mask = np.zeros((rows, columns), dtype=bool)
    if len(outlines) > 1000:  # many at once: exact to half a pixel
        picture = Image.fromarray(mask)
        draw = ImageDraw.Draw(picture)
        for outline in outlines:
            draw.polygon([(x * columns - 0.5, y * rows - 0.5) for x, y in outline.polygon], fill=1)
        return np.array(picture, dtype=bool)
    for outline in outlines:
        x, y = np.array(outline.polygon).T
        mask[inside(y * rows - 0.5, x * columns - 0.5, mask.shape)] = True
    return mask


def measured(outline: Outline, values: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Share of the image, mean and peak of a map (H, W) inside an outline; NaN where it is thin."""
    own = outlines_mask([outline], *values.shape)
    if not own.any():
        return 0.0, float("nan"), float("nan")
    inside = values[own]
    return float(own.mean()), float(inside.mean()), float(inside.max())


def overlap(one: Mask, other: Mask) -> Overlap:
    """How two masks (H, W) agree."""
    both, either = int((one & other).sum()), int((one | other).sum())
    if not either:
        return Overlap(float("nan"), float("nan"))
    return Overlap(2 * both / (int(one.sum()) + int(other.sum())), both / either)


def points_at(values: npt.NDArray[np.float32], mask: Mask) -> bool:
    """Whether a map's highest pixel lies in a mask of the same size (pointing game)."""
    return bool(mask.ravel()[values.argmax()])
