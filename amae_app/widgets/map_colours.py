"""Maps to colours: by value, at one opacity, with one scale for all images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg

SEQUENTIAL = ("inferno", "viridis", "magma", "cividis")  # perceptually uniform


def map_colours(
    values: npt.NDArray[np.floating],
    scale: float,
    name: str,
    opacity: float,
    threshold: float = 0.0,
    signed: bool = False,
) -> npt.NDArray[np.uint8]:
    """Colour a map.

    Args:
        values: (H, W), the map in its own units.
        scale: The value that gets the last colour; the same for every image of a run.
        name: One of `SEQUENTIAL`; ignored for signed maps.
        opacity: 0…1, the same wherever the map is shown.
        threshold: Share of the scale, 0…1, below which nothing is drawn.
        signed: Blue below zero, orange above.

    Returns:
        (H, W, 4) uint8.
    """
    share = np.nan_to_num(values / max(scale, 1e-12))
    table = _signed_table() if signed else _table(name)
    place = (share + 1) / 2 if signed else share
    colours = table[np.clip(place * 255, 0, 255).astype(np.uint8)].copy()  # (H, W, 4)
    strength = np.abs(share) if signed else share
    colours[..., 3] = np.where(strength >= threshold, round(255 * opacity), 0)
    return colours


def colour_bar(name: str, signed: bool) -> npt.NDArray[np.uint8]:
    """The colours (256, 4) from the lowest to the highest value."""
    return _signed_table() if signed else _table(name)


@lru_cache(maxsize=8)
def _table(name: str) -> npt.NDArray[np.uint8]:
    table: npt.NDArray[np.uint8] = pg.colormap.get(name).getLookupTable(nPts=256, alpha=True)
    return table


@lru_cache(maxsize=1)
def _signed_table() -> npt.NDArray[np.uint8]:
    blue, grey, orange = (70, 140, 230, 255), (60, 60, 60, 255), (245, 150, 50, 255)
    ramp = pg.ColorMap([0.0, 0.5, 1.0], [blue, grey, orange])
    table: npt.NDArray[np.uint8] = ramp.getLookupTable(nPts=256, alpha=True)
    return table
