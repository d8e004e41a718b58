"""From stored values to shades: modality LUT → VOI LUT or window → polarity (PS3.4 N.2).

All of it is a function of the stored value alone, so it is worked out for each of the at most
65,536 values and looked up for the millions of pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from amae_engine.images.decoded_image import Refusal, to_bytes

NO_WINDOW = "no-window"
PADDING = "padding"
BAD_WINDOW = "bad-window"

_LARGEST_TABLE = 1 << 16
_LEAST_CONTRAST = 2.0  # standard deviation in grey levels that a window must leave
_BORDER_SHARE = (0.02, 0.9)  # share of pixels of one extreme value that makes it a border
_BORDER_SPREAD = 0.04  # of the image's range, within which a collimated line stays
_LOOKED_AT = 512  # lines and columns, at most, in which a border is looked for

Integers = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Codes:
    """Stored pixels as indices of the values that occur.

    Attributes:
        codes: (rows, columns) uint16.
        domain: (n,) the stored value of each code.
        padded: (n,) whether the value lies outside the image.
    """

    codes: npt.NDArray[np.uint16]
    domain: npt.NDArray[np.int64]
    padded: npt.NDArray[np.bool_]

    def counts(self, codes: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
        """How many of `codes` have each value of the image, (n,)."""
        counted = np.bincount(codes.ravel(), minlength=len(self.domain))
        return np.where(self.padded, 0, counted)


def render(stored: Integers, header: Dataset) -> tuple[Bytes, tuple[str, ...]]:
    """Stored values (rows, columns) as they are meant to be seen, bone bright.

    Of several windows the first is taken; where there is none, robust percentiles.

    Returns:
        The image (rows, columns) and flags: "no-window", "bad-window", "padding".

    Raises:
        Refusal: The values are no grey image of 8 to 16 bits, or a look-up table is broken.
    """
    pixels = _coded(stored, header)
    counts = pixels.counts(pixels.codes)
    if not counts.any():
        raise Refusal("the image is empty (all of it is padding).")
    flags = (PADDING,) if counts.sum() < stored.size else ()
    values = _modality(pixels.domain, header)
    shades = _voi(values, header)
    if shades is not None and _contrast(shades, counts) < _LEAST_CONTRAST:
        shades, flags = None, (BAD_WINDOW, *flags)
    if shades is None and _is_ready(pixels.domain, values, header):
        shades = values.astype(np.uint8)
    if shades is None:
        inside = pixels.counts(_inside_collimator(pixels.codes))
        shades = to_bytes(values, *robust_range(values, inside if inside.any() else counts))
        flags = (NO_WINDOW, *flags)
    if _is_inverse(header):
        shades = 255 - shades
    return np.where(pixels.padded, np.uint8(0), shades).take(pixels.codes), flags


def robust_range(values: Floats, counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of an image, without a large flat border.

    Args:
        values: (n,) grey values.
        counts: (n,) pixels with each of them.
    """
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order].copy()
    present = np.flatnonzero(counts)
    for edge in (present[0], present[-1]):
        share = counts[edge] / counts.sum()
        if _BORDER_SHARE[0] < share < _BORDER_SHARE[1]:
            counts[edge] = 0
    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, (0.005, 0.995))
    return float(values[low]), float(values[high])


def stretch(stored: npt.NDArray[Any]) -> Bytes:
    """A picture of more than 8 bits (rows, columns) by robust percentiles inside its collimator."""
    inside = _inside_collimator(stored)
    values, counts = np.unique(inside[np.isfinite(inside)], return_counts=True)
    if not len(values):
        raise Refusal("its pixels are no numbers.")
    low, high = robust_range(values.astype(np.float64), counts)
    if stored.dtype == np.uint16:
        return to_bytes(np.arange(_LARGEST_TABLE, dtype=np.float64), low, high).take(stored)
    return to_bytes(np.nan_to_num(stored.astype(np.float32)), low, high)


def _coded(stored: Integers, header: Dataset) -> _Codes:
    lowest = int(stored.min())
    span = int(stored.max()) - lowest + 1
    if stored.dtype.kind not in "iu" or span > _LARGEST_TABLE:
        raise Refusal(
            f"its pixels are {stored.dtype} over {span} values; an image has 8 to 16 bits."
        )
    codes = (stored - lowest).astype(np.uint16) if lowest else stored.astype(np.uint16, copy=False)
    domain = np.arange(lowest, lowest + span)
    padded = np.zeros(span, dtype=bool)
    if header.get("PixelPaddingValue") is not None:  # PS3.3 C.7.5.1.1.2
        first = int(header.PixelPaddingValue)
        limit = header.get("PixelPaddingRangeLimit")
        last = first if limit is None else int(limit)
        padded = (domain >= min(first, last)) & (domain <= max(first, last))
    return _Codes(codes, domain, padded)


