"""What a compressed picture says of its own size, read before a decoder is let at it."""

from __future__ import annotations

import struct

from amae_engine.images.decoded_image import Refusal, require_size

_JPEG_2000 = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1 A.5.1)
_JPEG = b"\xff\xd8"
_END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_TAIL = 64  # bytes in which the end is looked for: encoders pad
_BOXES = 1 << 16  # bytes of JP2 boxes that may stand before the codestream
_MOST_BITS = 16
_STANDALONE = (0x01, *range(0xD0, 0xDA))
_FRAME_HEADERS = ({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xF7}  # SOF0…15, SOF55


def require_whole(frame: bytes, rows: int, columns: int) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame that is cut short or not of the declared size.

    Raises:
        Refusal: A decoder would fill in pixels that are not there, or need unknown memory.
    """
    start = frame.find(_JPEG_2000, 0, _BOXES)
    try:
        size = _jpeg_2000_size(frame[start:]) if start >= 0 else _jpeg_size(frame)
    except (struct.error, IndexError):
        size = None
    if size is None:
        raise Refusal("its compressed pixels are damaged (no picture begins in them).")
    if size[:2] != (rows, columns):
        raise Refusal(
            f"its header says {rows} × {columns} pixels, its compressed picture is "
            f"{size[0]} × {size[1]}."
        )
    require_size(*size)
    if frame.rfind(_END, -_TAIL) < 0:
        raise Refusal("its compressed pixels are cut short.")


def _jpeg_2000_size(stream: bytes) -> tuple[int, int, int]:
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    components, precision = struct.unpack_from(">HB", stream, 40)
    bits = (precision & 0x7F) + 1  # the highest bit says that values are signed
    if bits > _MOST_BITS:  # GDCM would end its process
        raise Refusal(f"its compressed picture has {bits} bits; an image has 8 to {_MOST_BITS}.")
    return bottom - top, right - left, components


def _jpeg_size(stream: bytes) -> tuple[int, int, int] | None:
    if not stream.startswith(_JPEG):
        return None
    place = 2
    while True:
        while stream[place] == 0xFF:  # fill bytes before a marker
            place += 1
        marker = stream[place]
        if marker in _FRAME_HEADERS:
            rows, columns, components = struct.unpack_from(">HHB", stream, place + 4)
            return rows, columns, components
        place += 1
        if marker not in _STANDALONE:
            (length,) = struct.unpack_from(">H", stream, place)
            place += length
        if stream[place] != 0xFF:
            return None
