"""One DICOM file to an image: header, decoder, shades."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_color_lut, pixel_array

from amae_engine.images.codestream import codestream, end_of, require_whole
from amae_engine.images.decoded_image import (
    UNCLEAR_HEADER,
    DecodedImage,
    Refusal,
    Spacing,
    cause,
    require_size,
)
from amae_engine.images.dicom_header import is_unclear, normalise, read_dataset, text_of
from amae_engine.images.header_words import (
    chest_words,
    code_text,
)
from amae_engine.images.jpeg_extended import decode_jpeg_extended
from amae_engine.images.subject_facts import facts_of_header
from amae_engine.images.voi import decimals
from amae_engine.images.windowing import GreyScale, grey_scale, picture_scale

_VIEWS = ("PA", "AP", "LLD", "RLD")  # what else stands there may be anything
_GREY = ("MONOCHROME1", "MONOCHROME2")
DECODERS = {  # the fastest and strictest of each; pydicom would take GDCM first
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "gdcm",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "gdcm",
    uid.JPEG2000: "gdcm",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
}
_JPEGS = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)

Bytes = npt.NDArray[np.uint8]


def read_dicom(path: Path, all_windows: bool = False) -> tuple[DecodedImage, GreyScale]:
    """Decode one radiograph.

    Args:
        path: The file.
        all_windows: For a reader to choose from; the first alone is for the store.

    Returns:
        The image by its first window with the facts of its file, and its full depth.

    Raises:
        Refusal: The file is broken, has no pixels, or is no frontal chest radiograph.
    """
    try:
        dataset = read_dataset(path)
        normalise(dataset)
        unclear = is_unclear(dataset)
        _require_pixels(dataset)
        image = _facts(dataset)
        if unclear:
            image = replace(image, flags=(UNCLEAR_HEADER, *image.flags))
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # pydicom converts a value when it is asked for: anything can come
        if isinstance(error, OSError) and error.errno:
            raise
        raise Refusal(f"its DICOM header is damaged ({type(error).__name__}).") from error
    scale = _grey(dataset, _decoded(dataset), all_windows)
    return replace(image, pixels=scale.picture(), flags=(*scale.flags, *image.flags)), scale


def read_header(path: Path) -> FileDataset:
    """All that a DICOM file says but its pixels, the identity too: for objects that go back to its PACS."""
    return pydicom.dcmread(path, stop_before_pixels=True)


def _facts(dataset: FileDataset) -> DecodedImage:
    """What the header says of an image whose pixels are still to come."""
    view = text_of(dataset, "ViewPosition").upper()
    burnt_in = text_of(dataset, "BurnedInAnnotation").upper() == "YES"
    return DecodedImage(
        pixels=np.empty((0, 0), dtype=np.uint8),
        bits_stored=int(dataset.get("BitsStored", 8)),
        photometric=text_of(dataset, "PhotometricInterpretation"),
        modality=code_text(dataset.get("Modality", ""))[:16],
        view=view if view in _VIEWS else "",
        body_part=" ".join(chest_words(text_of(dataset, "BodyPartExamined"))),
        transfer_syntax=dataset.file_meta.TransferSyntaxUID.name[:64],
        spacing=_spacing(dataset),
        sides=_sides(dataset),
        patient=text_of(dataset, "PatientID") or text_of(dataset, "PatientName"),
        study=text_of(dataset, "StudyInstanceUID"),
        sop=text_of(dataset, "SOPInstanceUID"),
        flags=("burnt-in-text",) if burnt_in else (),
        facts=facts_of_header(dataset),
    )


def _require_pixels(dataset: FileDataset) -> None:
    if "PixelData" not in dataset:
        raise Refusal("the file has no pixel data, or ends before it.")
    rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
    require_size(rows, columns, int(dataset.get("SamplesPerPixel", 1)))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise Refusal(f"the file holds {frames} frames; export the image you want on its own.")
    dataset.NumberOfFrames = 1  # it can be empty, or 0
    bits = int(dataset.get("BitsStored", 0))
    if not 1 <= bits <= 16:
        raise Refusal(f"its pixels have {bits} bits; an image has 8 to 16.")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in DECODERS:
        frame = _frame(dataset)
        end = end_of(frame, require_whole(frame, rows, columns))
        if end != len(frame):  # decoders take padding for pixels
            dataset.PixelData = encapsulate([frame[:end]])
    elif not syntax.is_compressed:  # PS3.5 8.1.1: older files have padding behind
        whole = rows * columns * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8
        if len(dataset.PixelData) > whole + 1:
            dataset.PixelData = dataset.PixelData[: whole + whole % 2]


def _is_for_pydicom(dataset: FileDataset) -> bool:
    return bool(
        dataset.BitsStored <= 8 or dataset.PixelRepresentation or dataset.SamplesPerPixel > 1
    )


def _frame(dataset: FileDataset) -> bytes:
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def _decoded(dataset: FileDataset) -> npt.NDArray[Any]:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if syntax == uid.JPEGExtended12Bit and not _is_for_pydicom(dataset):
            return decode_jpeg_extended(
                _frame(dataset), dataset.Rows, dataset.Columns, dataset.BitsStored
            )
        if syntax in DECODERS or _shift(dataset) == 0:
            return _by_header_sign(
                dataset, pixel_array(dataset, decoding_plugin=DECODERS.get(syntax, ""))
            )
        raw = pixel_array(dataset, decoding_plugin="", correct_unused_bits=False)
        return _from_high_bit(raw, int(dataset.BitsStored), _shift(dataset))
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # every decoder has its own
        raise Refusal(
            f"its pixels cannot be decoded ({cause(error)}); transfer syntax {syntax.name[:64]}."
        ) from error


def _by_header_sign(dataset: FileDataset, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values whose compressed stream has a sign that the header denies: the same bits without it."""
    bits = int(dataset.BitsStored)
    if dataset.PixelRepresentation or values.dtype != np.uint16 or int(values.max()) >> bits == 0:
        return values
    stream = (
        codestream(_frame(dataset)) if dataset.file_meta.TransferSyntaxUID in DECODERS else None
    )
    return (
        values & np.uint16((1 << bits) - 1) if stream is not None and stream.is_signed else values
    )