def _modality(domain: npt.NDArray[np.int64], header: Dataset) -> Floats:
    """The modality LUT or rescale (PS3.3 C.11.1) of each stored value."""
    if header.get("ModalityLUTSequence"):
        return _looked_up(domain, header.ModalityLUTSequence[0], header)[0]
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        return domain.astype(np.float64)
    return np.asarray(domain * slope + intercept, dtype=np.float64)


def _voi(values: Floats, header: Dataset) -> Bytes | None:
    """Shades by the VOI LUT or, where there is none, the first window (PS3.3 C.11.2)."""
    if header.get("VOILUTSequence"):
        shown, largest = _looked_up(values, header.VOILUTSequence[0], header)
        # tables declare 16 bits and use 12: what counts is the bits that are used
        return to_bytes(shown, 0.0, float((1 << largest.bit_length()) - 1))
    center, width = _number(header, "WindowCenter"), _number(header, "WindowWidth")
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    if center is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return to_bytes(1 / (1 + np.exp(-4 * (values - center) / width)), 0.0, 1.0)
    if function == "LINEAR":
        center, width = center - 0.5, max(width - 1, 1e-9)
    return to_bytes(values, center - width / 2, center + width / 2)


def _looked_up(
    values: Floats | npt.NDArray[np.int64], table: Dataset, header: Dataset
) -> tuple[Floats, int]:
    """What a LUT item (PS3.3 C.11.1.1) makes of values (n,), and its largest entry."""
    if "LUTDescriptor" not in table or not table.get("LUTData"):
        raise Refusal("its look-up table is broken; export the image without it.")
    first = int(table.LUTDescriptor[1])
    entries = _entries(table["LUTData"].value, int(table.LUTDescriptor[2]), header)
    place = np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)
    return entries[place].astype(np.float64), int(entries.max())


def _entries(data: bytes | list[int] | int, bits: int, header: Dataset) -> Integers:
    if isinstance(data, bytes):
        little = header.original_encoding[1] is not False
        words = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2" if little else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data, dtype=np.int64) & 0xFFFF).astype(np.uint16)
    packed = bits == 8 and len(words) and int(words.max()) > 255  # two 8-bit entries in a word
    return np.ascontiguousarray(words, dtype="<u2").view(np.uint8) if packed else words


def _is_ready(domain: npt.NDArray[np.int64], values: Floats, header: Dataset) -> bool:
    """Whether an image without a window has 8 bits that were made to be seen as they are."""
    plain = np.array_equal(domain, values)
    return plain and int(header.get("BitsStored", 8)) == 8 and domain[0] >= 0 and domain[-1] <= 255


def _is_inverse(header: Dataset) -> bool:
    shape = str(header.get("PresentationLUTShape") or "").strip().upper()
    if shape == "INVERSE":
        return True
    return str(header.get("PhotometricInterpretation")) == "MONOCHROME1"


def _contrast(shades: Bytes, counts: npt.NDArray[np.int64]) -> float:
    mean = np.average(shades, weights=counts)
    return math.sqrt(np.average((shades - mean) ** 2, weights=counts))


def _inside_collimator(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The part of an image (rows, columns) within its flat borders, at most every few lines."""
    seen = image[:: -(-image.shape[0] // _LOOKED_AT), :: -(-image.shape[1] // _LOOKED_AT)]
    low, high = np.percentile(seen, (1, 99))
    rows, columns = (
        _within(np.ptp(np.percentile(seen, (5, 95), axis=axis), axis=0), float(high - low))
        for axis in (1, 0)
    )
    return seen[rows, columns]


def _within(spreads: npt.NDArray[np.floating], span: float) -> slice:
    """The lines (n,) between the outermost ones that are not flat."""
    busy = np.flatnonzero(spreads > _BORDER_SPREAD * span)
    return slice(int(busy[0]), int(busy[-1]) + 1) if len(busy) > len(spreads) // 4 else slice(None)


def _number(header: Dataset, name: str) -> float | None:
    """The first value of a header's decimal, None where there is none that is a number."""
    found = header.get(name)
    if found is None or isinstance(found, str):
        return None
    try:
        value = float(found[0] if hasattr(found, "__len__") else found)
    except (TypeError, ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None
