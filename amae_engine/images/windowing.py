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
from pydicom import uid
from pydicom.dataset import Dataset

from amae_engine.images.decoded_image import Refusal, to_bytes
from amae_engine.images.voi import Window, file_windows, looked_up, number_of

ROBUST = "robust percentiles"
NO_WINDOW = "no-window"
PADDING = "padding"
BAD_WINDOW = "bad-window"

_LARGEST_TABLE = 1 << 16
_LEAST_CONTRAST = 2.0  # standard deviation in grey levels that a window must leave
_BORDER_SHARE = (0.02, 0.9)  # share of pixels of one extreme value that makes it a border
_BORDER_SPREAD = 0.04  # of the image's range, within which a collimated line stays
_LOOKED_AT = 512  # lines and columns, at most, in which a border is looked for

# of X-ray angiography and fluoroscopy it is no part of the display (PS3.3 C.8.7.1.1.2)
_WITHOUT_MODALITY_LUT = (
    uid.XRayAngiographicImageStorage,
    uid.EnhancedXAImageStorage,
    uid.XRayRadiofluoroscopicImageStorage,
    uid.EnhancedXRFImageStorage,
)

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


@dataclass(frozen=True, slots=True)
class GreyScale:
    """An image at its full depth, and how it is meant to be seen.

    Attributes:
        codes: (rows, columns) uint8 or uint16, places in `values`.
        values: (n,) the grey value of each code, after the modality LUT.
        windows: The first one is how the image is shown at first.
        padded: (n,) whether the value lies outside the image.
        is_inverse: Whether large values are meant to be dark (MONOCHROME1).
        flags: "no-window", "bad-window", "padding".
    """

    codes: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    values: Floats
    windows: tuple[Window, ...]
    padded: npt.NDArray[np.bool_]
    is_inverse: bool = False
    flags: tuple[str, ...] = ()

    def picture(self) -> Bytes:
        """The image (rows, columns) by its first window, bone bright."""
        first = self.windows[0]
        shades = to_bytes(first.numbers, first.black, first.white)
        if self.is_inverse:
            shades = 255 - shades
        return np.where(self.padded, np.uint8(0), shades).take(self.codes)


def grey_scale(stored: Integers, header: Dataset, all_windows: bool = False) -> GreyScale:
    """Stored values (rows, columns) with the file's windows, or robust percentiles without one.

    Args:
        stored: As they are in the file.
        header: Of the file.
        all_windows: Those too that are never the first, for a reader to choose from.

    Raises:
        Refusal: The values are no grey image of 8 to 16 bits, or a look-up table is broken.
    """
    pixels = _coded(stored, header)
    counts = pixels.counts(pixels.codes)
    if not counts.any():
        raise Refusal("the image is empty (all of it is padding).")
    flags = (PADDING,) if counts.sum() < stored.size else ()
    values, signed = _modality(pixels.domain, header)
    own = file_windows(values, header, signed)
    is_bad = bool(own) and _contrast(own[0], counts) < _LEAST_CONTRAST
    if is_bad:
        flags = (BAD_WINDOW, *flags)
    windows: list[Window] = []
    if (is_bad or not own) and _is_ready(pixels.domain, values, header):
        windows = [Window("as stored", values, 0.0, 255.0), *own]
    elif own and not is_bad:
        windows = [*own]
    if all_windows or not windows:
        inside = pixels.counts(_inside_collimator(pixels.codes))
        robust = Window(ROBUST, values, *robust_range(values, inside if inside.any() else counts))
        flags = flags if windows else (NO_WINDOW, *flags)
        windows += [robust] if windows else [robust, *own]
        windows.append(Window("all values", values, float(values.min()), float(values.max())))
    return GreyScale(
        pixels.codes, values, tuple(windows), pixels.padded, _is_inverse(header), flags
    )