def _shift(dataset: FileDataset) -> int:
    """How many bits below the stored ones are unused (PS3.5 8.1.1 let the high bit be anywhere)."""
    bits = int(dataset.BitsStored)
    high = int(dataset.get("HighBit", bits - 1))
    return max(0, min(high, int(dataset.BitsAllocated) - 1) + 1 - bits)


def _from_high_bit(raw: npt.NDArray[Any], bits: int, shift: int) -> npt.NDArray[Any]:
    """Values of `bits` that lie `shift` bits up in their words; signed ones keep their sign."""
    words = raw.astype(np.int64) >> shift & (1 << bits) - 1
    if raw.dtype.kind == "i":
        words -= (words >> bits - 1) << bits
    found: npt.NDArray[Any] = words.astype(raw.dtype)
    return found


def _grey(dataset: FileDataset, stored: npt.NDArray[Any], all_windows: bool) -> GreyScale:
    photometric = text_of(dataset, "PhotometricInterpretation")
    bits = int(dataset.get("BitsStored", 8))
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        stored, bits = _through_palette(dataset, stored), 16  # tables have 8 bits or 16
    if stored.ndim == 3 and stored.shape[-1] in (3, 4):
        deep = stored.dtype.itemsize > 1 and int(stored.max()) > 255
        eight = (stored >> max(bits - 8, 0) if deep else stored)[..., :3].astype(np.uint8)
        if _is_luminance_first(dataset, eight):
            grey = np.ascontiguousarray(eight[..., 0])
        else:
            grey = np.array(Image.fromarray(np.ascontiguousarray(eight)).convert("L"))
        return replace(picture_scale(grey), flags=("colour",))
    if stored.ndim != 2 or photometric not in _GREY:
        raise Refusal(f"photometric interpretation {photometric[:16]} is not a grey image.")
    try:
        return grey_scale(stored, dataset, all_windows)
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # a look-up table or a window that is no number
        raise Refusal(f"its grey scale is damaged ({type(error).__name__}).") from error


def _is_luminance_first(dataset: FileDataset, colours: Bytes) -> bool:
    """Whether what is labelled RGB is luminance and colour, in a JPEG that does not say which.

    Components of different sizes prove it; else a radiograph's own do: its colours are next to none.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _JPEGS or text_of(dataset, "PhotometricInterpretation") != "RGB":
        return False
    stream = codestream(_frame(dataset))
    if stream is None or stream.names_colours:
        return False
    first, second, third = (colours[..., n].astype(np.int16) for n in range(3))
    from_grey = np.abs(second - 128).mean() + np.abs(third - 128).mean()
    from_first = np.abs(second - first).mean() + np.abs(third - first).mean()
    return stream.is_subsampled or bool(from_grey < from_first)


def _through_palette(dataset: FileDataset, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    try:
        return apply_color_lut(stored, dataset)
    except Exception as error:  # its tables can be missing, short or of any type
        raise Refusal(f"its palette is damaged ({type(error).__name__}).") from error


def _spacing(dataset: FileDataset) -> Spacing | None:
    for tag in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = decimals(dataset, tag)[:2]
        if len(found) == 2 and all(math.isfinite(mm) and mm > 0 for mm in found):
            return Spacing(found[0], found[1], tag)
    return None


def _sides(dataset: FileDataset) -> tuple[str, str]:
    """Which side of the patient is at the left and at the right of the image; "" is unknown."""
    toward = text_of(dataset, "PatientOrientation").upper().replace("[", "").replace("'", "")[:1]
    return {"L": ("R", "L"), "R": ("L", "R")}.get(toward, ("", ""))
