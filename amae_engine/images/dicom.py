"""One DICOM file to grey pixels: modality LUT → VOI → MONOCHROME1 (PS3.4 N.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi, apply_windowing

from amae_engine.images.film import Film, Refusal, require_size, robust_range, to_bytes

_RADIOGRAPHS = ("CR", "DX", "RF", "")
_CHEST_WORDS = ("CHEST", "THORAX", "LUNG", "RIB", "TORSO")
_LATERAL = ("LL", "RL", "LATERAL", "LAT", "LLO", "RLO")
_LARGEST_TABLE = 1 << 16
_GREY = ("MONOCHROME1", "MONOCHROME2")

Floats = npt.NDArray[np.float64]


def read_dicom(path: Path) -> Film:
    """Decode one radiograph.

    Raises:
        Refusal: The file is broken, has no pixels, or is no frontal chest radiograph.
    """
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        dataset = _read_without_meta(path)
    except (OSError, EOFError, ValueError, AttributeError, NotImplementedError) as error:
        raise Refusal(f"the DICOM header cannot be read ({_first_line(error)}).") from error
    _require_radiograph(dataset)
    _require_pixels(dataset)
    values, flags = _grey_values(dataset)
    return Film(
        pixels=values,
        bits_stored=int(dataset.get("BitsStored", 8)),
        photometric=str(dataset.get("PhotometricInterpretation", "")),
        modality=_text(dataset, "Modality"),
        view=_text(dataset, "ViewPosition").upper(),
        body_part=_text(dataset, "BodyPartExamined").upper()[:32],
        transfer_syntax=_transfer_syntax(dataset),
        pixel_spacing_mm=_spacing(dataset),
        patient=_text(dataset, "PatientID") or _text(dataset, "PatientName"),
        study=_text(dataset, "StudyInstanceUID"),
        sop=_text(dataset, "SOPInstanceUID"),
        flags=flags,
    )


def _read_without_meta(path: Path) -> FileDataset:
    """A file without preamble or meta header, if what is inside still looks like a film."""
    with path.open("rb") as file:
        start = file.read(132)
    if not start:
        raise Refusal("the file is empty.")
    try:
        dataset = pydicom.dcmread(path, force=True)
        plausible = "Rows" in dataset and "SOPClassUID" in dataset
    except Exception as error:
        raise Refusal(f"not a DICOM file ({_first_line(error)}).") from error
    if not plausible:
        raise Refusal("not a DICOM file (no DICOM header); if it is a picture, rename it.")
    return dataset


def _require_radiograph(dataset: FileDataset) -> None:
    modality = _text(dataset, "Modality")
    if modality not in _RADIOGRAPHS:
        raise Refusal(f"modality {modality} is not a chest radiograph (CR or DX).")
    part = _text(dataset, "BodyPartExamined").upper()
    if part and not any(word in part for word in _CHEST_WORDS):
        raise Refusal(f"body part {part} is not a chest.")
    if _text(dataset, "ViewPosition").upper() in _LATERAL:
        raise Refusal("the view is lateral; AMAE reads frontal chest films.")
    if "LOCALIZER" in [str(v).upper() for v in dataset.get("ImageType", [])]:
        raise Refusal("the image is a localizer, not a film.")
    if "VETERINARY" in _text(dataset, "PatientSpeciesDescription").upper() or (
        _text(dataset, "PatientSpeciesDescription").upper() not in ("", "HOMO SAPIENS", "HUMAN")
    ):
        raise Refusal("the patient is not human (Patient Species Description).")


def _require_pixels(dataset: FileDataset) -> None:
    if "PixelData" not in dataset:
        raise Refusal("the file has no pixel data.")
    require_size(int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0)))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise Refusal(f"the file holds {frames} frames; export the film you want on its own.")


def _grey_values(dataset: FileDataset) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    try:
        stored = dataset.pixel_array
    except MemoryError:
        raise
    except Exception as error:
        raise Refusal(
            f"its pixels cannot be decoded ({_first_line(error)}); transfer syntax "
            f"{_transfer_syntax(dataset)}."
        ) from error
    if stored.ndim == 3 and stored.shape[-1] in (3, 4):
        return _grey_of_colour(stored), ("colour",)
    if stored.ndim != 2:
        raise Refusal(f"its pixels have the shape {stored.shape}; a film has rows and columns.")
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric not in _GREY:
        raise Refusal(f"photometric interpretation {photometric} is not a grey film.")
    values, flags = _windowed(dataset, stored)
    if _is_inverse(dataset, photometric):
        values = 255 - values
    return values, flags


def _windowed(
    dataset: FileDataset, stored: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Grey values by a table of every stored value: a film has 4 million pixels, 4,096 values."""
    padding = _padding(dataset, stored)
    lowest = int(stored.min())
    span = int(stored.max()) - lowest + 1
    if stored.dtype.kind not in "iu" or span > _LARGEST_TABLE:
        raise Refusal(f"its pixels are {stored.dtype} over {span} values; a film has 8 to 16 bits.")
    codes = (stored - lowest).astype(np.uint16) if lowest else stored.astype(np.uint16, copy=False)
    counts = np.bincount(codes.ravel(), minlength=span)
    flags: tuple[str, ...] = ()
    if padding is not None and padding.any():
        flags = ("padding",)
        if not padding.all():
            counts = np.bincount(codes[~padding], minlength=span)
    domain = np.arange(lowest, lowest + span, dtype=stored.dtype)
    table, has_window = _shades(dataset, domain, counts, padding is None)
    film = table.take(codes)
    if flags:
        inverse = _is_inverse(dataset, str(dataset.PhotometricInterpretation))
        film[padding] = 255 if inverse else 0  # black, once the film is turned
    return film, flags if has_window else (*flags, "no-window")