def picture_scale(stored: npt.NDArray[Any]) -> GreyScale:
    """A picture's grey values (rows, columns), of 8 bits as they are, deeper ones by percentiles.

    Raises:
        Refusal: The values are no numbers.
    """
    if stored.dtype == np.uint8:
        grey = np.arange(256, dtype=np.float64)
        return GreyScale(
            stored, grey, (Window("as stored", grey, 0.0, 255.0),), np.zeros(256, dtype=bool)
        )
    low, high = _percentiles(stored)
    finite = np.nan_to_num(stored.astype(np.float64))
    least, most = float(finite.min()), float(finite.max())
    exact = stored.dtype.kind in "iu" and most - least < _LARGEST_TABLE
    size = int(most - least) + 1 if exact else _LARGEST_TABLE
    step = 1.0 if exact else max(most - least, 1e-12) / (size - 1)
    codes = np.rint((finite - least) / step).astype(np.uint16)
    values: Floats = least + step * np.arange(size, dtype=np.float64)
    windows = (Window(ROBUST, values, low, high), Window("all values", values, least, most))
    return GreyScale(codes, values, windows, np.zeros(size, dtype=bool))


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
    """A picture of more than 8 bits (rows, columns) by robust percentiles inside its collimator.

    Raises:
        Refusal: The values are no numbers.
    """
    low, high = _percentiles(stored)
    if stored.dtype == np.uint16:
        return to_bytes(np.arange(_LARGEST_TABLE, dtype=np.float64), low, high).take(stored)
    return to_bytes(np.nan_to_num(stored.astype(np.float32)), low, high)


def _percentiles(stored: npt.NDArray[Any]) -> tuple[float, float]:
    inside = _inside_collimator(stored)
    values, counts = np.unique(inside[np.isfinite(inside)], return_counts=True)
    if not len(values):
        raise Refusal("its pixels are no numbers.")
    return robust_range(values.astype(np.float64), counts)


def _coded(stored: Integers, header: Dataset) -> _Codes:
    """Stored values (rows, columns) as indices.

    Raises:
        Refusal: They are no grey values of 8 to 16 bits.
    """
    lowest = int(stored.min())
    span = int(stored.max()) - lowest + 1
    if stored.dtype.kind not in "iu" or span > _LARGEST_TABLE:
        raise Refusal(
            f"its pixels are {stored.dtype} over {span} values; an image has 8 to 16 bits."
        )
    codes = stored.astype(np.uint16, copy=False)
    if lowest:  # in a wider type: −128…127 does not fit into itself from 0 on
        codes = (stored.astype(np.int64) - lowest).astype(np.uint16)
    domain = np.arange(lowest, lowest + span)
    padded = np.zeros(span, dtype=bool)
    if header.get("PixelPaddingValue") is not None:  # PS3.3 C.7.5.1.1.2
        signed = bool(header.get("PixelRepresentation", 0))
        first = _of_sign(int(header.PixelPaddingValue), signed)
        limit = header.get("PixelPaddingRangeLimit")
        last = first if limit is None else _of_sign(int(limit), signed)
        padded = (domain >= min(first, last)) & (domain <= max(first, last))
    return _Codes(codes, domain, padded)


def _of_sign(value: int, signed: bool) -> int:
    """A 16-bit word with the sign of the pixels, whatever sign it was written with."""
    word = value & 0xFFFF
    return word - (1 << 16) if signed and word & 0x8000 else word


def _modality(domain: npt.NDArray[np.int64], header: Dataset) -> tuple[Floats, bool]:
    """The modality LUT or rescale (PS3.3 C.11.1) of each stored value; whether one can be negative."""
    signed = bool(header.get("PixelRepresentation", 0))
    if str(header.get("SOPClassUID", "")) in _WITHOUT_MODALITY_LUT:
        return domain.astype(np.float64), signed
    if header.get("ModalityLUTSequence"):
        return looked_up(domain, header.ModalityLUTSequence[0], header, signed)[0], False
    slope, intercept = number_of(header, "RescaleSlope"), number_of(header, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        return domain.astype(np.float64), signed
    bits = int(header.get("BitsStored", 16))
    ends = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = np.asarray(domain * slope + intercept, dtype=np.float64)
    return values, min(slope * end + intercept for end in ends) < 0


def _is_ready(domain: npt.NDArray[np.int64], values: Floats, header: Dataset) -> bool:
    """Whether an image without a window has 8 bits that were made to be seen as they are."""
    plain = np.array_equal(domain, values)
    return plain and int(header.get("BitsStored", 8)) == 8 and domain[0] >= 0 and domain[-1] <= 255


def _is_inverse(header: Dataset) -> bool:
    """Whether large values are meant to be dark (MONOCHROME1)."""
    shape = str(header.get("PresentationLUTShape") or "").strip().upper()
    if shape == "INVERSE":
        return True
    return str(header.get("PhotometricInterpretation")) == "MONOCHROME1"


def _contrast(window: Window, counts: npt.NDArray[np.int64]) -> float:
    """The standard deviation of an image's shades, of which `counts` pixels have each."""
    shades = to_bytes(window.numbers, window.black, window.white)
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
