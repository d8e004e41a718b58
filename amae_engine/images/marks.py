"""Regions that others marked: boxes in a table, masks as pictures, DICOM segmentations."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import Outline, mask_outlines

_PICTURES = (".png", ".bmp", ".tif", ".tiff")
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # SEG, label map
Box = tuple[float, float, float, float]  # left, top, width, height in pixels of the original


@dataclass(frozen=True, slots=True)
class Marked:
    """What is marked on one image.

    Attributes:
        key: What names the image: the end of its path, its name without a suffix, or a SOP UID.
        is_sop: Whether the key is a SOP instance UID.
        boxes: In pixels of the original, each with its label and the line that it came from.
        outlines: In shares of the image, each with its label.
    """

    key: str
    is_sop: bool = False
    boxes: tuple[tuple[Box, str, int], ...] = ()
    outlines: tuple[tuple[Outline, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Of a table of boxes: who the image is, the corner, and the size or the other corner."""

    key: str
    x: str
    y: str
    right: str
    bottom: str
    are_sizes: bool
    label: str = ""


_TABLES = (
    _Columns("file", "x", "y", "width", "height", are_sizes=True),
    _Columns("patientId", "x", "y", "width", "height", are_sizes=True),  # RSNA
    _Columns("image_id", "x_min", "y_min", "x_max", "y_max", False, "class_name"),  # VinDr-CXR
)


def read_marks(source: Path) -> list[Marked]:
    """What is marked, by image.

    Args:
        source: A CSV table of boxes (its own columns file, x, y, width, height, or RSNA's or
            VinDr-CXR's), a folder of mask pictures (a mask has its image's name, and is black where
            nothing is), a DICOM segmentation, or a folder of those.

    Raises:
        BadInput: It cannot be read; the message says what and where.
    """
    if not source.exists():
        raise BadInput(f"{source.name} is not there.")
    if source.suffix.lower() in (".csv", ".tsv", ".txt"):
        return _boxes(source)
    files = sorted(f for f in source.rglob("*") if f.is_file()) if source.is_dir() else [source]
    found = [_one_file(file) for file in files]
    marked = [each for each in found if each is not None]
    if not marked:
        raise BadInput(
            f"{source.name} holds no marks: give a table of boxes (CSV), mask pictures (PNG) or DICOM "
            f"segmentations."
        )
    return marked


def ending(path: str) -> str:
    """The last folder and the name of a file."""
    return "/".join(PurePosixPath(path.replace("\\", "/")).parts[-2:])


def _one_file(path: Path) -> Marked | None:
    if path.suffix.lower() in _PICTURES:
        return _mask(path)
    with path.open("rb") as file:
        is_dicom = file.read(132)[128:] == b"DICM"
    return _segmentation(path) if is_dicom else None


def _mask(path: Path) -> Marked:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            mask = np.asarray(picture.convert("L")) > 0
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"{path.name} cannot be read as a mask.") from error
    return Marked(path.stem, outlines=tuple((each, "") for each in mask_outlines(mask)))


def _segmentation(path: Path) -> Marked | None:
    """A DICOM segmentation of one image; None for another DICOM file.

    Raises:
        BadInput: It is damaged, or does not say of which one image it is.
    """
    import pydicom

    try:
        dataset = pydicom.dcmread(path)
        if dataset.get("SOPClassUID") not in _SEGMENTATIONS:
            return None
        sops = {
            str(item.ReferencedSOPInstanceUID)
            for series in dataset.get("ReferencedSeriesSequence", [])
            for item in series.get("ReferencedInstanceSequence", [])
        }
        masks = list(_segments(dataset))
    except BadInput:
        raise
    except Exception as error:  # pydicom converts a value when it is asked for: anything can come
        raise BadInput(
            f"{path.name}: the segmentation is damaged ({type(error).__name__})."
        ) from error
    if len(sops) != 1:
        raise BadInput(
            f"{path.name}: the segmentation is of {len(sops)} images; one of a single image is needed."
        )
    outlines = tuple((each, label) for label, mask in masks for each in mask_outlines(mask))
    return Marked(sops.pop(), is_sop=True, outlines=outlines)


def _segments(dataset: object) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Each segment's label and its mask (H, W); a fractional one from half upwards."""
    from pydicom.dataset import Dataset

    assert isinstance(dataset, Dataset)
    frames = np.asarray(dataset.pixel_array)
    frames = frames[None] if frames.ndim == 2 else frames
    labels = {int(s.SegmentNumber): str(s.get("SegmentLabel", "")) for s in dataset.SegmentSequence}
    if dataset.get("SegmentationType") == "LABELMAP":
        for number, label in labels.items():
            if number:
                yield label, (frames == number).any(axis=0)
        return
    half = 0.5 * int(dataset.get("MaximumFractionalValue", 1))
    shared = dataset.get("SharedFunctionalGroupsSequence", [Dataset()])[0]
    for frame, item in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        owner = item if "SegmentIdentificationSequence" in item else shared
        number = int(owner.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        yield labels.get(number, ""), frame >= half


def _boxes(table: Path) -> list[Marked]:
    found: dict[str, list[tuple[Box, str, int]]] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            names = lines.fieldnames or ()
            known = [c for c in _TABLES if {c.key, c.x, c.y, c.right, c.bottom} <= set(names)]
            if not known:
                wanted = " or ".join(
                    ", ".join((c.key, c.x, c.y, c.right, c.bottom)) for c in _TABLES
                )
                raise BadInput(f"{table.name} needs the columns {wanted}.")
            for number, line in enumerate(lines, start=2):
                key = ending(line[known[0].key] or "")
                boxes = found.setdefault(key, [])
                box = _box(line, known[0], f"{table.name}, line {number}")
                if box is not None:
                    boxes.append(
                        (box, (line.get(known[0].label) or "") if known[0].label else "", number)
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "it is no table in UTF-8"
        raise BadInput(f"{table.name} cannot be read ({why}).") from error
    return [Marked(key, boxes=tuple(boxes)) for key, boxes in found.items()]


def _box(line: dict[str, str], columns: _Columns, place: str) -> Box | None:
    """A line's box; None where it says that the image has none."""
    texts = [line.get(name) or "" for name in (columns.x, columns.y, columns.right, columns.bottom)]
    if all(text.strip().lower() in ("", "nan") for text in texts):
        return None
    try:
        x, y, right, bottom = map(float, texts)
    except ValueError:
        raise BadInput(f"{place}: a box must have four numbers of pixels.") from None
    width, height = (right, bottom) if columns.are_sizes else (right - x, bottom - y)
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise BadInput(f"{place}: the box has no size.")
    return x, y, width, height
