"""What one file becomes: grey pixels and facts, or a refusal with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput

MOST_PIXELS = 120_000_000  # declared rows × columns; beyond it nothing is decoded
FEWEST_ROWS = 64
_BORDER = (0.02, 0.9)  # share of pixels of one extreme value that makes it a border


class Refusal(BadInput):
    """A file that cannot or should not be imported; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Film:
    """One decoded film, bone bright.

    Attributes:
        pixels: (rows, columns) uint8.
        bits_stored: Of the file, before windowing.
        patient, study, sop: Identities as the file states them ("" where it does not); they
            are hashed at the door and go no further.
        pixel_spacing_mm: Row spacing, None where the file has none.
        flags: What a reader should know: "lossy", "no-window", "padding", …
    """

    pixels: npt.NDArray[np.uint8]
    bits_stored: int
    photometric: str
    modality: str = ""
    view: str = ""
    body_part: str = ""
    transfer_syntax: str = ""
    pixel_spacing_mm: float | None = None
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    sop: str = field(default="", repr=False)
    flags: tuple[str, ...] = ()


def to_bytes(values: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Grey values linearly from [low, high] to 0…255; a constant film becomes black."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def robust_range(
    values: npt.NDArray[np.floating], counts: npt.NDArray[np.intp]
) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of a film, without a large flat border or padding.

    Args:
        values: (n,) grey values.
        counts: (n,) pixels with each of them.
    """
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order].copy()
    present = np.flatnonzero(counts)
    for edge in (present[0], present[-1]):
        share = counts[edge] / counts.sum()
        if _BORDER[0] < share < _BORDER[1]:
            counts[edge] = 0
    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, (0.005, 0.995))
    return float(values[low]), float(values[high])


def require_size(rows: int, columns: int) -> None:
    """Refuse a declared size that cannot be a film, before any pixel is decoded.

    Raises:
        Refusal: The film is too small or too large.
    """
    if rows * columns > MOST_PIXELS:
        raise Refusal(f"{rows} × {columns} pixels is larger than any film (at most 120 million).")
    if min(rows, columns) < FEWEST_ROWS:
        raise Refusal(f"{rows} × {columns} pixels is too small for a film (at least 64 a side).")
