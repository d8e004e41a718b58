"""One PNG, JPEG or TIFF to grey pixels."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from amae_engine.images.decoded_image import DecodedImage, Refusal, cause, require_size
from amae_engine.images.deep_picture import (
    TIFF_SUFFIXES,
    is_more_than_pillow_reads,
    is_tiff,
    read_deep_picture,
)
from amae_engine.images.windowing import NO_WINDOW, stretch

logging.getLogger("PIL").setLevel(logging.INFO)  # its debugging lines hold a picture's tags

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
Stored = npt.NDArray[Any]
_CAMERA = "MPO"  # a JPEG with further pictures behind it (CIPA DC-007)
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_MOST_PAGES = 64
_NEW_SUBFILE_TYPE, _REDUCED = 254, 1  # of a TIFF's page: a smaller copy of another one


def read_picture(path: Path) -> tuple[DecodedImage, Stored]:
    """Decode one picture: 1, 8 or 16 bit, grey, RGB, RGBA or palette, EXIF rotation applied.

    Returns:
        The image with the facts of its file, and its grey values (rows, columns) as stored.

    Raises:
        Refusal: The file is no picture, is truncated, or has several frames.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            _choose_page(picture)
            require_size(picture.height, picture.width, len(picture.getbands()))
            is_cut = is_more_than_pillow_reads(path, picture)
            deep = picture.mode in _DEEP
            kind = f"{picture.format} {picture.mode}"
            white_is_zero = deep and _is_white_zero(picture)
            if not is_cut:
                ImageOps.exif_transpose(picture, in_place=True)
                values = np.asarray(picture if deep else _flat(picture))
        if is_cut:
            return _as_read(*read_deep_picture(path))
    except UnidentifiedImageError as error:
        if path.suffix.lower() in TIFF_SUFFIXES and is_tiff(path):
            return _as_read(*read_deep_picture(path))
        raise Refusal("not a picture that can be read (unknown format).") from error
    except Image.DecompressionBombError as error:
        raise Refusal("the picture is larger than any image.") from error
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise what they meet: struct.error, KeyError, …
        if isinstance(error, OSError) and error.errno:
            raise
        raise Refusal(f"the picture is damaged or cut short ({cause(error)}).") from error
    return _as_read(values, kind, white_is_zero)


def _as_read(values: Stored, kind: str, white_is_zero: bool = False) -> tuple[DecodedImage, Stored]:
    deep = values.dtype != np.uint8
    pixels = stretch(values) if deep else values
    image = DecodedImage(
        pixels=255 - pixels if white_is_zero else pixels,
        bits_stored=16 if deep else 8,
        photometric="MONOCHROME1" if white_is_zero else "MONOCHROME2",
        transfer_syntax=kind,
        flags=(NO_WINDOW,) if deep else (),
    )
    return image, values


def _choose_page(picture: Image.Image) -> None:
    """Go to the one picture of a file; smaller copies of it do not count.

    Raises:
        Refusal: There are several.
    """
    pages = getattr(picture, "n_frames", 1)
    if pages == 1:
        return
    sizes, whole = [], []
    for page in range(min(pages, _MOST_PAGES)):
        picture.seek(page)
        sizes.append(picture.width * picture.height)
        kind = getattr(picture, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)
        if not int(kind or 0) & _REDUCED:
            whole.append(page)
    if picture.format == _CAMERA:  # its first picture is the photograph
        whole = [page for page in whole if page == 0 or sizes[page] >= sizes[0]]
    if len(whole) != 1 or pages > _MOST_PAGES:
        raise Refusal(f"the picture has {pages} pages; export one image a file.")
    picture.seek(whole[0])


def _flat(picture: Image.Image) -> Image.Image:
    """8-bit grey, without a copy where it is; what is transparent becomes black."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(ground, rgba)
    return picture if picture.mode == "L" else picture.convert("L")


def _is_white_zero(picture: Image.Image) -> bool:
    """Whether a TIFF counts from white; Pillow turns such pictures of 8 bits only."""
    tags = getattr(picture, "tag_v2", {})
    return tags.get(ExifTags.Base.PhotometricInterpretation) == 0
