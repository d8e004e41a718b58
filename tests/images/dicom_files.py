"""Real DICOM files to read, as they are or with a header that says chest."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from demo_images import DEMO, SHARED
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

DICOM = SHARED / "data" / "dicom"
PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
HTJ2K = Path(__file__).parent / "htj2k"


def manifest() -> list[dict[str, str]]:
    """The lines of the development DICOM files' manifest, [] where it is absent."""
    path = DICOM / "more" / "manifest.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def demo_image() -> np.ndarray:
    """A chest (rows, columns) uint8."""
    return np.asarray(Image.open(DEMO / "images" / "normal_001.jpeg").convert("L"))


def write_dicom(
    path: Path, stored: np.ndarray, syntax: UID = ExplicitVRLittleEndian, **header: Any
) -> Path:
    """A chest image with the given stored values; `header` adds or replaces attributes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.1"
    dataset = FileDataset(
        str(path), {}, b"\0" * 128, meta, syntax.is_implicit_VR, syntax.is_little_endian
    )
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = stored.shape[2] if stored.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    for name, value in header.items():
        setattr(dataset, name, value)
    if "BitsStored" in header:
        dataset.HighBit = dataset.BitsStored - 1
    if "PixelData" not in header:
        order = "<" if syntax.is_little_endian else ">"
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 or syntax.is_compressed else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


def as_chest(path: Path, copy: Path) -> Path:
    """A copy of any DICOM file whose header says that it is a chest radiograph."""
    dataset = pydicom.dcmread(path)
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.save_as(copy)
    return copy
