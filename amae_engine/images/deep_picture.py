"""Pictures that Pillow does not read at their depth: 16 bits in several channels, float64 TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from amae_engine.images.decoded_image import Refusal, cause, require_size

TIFF_SUFFIXES = (".tif", ".tiff")
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # bytes of a PNG (ISO/IEC 15948, 11.2.2)
_GREY_PNG = 0
_BITS, _SAMPLES, _ALPHA_KINDS = (
    258,
    277,
    (1, 2),
)  # TIFF tags; kinds of an extra sample that is alpha
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow weighs

Stored = npt.NDArray[Any]


def is_more_than_pillow_reads(path: Path, picture: Image.Image) -> bool:
    """Whether Pillow would cut the values of an opened picture to their upper 8 bits."""
    if picture.format == "PNG":
        with path.open("rb") as file:
            head = file.read(_PNG_COLOUR + 1)
        return head[_PNG_DEPTH] == 16 and head[_PNG_COLOUR] != _GREY_PNG
    tags = getattr(picture, "tag_v2", {})
    bits = tags.get(_BITS, (8,))
    deepest = max(bits) if isinstance(bits, tuple) else bits
    return picture.format == "TIFF" and deepest > 8 and int(tags.get(_SAMPLES, 1)) > 1


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_deep_picture(path: Path) -> tuple[Stored, str]:
    """The grey values (rows, columns) of one picture, of 8 or 16 bits or float, and its kind.

    What is transparent becomes black.

    Raises:
        Refusal: The picture cannot be decoded, or has several pages.
    """
    try:
        return _png(path) if path.suffix.lower() == ".png" else _tiff(path)
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # the decoders raise what they meet
        if isinstance(error, OSError) and error.errno:
            raise
        raise Refusal(f"the picture is damaged or cut short ({cause(error)}).") from error


def _png(path: Path) -> tuple[Stored, str]:
    from imagecodecs import png_decode

    values = png_decode(path.read_bytes())
    channels = values.shape[2] if values.ndim == 3 else 1
    return _grey(values, channels in (2, 4)), f"PNG {channels} × 16 bits"


def _tiff(path: Path) -> tuple[Stored, str]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        pages = [page for page in file.pages if not getattr(page, "is_reduced", False)]
        if len(pages) != 1:
            raise Refusal(f"the picture has {len(pages)} pages; export one image a file.")
        page = pages[0].aspage()
        samples = int(page.samplesperpixel)
        require_size(page.imagelength, page.imagewidth, samples)
        values = page.asarray()
        if samples > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            values = np.moveaxis(values, 0, -1)
        alpha = any(int(kind) in _ALPHA_KINDS for kind in page.extrasamples)
        grey = _grey(values, alpha)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            grey = grey.max() - grey
        return grey, f"TIFF {samples} × {values.dtype.itemsize * 8} bits"


def _grey(values: Stored, has_alpha: bool) -> Stored:
    """One value a pixel of (rows, columns[, channels])."""
    if values.ndim == 2:
        return values
    if values.ndim != 3:
        raise Refusal("the picture is no single grey or colour image.")
    shown, rest = (values[..., :-1], values[..., -1]) if has_alpha else (values, None)
    if shown.shape[-1] not in (1, 3):
        raise Refusal(f"the picture has {values.shape[-1]} channels; an image has 1 or 3.")
    weights = _LUMINANCE if shown.shape[-1] == 3 else (1.0,)
    grey = shown.astype(np.float64) @ np.array(weights)
    if rest is not None and values.dtype.kind == "u":
        grey *= rest / float(np.iinfo(values.dtype).max)
    return np.rint(grey).astype(values.dtype) if values.dtype.kind in "iu" else grey
