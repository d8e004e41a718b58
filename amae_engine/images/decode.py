"""One file of any kind to an image ready for the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from amae_engine.images.decoded_image import DecodedImage, Refusal
from amae_engine.images.dicom import read_dicom
from amae_engine.images.fingerprints import Hash, difference_hash
from amae_engine.images.picture import SUFFIXES, read_picture
from amae_engine.images.pixel_store import to_store_size
from amae_engine.images.plausibility import look_at
from amae_engine.images.windowing import GreyScale, picture_scale

DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
T = TypeVar("T")
INVERSE = "MONOCHROME1"
_LONGEST_FIRST = 1 << 10  # bytes of a first element's value
_NEARLY_CONSTANT = 2.0  # standard deviation in grey levels


@dataclass(frozen=True, slots=True)
class IncomingImage:
    """An image at the store's size with the facts of its file.

    Attributes:
        image: Its `pixels` are (S, S) uint8.
        rows, columns: Of the original.
        pixel_hash: SHA-256 of the original's decoded size and pixels.
        fingerprint: The difference hash of the image at the store's size.
    """

    image: DecodedImage
    rows: int
    columns: int
    pixel_hash: str
    fingerprint: Hash


def is_image_file(path: Path) -> bool:
    """Whether a file's name or first bytes say that it may hold an image."""
    if path.suffix.lower() in (*SUFFIXES, *DICOM_SUFFIXES):
        return True
    return path.name.upper() != "DICOMDIR" and (_has_dicom_mark(path) or _begins_as_dataset(path))


def read_image(path: Path) -> DecodedImage:
    """Decode one file at its own size.

    Raises:
        Refusal: Why this file cannot be imported.
    """
    return _read(path, read_picture, read_dicom)[0]


def read_full_depth(path: Path) -> tuple[DecodedImage, GreyScale]:
    """Decode one file at its own size and depth, with every window that a reader can choose.

    Raises:
        Refusal: Why this file cannot be read.
    """

    def picture(path: Path) -> tuple[DecodedImage, GreyScale]:
        image, stored = read_picture(path)
        return image, replace(picture_scale(stored), is_inverse=image.photometric == INVERSE)

    return _read(path, picture, partial(read_dicom, all_windows=True))


def _read(
    path: Path,
    picture: Callable[[Path], tuple[DecodedImage, T]],
    dicom: Callable[[Path], tuple[DecodedImage, T]],
) -> tuple[DecodedImage, T]:
    if not path.is_file():
        raise Refusal("the file is missing.")
    try:
        is_picture = path.suffix.lower() in SUFFIXES and not _has_dicom_mark(path)
        return picture(path) if is_picture else dicom(path)
    except OSError as error:  # its text would name the path
        raise Refusal(f"it cannot be read ({error.strerror or type(error).__name__}).") from error
    except MemoryError as error:
        raise Refusal("it needs more memory than there is.") from error


def pixel_digest(pixels: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of an image's size and pixels (rows, columns): what it is recognised by."""
    rows, columns = pixels.shape
    digest = hashlib.sha256(f"{rows}x{columns}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def read_for_store(path: Path, side: int) -> IncomingImage:
    """Decode one file and bring it to the store's size.

    Raises:
        Refusal: Why this file cannot be imported.
    """
    image = read_image(path)
    rows, columns = image.pixels.shape
    if (
        float(image.pixels[:: max(1, rows // 256), :: max(1, columns // 256)].std())
        < _NEARLY_CONSTANT
    ):
        raise Refusal("the image is empty (all its pixels are nearly the same).")
    small = to_store_size(image.pixels, side)
    # DICOM wants a modality; a picture's file cannot have one
    is_silent = bool(image.sop) and not (image.modality or image.body_part)
    flags = (*image.flags, *look_at(to_store_size(small), not is_silent))
    return IncomingImage(
        image=replace(image, pixels=small, flags=flags),
        rows=rows,
        columns=columns,
        pixel_hash=pixel_digest(image.pixels),
        fingerprint=difference_hash(small),
    )


def _begins_as_dataset(path: Path) -> bool:
    """Whether a file begins with a DICOM element of group 2 or 8: one without preamble."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False
    if len(head) < 8 or head[:2] not in (b"\x02\0", b"\x08\0") or head[3] != 0:
        return False
    has_vr = head[4:6].isalpha() and head[4:6].isupper()
    return has_vr or int.from_bytes(head[4:8], "little") < _LONGEST_FIRST


def _has_dicom_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
