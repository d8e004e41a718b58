"""Seeded variants of real images that import takes for other images, not for copies of one."""

from __future__ import annotations

import numpy as np
from PIL import Image

_TURNS, _ZOOMS = (-12, 12), (0.7, 0.9)  # degrees, and the share of each side that is left


def variant(picture: Image.Image, number: int) -> Image.Image:
    """A grey image turned, cut out, enlarged to its own size, and perhaps mirrored."""
    draw = np.random.default_rng(number)
    turned = picture.rotate(draw.uniform(*_TURNS), Image.Resampling.BICUBIC)
    width, height = (draw.uniform(*_ZOOMS) * side for side in picture.size)
    left, top = draw.uniform(0, picture.width - width), draw.uniform(0, picture.height - height)
    cut = (left, top, left + width, top + height)
    part = turned.resize(picture.size, Image.Resampling.BICUBIC, box=cut)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else part
