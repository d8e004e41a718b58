"""The windows and look-up tables that a DICOM file brings for its grey values (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from amae_engine.images.decoded_image import Refusal

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

_LONGEST_NAME = 24
_FULL_BITS = 16
_FRACTION = 2.0  # a window that is narrower, of values that are fractions, is meant exactly


@dataclass(frozen=True, slots=True)
class Window:
    """Which grey values are black and white.

    Attributes:
        name: What the reader sees; never the file's own free text, which could hold a name.
        numbers: (n,) the numbers that are windowed, for each value of the image: the value itself, or what a
            look-up table or a sigmoid makes of it.
        black, white: Numbers that become 0 and 1.
    """

    name: str
    numbers: Floats
    black: float
    white: float

    @property
    def shades(self) -> npt.NDArray[np.float32]:
        """(n,) shades, 0 black and 1 white; values outside the window lie beyond."""
        span = self.white - self.black
        if span <= 0:
            return np.zeros(len(self.numbers), dtype=np.float32)
        return ((self.numbers - self.black) / span).astype(np.float32)


def file_windows(values: Floats, header: Dataset, signed: bool) -> list[Window]:
    """A file's look-up tables and windows, in its order; those that are broken are left out.

    Args:
        values: (n,) grey values after the modality LUT.
        header: Of the file.
        signed: Whether such values can be negative.

    Raises:
        Refusal: The first look-up table is broken.
    """
    found = []
    for number, table in enumerate(header.get("VOILUTSequence") or ()):
        if not table.get("LUTData"):  # an item that holds no table
            continue
        try:
            shown, white = looked_up(values, table, header, signed)
        except Refusal:
            if number == 0:
                raise
            continue
        name = _name(table.get("LUTExplanation"), f"look-up table {number + 1}")
        found.append(Window(name, shown, 0.0, white))
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    steps = np.abs(np.diff(values[:2]))
    is_whole = not (len(steps) and 0 < steps[0] < 1)
    centers, widths = decimals(header, "WindowCenter"), decimals(header, "WindowWidth")
    names = header.get("WindowCenterWidthExplanation")
    texts = [names] if isinstance(names, str) else list(names or ())
    for number, (center, width) in enumerate(zip(centers, widths, strict=False)):
        # the half units of LINEAR are for whole numbers
        is_exact = function == "LINEAR" and not is_whole and width < _FRACTION
        shape = "LINEAR_EXACT" if is_exact else function
        if not width > 0 or math.isnan(center) or (shape == "LINEAR" and width < 1):
            continue
        text = texts[number] if number < len(texts) else ""
        name = _name(text, f"window {number + 1}")
        found.append(_window(name, values, center, width, shape))
    return found


def _window(name: str, values: Floats, center: float, width: float, function: str) -> Window:
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return Window(name, 1 / (1 + np.exp(-4 * (values - center) / width)), 0.0, 1.0)
    if function == "LINEAR":
        center, width = center - 0.5, max(width - 1, 1e-9)
    return Window(name, values, center - width / 2, center + width / 2)


_NAMES = ("NORMAL", "LUNG", "HARDER", "SOFTER", "BONE", "MEDIASTINUM", "CHEST", "SOFT TISSUE")


def _name(text: object, otherwise: str) -> str:
    """The file's name of a window, where it is one of the usual ones; free text could be a person."""
    words = " ".join(str(text or "").upper().split())[:_LONGEST_NAME]
    known = [name for name in _NAMES if name in words]
    return f"{otherwise}: {', '.join(known).lower()}" if known else otherwise


def looked_up(
    values: Floats | Integers, table: Dataset, header: Dataset, signed: bool
) -> tuple[Floats, float]:
    """What a LUT item (PS3.3 C.11.1.1) makes of values (n,), and what is white in it.

    Args:
        values: That enter the table.
        table: The item.
        header: Of the file.
        signed: Whether such values can be negative: the first one of the descriptor then has a sign,
            whatever it was written as (C.11.2.1.1).

    Raises:
        Refusal: The table has no entries.
    """
    if "LUTDescriptor" not in table or not table.get("LUTData"):
        raise Refusal("its look-up table is broken; export the image without it.")
    first, bits = int(table.LUTDescriptor[1]) & 0xFFFF, int(table.LUTDescriptor[2])
    if signed and first & 0x8000:
        first -= 1 << 16
    entries = _entries(table["LUTData"].value, bits, header)
    place = np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)
    # tables declare 16 bits and use 12: there, what counts is the bits that are used
    used = int(entries.max()).bit_length()
    white = (1 << (max(bits, used) if bits < _FULL_BITS else used)) - 1
    return entries[place].astype(np.float64), float(white)


def _entries(data: bytes | list[int] | int, bits: int, header: Dataset) -> Integers:
    if isinstance(data, bytes):
        little = header.original_encoding[1] is not False
        words = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2" if little else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data, dtype=np.int64) & 0xFFFF).astype(np.uint16)
    packed = bits == 8 and len(words) and int(words.max()) > 255  # two 8-bit entries in a word
    return np.ascontiguousarray(words, dtype="<u2").view(np.uint8) if packed else words


def number_of(header: Dataset, name: str) -> float | None:
    """The first value of a header's decimal, None where there is none that is a number."""
    found = decimals(header, name)
    return found[0] if found and math.isfinite(found[0]) else None


def decimals(header: Dataset, name: str) -> list[float]:
    """All values of a header's decimal; NaN where one is no number."""
    found = header.get(name)
    if found is None:
        return []
    if isinstance(found, str):
        found = found.split("\\") if found.strip() else []
    return [_number(value) for value in (found if hasattr(found, "__len__") else [found])]


def _number(value: object) -> float:
    """A number, also with a decimal comma: some makers write their country's."""
    text = value.replace(",", ".") if isinstance(value, str) else value
    try:
        number = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
