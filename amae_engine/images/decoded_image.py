"""What one file becomes: grey pixels and facts, or a refusal with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput
from amae_engine.images.subject_facts import NOTHING_KNOWN, SubjectFacts

UNCLEAR_HEADER = "unclear-header"  # a flag: nothing there says clearly that it shows a chest
MOST_PIXELS = 120_000_000  # declared rows × columns; beyond it nothing is decoded
FEWEST_ROWS = 64
MOST_BYTES = 1_000_000_000  # of a file; an image of 120 million pixels has a quarter of it


class Refusal(BadInput):
    """A file that cannot or should not be imported; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """How large a pixel is.

    Attributes:
        row_mm: From one row to the next.
        column_mm: From one column to the next.
        tag: What says so: PixelSpacing is in the patient where it is calibrated; ImagerPixelSpacing
            is at the detector, where the body is drawn larger than it is.
    """

    row_mm: float
    column_mm: float
    tag: str


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One decoded image, bone bright.

    Attributes:
        pixels: (rows, columns) uint8.
        bits_stored: Of the file, before windowing.
        patient, study, sop: Identities as the file states them ("" where it does not); they
            are hashed at the door and go no further.
        spacing: None where the file has none.
        sides: Which side of the patient is at the left and right edge, "" where unknown.
        facts: What the header says for subgroups.
        flags: What a reader should know, without commas: "no-window", "padding", "inverted?", …
    """

    pixels: npt.NDArray[np.uint8]
    bits_stored: int
    photometric: str
    modality: str = ""
    view: str = ""
    body_part: str = ""
    transfer_syntax: str = ""
    spacing: Spacing | None = None
    sides: tuple[str, str] = ("", "")
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    sop: str = field(default="", repr=False)
    flags: tuple[str, ...] = ()
    facts: SubjectFacts = NOTHING_KNOWN


def to_bytes(values: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Grey values linearly from [low, high] to 0…255; a constant image becomes black."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def require_size(rows: int, columns: int, samples: int = 1) -> None:
    """Refuse a declared size that cannot be an image, before any pixel is decoded.

    Raises:
        Refusal: The image is too small or too large.
    """
    if rows * columns * samples > MOST_PIXELS:
        colours = f" in {samples} colours" if samples > 1 else ""
        raise Refusal(
            f"{rows} × {columns} pixels{colours} is larger than any image (at most "
            f"{MOST_PIXELS // samples // 1_000_000} million)."
        )
    if min(rows, columns) < FEWEST_ROWS:
        raise Refusal(f"{rows} × {columns} pixels is too small for an image (at least 64 a side).")


def cause(error: BaseException) -> str:
    """The last line of what an error says, or its kind where it says nothing.

    What it quotes is left out: that may be a value of the header, and so a name.
    """
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return re.sub(r"'[^']*'", "…", lines[-1].strip())[:160].rstrip(".")
