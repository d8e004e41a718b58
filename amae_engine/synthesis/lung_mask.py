"""Unsupervised lung regions that guide AnatPaste ([22]), with fallbacks that are counted.

[22]'s segmentation finds no lung on about one image in twelve and then pastes anywhere. Here such
an image falls back in steps: a softer segmentation, then the mean lung of the other images, then two
standard ellipses; how many images took which step is part of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.exposure import equalize_adapthist
from skimage.filters import threshold_otsu
from skimage.segmentation import clear_border

_REFERENCE_SIDE = 256  # every pixel constant of [22] is given at this side
_SMALLEST_REGION = 400
_SQUARE = np.ones((3, 3), dtype=bool)
_PLAUSIBLE = (0.04, 0.60)  # share of the image that two lungs can cover
_AT_ONCE = 256  # images in memory
_MEAN_NEEDS = 8  # segmented images below which a mean lung says little

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class LungStep(IntEnum):
    """Which step found the lungs of an image."""

    SEGMENTED = 0  # [22]'s segmentation
    SOFTER = 1  # the same, keeping regions that touch the border and lung near small ones
    MEAN_OF_OTHERS = 2  # where most segmented images of this set have lung
    STANDARD = 3  # two ellipses


@dataclass(frozen=True, slots=True)
class LungMasks:
    """Lung masks of a set of images.

    Attributes:
        packed: (n, S, S / 8) uint8, eight pixels a byte.
        steps: (n,) int8, a `LungStep` each.
    """

    packed: Pixels
    steps: npt.NDArray[np.int8]

    def count(self, step: LungStep) -> int:
        """How many images took `step`."""
        return int((self.steps == step).sum())


def segment_lungs(image: Pixels) -> Mask:
    """The lung regions of one image by [22]'s own steps; empty where it finds none.

    CLAHE (clip 0.01) → Otsu → dark and above 0 → opening → clear border → dilation → bounding
    boxes of regions below 400 px (at 256²) are cleared.

    Args:
        image: (S, S) uint8, bone bright.
    """
    dark = _dark_side(image)
    lungs = ndimage.binary_dilation(clear_border(ndimage.binary_opening(dark, _SQUARE)), _SQUARE)
    labels, _ = ndimage.label(lungs, structure=_SQUARE)
    smallest = _SMALLEST_REGION * (image.shape[0] / _REFERENCE_SIDE) ** 2
    sizes = np.bincount(labels.ravel())
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[number] < smallest:
            lungs[box] = False
    return lungs


def lungs_alone(images: Pixels) -> LungMasks:
    """Masks of some images (B, S, S), each by itself: STANDARD, and empty, where none was found."""
    count, side = images.shape[:2]
    packed = np.zeros((count, side, -(-side // 8)), dtype=np.uint8)
    steps = np.full(count, LungStep.STANDARD, dtype=np.int8)
    for row, image in enumerate(images):
        for step, segment in ((LungStep.SEGMENTED, segment_lungs), (LungStep.SOFTER, _softer)):
            mask = segment(image)
            if _PLAUSIBLE[0] <= mask.mean() <= _PLAUSIBLE[1]:
                packed[row], steps[row] = np.packbits(mask, axis=-1), step
                break
    return LungMasks(packed, steps)


def together(parts: Sequence[LungMasks], side: int) -> LungMasks:
    """The masks of a whole set; where an image has none, the mean lung of the others, or a standard.

    Args:
        parts: From `lungs_alone`, in the images' order.
        side: S.
    """
    packed = np.concatenate(
        [np.zeros((0, side, -(-side // 8)), np.uint8), *(p.packed for p in parts)]
    )
    steps = np.concatenate([np.zeros(0, np.int8), *(p.steps for p in parts)])
    _fall_back(packed, steps, side)
    return LungMasks(packed, steps)


def standard_lungs(side: int) -> Mask:
    """Two ellipses where an upright frontal image has its lungs."""
    rows, columns = np.mgrid[:side, :side] / side
    left = ((columns - 0.30) / 0.14) ** 2 + ((rows - 0.47) / 0.30) ** 2 <= 1
    right = ((columns - 0.70) / 0.14) ** 2 + ((rows - 0.47) / 0.30) ** 2 <= 1
    return left | right


def _dark_side(image: Pixels) -> Mask:
    if image.min() == image.max():
        return np.zeros(image.shape, dtype=bool)
    equalised = equalize_adapthist(image, clip_limit=0.01)
    return (equalised < threshold_otsu(equalised)) & (image > 0)


def _softer(image: Pixels) -> Mask:
    """Large dark regions of the image's middle, whether or not they touch the border."""
    side = image.shape[0]
    margin = side // 10
    middle = np.zeros(image.shape, dtype=bool)
    middle[margin:-margin, margin:-margin] = True
    dark = ndimage.binary_opening(_dark_side(image) & middle, _SQUARE, iterations=2)
    labels, count = ndimage.label(dark)
    if count == 0:
        return dark
    smallest = 4 * _SMALLEST_REGION * (side / _REFERENCE_SIDE) ** 2
    large = np.bincount(labels.ravel()) >= smallest
    large[0] = False
    return ndimage.binary_dilation(large[labels], _SQUARE)


def _fall_back(packed: Pixels, steps: npt.NDArray[np.int8], side: int) -> None:
    """Give images without lungs the mean lung of the others, or a standard shape."""
    lost = steps > LungStep.SOFTER
    others = len(steps) - int(lost.sum())
    if not lost.any():
        return
    found = np.zeros((side, side), dtype=np.int64)  # how many images have lung here
    for start in range(0, len(packed), _AT_ONCE):
        some = packed[start : start + _AT_ONCE]
        found += np.unpackbits(some, axis=-1, count=side).sum(axis=0, dtype=np.int64)
    mean = found > 0.5 * others
    if others >= _MEAN_NEEDS and mean.any():
        packed[lost], steps[lost] = np.packbits(mean, axis=-1), LungStep.MEAN_OF_OTHERS
        return
    packed[lost] = np.packbits(standard_lungs(side), axis=-1)
