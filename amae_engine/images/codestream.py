"""What a compressed picture says of itself, read before a decoder is let at it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from amae_engine.images.decoded_image import Refusal, require_size

_JPEG_2000 = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1 A.5.1)
_JPEG = b"\xff\xd8"
_END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_BOXES = 1 << 16  # bytes of JP2 boxes that may stand before the codestream
_MOST_BITS = 16
_STANDALONE = (0x01, *range(0xD0, 0xDA))
_FRAME_HEADERS = ({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xF7}  # SOF0…15, SOF55
_JFIF, _ADOBE = b"JFIF\0", b"Adobe"


@dataclass(frozen=True, slots=True)
class Codestream:
    """The facts of one compressed frame.

    Attributes:
        precision: Bits of a sample.
        data: Where, at the latest, its compressed data begin.
        is_signed: Whether samples have a sign; JPEG 2000 alone says so.
        is_subsampled: Whether the components differ in size: then they are luminance and colour.
        names_colours: Whether a JFIF or Adobe marker says what the components are.
    """

    rows: int
    columns: int
    components: int
    precision: int
    data: int
    is_signed: bool = False
    is_subsampled: bool = False
    names_colours: bool = False


def require_whole(frame: bytes, rows: int, columns: int) -> Codestream:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame that is cut short or not of the declared size.

    Raises:
        Refusal: A decoder would fill in pixels that are not there, or need unknown memory.
    """
    found = codestream(frame)
    if found is None:
        raise Refusal("its compressed pixels are damaged (no picture begins in them).")
    if (found.rows, found.columns) != (rows, columns):
        raise Refusal(
            f"its header says {rows} × {columns} pixels, its compressed picture is "
            f"{found.rows} × {found.columns}."
        )
    require_size(found.rows, found.columns, found.components)
    if end_of(frame, found) is None:
        raise Refusal("its compressed pixels are cut short.")
    return found


def codestream(frame: bytes) -> Codestream | None:
    """The facts of a frame; None where no picture begins in it."""
    start = frame.find(_JPEG_2000, 0, _BOXES)
    try:
        return _jpeg_2000(frame, start) if start >= 0 else _jpeg(frame)
    except (struct.error, IndexError):
        return None


def end_of(frame: bytes, facts: Codestream) -> int | None:
    """Where a frame's picture ends; None where it is cut short.

    Its end marker cannot stand within the compressed data; any padding may follow it.
    """
    end = frame.rfind(_END, facts.data)
    return None if end < 0 else end + len(_END)


def _jpeg_2000(frame: bytes, start: int) -> Codestream:
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    components, precision = struct.unpack_from(">HB", frame, start + 40)
    bits = (precision & 0x7F) + 1  # the highest bit says that values are signed
    if bits > _MOST_BITS:  # GDCM would end its process
        raise Refusal(f"its compressed picture has {bits} bits; an image has 8 to {_MOST_BITS}.")
    size = (bottom - top, right - left)
    return Codestream(*size, components, bits, start + 42, bool(precision & 0x80))


def _jpeg(stream: bytes) -> Codestream | None:
    if not stream.startswith(_JPEG):
        return None
    place, names_colours = 2, False
    while True:
        while stream[place] == 0xFF:  # fill bytes before a marker
            place += 1
        marker = stream[place]
        if marker in _FRAME_HEADERS:
            precision, rows, columns, components = struct.unpack_from(">BHHB", stream, place + 3)
            sampling = {stream[place + 10 + 3 * n] for n in range(components)}
            subsampled = len(sampling) > 1
            return Codestream(
                rows, columns, components, precision, place, False, subsampled, names_colours
            )
        place += 1
        if marker not in _STANDALONE:
            (length,) = struct.unpack_from(">H", stream, place)
            names_colours |= stream[place + 2 : place + 7] in (_JFIF, _ADOBE)
            place += length
        if stream[place] != 0xFF:
            return None
