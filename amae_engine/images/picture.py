"""One PNG, JPEG or TIFF to grey pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from amae_engine.images.film import Film, Refusal, require_size, robust_range, to_bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


def read_picture(path: Path) -> Film:
    """Decode one picture: 1, 8 or 16 bit, grey, RGB, RGBA or palette, EXIF rotation applied.

    Raises:
        Refusal: The file is no picture, is truncated, or has several frames.
    """
    try:
        with Image.open(path) as picture:
            require_size(picture.height, picture.width)
            pages = getattr(picture, "n_frames", 1)
            if pages > 1:
                raise Refusal(f"the picture has {pages} pages; export one film a file.")
            deep = picture.mode in _DEEP
            kind = f"{picture.format} {picture.mode}"
            upright = ImageOps.exif_transpose(picture)
            values = np.asarray(upright if deep else _flat(upright))
    except UnidentifiedImageError as error:
        raise Refusal("not a picture that can be read (unknown format).") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, Refusal):
            raise
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(f"the picture is damaged or cut short ({first}).") from error
    flags: tuple[str, ...] = ()
    if deep:
        low, high = robust_range(*np.unique(values.astype(np.float64), return_counts=True))
        values, flags = to_bytes(values.astype(np.float64), low, high), ("no-window",)
    return Film(
        pixels=np.array(values, dtype=np.uint8),
        bits_stored=16 if deep else 8,
        photometric="MONOCHROME2",
        transfer_syntax=kind,
        flags=flags,
    )


def _flat(picture: Image.Image) -> Image.Image:
    """8-bit grey; what is transparent becomes black."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(ground, rgba)
    return picture.convert("L")
