"""Images of the demo set as a hospital has them: in DICOM, with a patient's identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from demo_images import DEMO
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

NAME, BIRTH, ACCESSION = "Secretperson^Quentin", "19610203", "ACC-99133"
IDENTITIES = ("Secretperson", "Quentin", BIRTH, ACCESSION, "MRN-771")


def image(number: int) -> np.ndarray:
    """The demo set's image, 1 for the first."""
    paths = sorted((DEMO / "images").glob("*.jpeg"))
    return np.asarray(Image.open(paths[number - 1]).convert("L"))


def patient_id(number: int) -> str:
    """Of the patient of image `number`."""
    return f"MRN-771{number:04d}"


def write_dicom(folder: Path, number: int, **changes: object) -> Path:
    """One image, one study and one patient a number; dated 2024-01-01 and the days after."""
    uid = f"1.2.826.0.1.3680043.8.498.{number}"
    is_cr = number % 2 == 0
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = (
        ComputedRadiographyImageStorage if is_cr else DigitalXRayImageStorageForPresentation
    )
    data.SOPInstanceUID, data.SeriesInstanceUID, data.StudyInstanceUID = (
        f"{uid}.3", f"{uid}.2", f"{uid}.1",
    )  # fmt: skip
    data.PatientName, data.PatientID, data.PatientBirthDate = NAME, patient_id(number), BIRTH
    data.AccessionNumber, data.StudyID = ACCESSION, ""
    data.StudyDate, data.StudyTime = f"202401{number:02d}", "120000"
    data.SeriesNumber, data.InstanceNumber = 1, 1
    data.Modality, data.ViewPosition = "CR" if is_cr else "DX", "PA"
    data.BodyPartExamined = "CHEST"
    pixels = image(number)
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        data.SOPClassUID, data.SOPInstanceUID,
    )  # fmt: skip
    path = folder / f"{number}-{data.SOPInstanceUID}.dcm"
    data.save_as(path, enforce_file_format=True)
    return path