def _shades(
    dataset: FileDataset,
    domain: npt.NDArray[Any],
    counts: npt.NDArray[np.intp],
    unpadded: bool,
) -> tuple[npt.NDArray[np.uint8], bool]:
    """What each stored value (n,) is shown as, 0…255, and whether the file says so itself."""
    values = np.asarray(apply_modality_lut(domain, dataset))
    if "VOILUTSequence" in dataset:
        shown = np.asarray(apply_voi(values, dataset, index=0), dtype=np.float64)
    elif "WindowCenter" in dataset and "WindowWidth" in dataset:
        floats = values.astype(np.float64)
        shown = np.asarray(apply_windowing(floats, dataset, index=0), dtype=np.float64)
    elif int(dataset.get("BitsStored", 8)) == 8 and unpadded:
        return to_bytes(values.astype(np.float64), 0.0, 255.0), True
    else:
        low, high = robust_range(values.astype(np.float64), counts)
        return to_bytes(values.astype(np.float64), low, high), False
    seen = shown[counts > 0]
    return to_bytes(shown, float(seen.min()), float(seen.max())), True


def _padding(dataset: FileDataset, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Pixels outside the film (PS3.3 C.7.5.1.1.2), None where the file names none."""
    if "PixelPaddingValue" not in dataset:
        return None
    first = int(dataset.PixelPaddingValue)
    last = int(dataset.get("PixelPaddingRangeLimit", first))
    return (stored >= min(first, last)) & (stored <= max(first, last))


def _is_inverse(dataset: FileDataset, photometric: str) -> bool:
    shape = _text(dataset, "PresentationLUTShape").upper()
    return photometric == "MONOCHROME1" if shape in ("", "IDENTITY") else shape == "INVERSE"


def _grey_of_colour(stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    grey: npt.NDArray[np.uint8] = np.rint(stored[..., :3].mean(axis=-1)).astype(np.uint8)
    return grey


def _spacing(dataset: FileDataset) -> float | None:
    found = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    try:
        return float(found[0]) if found else None
    except (TypeError, ValueError):
        return None


def _transfer_syntax(dataset: FileDataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    uid = getattr(meta, "TransferSyntaxUID", None)
    return uid.name[:64] if uid is not None else "unknown"


def _text(dataset: FileDataset, name: str) -> str:
    return str(dataset.get(name, "") or "").strip()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
