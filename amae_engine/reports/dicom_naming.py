"""DICOM objects that join a source's study: what names patient and study is the source's, to the letter.

What archives hold is often slightly off, or legal but more than highdicom takes (character sets of
several values). So objects are made for a stand-in that names nobody, and named afterwards.
"""

from __future__ import annotations

import logging
import unicodedata
import warnings
from collections.abc import Mapping
from typing import Any

import highdicom
from pydicom import config
from pydicom.dataset import Dataset

# its warnings quote odd values of a header
logging.getLogger("pydicom").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pydicom")

# what every object of a study says of its patient and its study, as the source writes it
_OF_SOURCE = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
    "StudyDescription",
)  # fmt: skip
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_OF_PICTURE = (
    "Rows", "Columns", "SOPClassUID", "Modality", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "PatientOrientation", "BurnedInAnnotation", "PatientIdentityRemoved",
    "DeidentificationMethod", "FrameOfReferenceUID", "PositionReferenceIndicator",
)  # fmt: skip
_UTF8 = "ISO_IR 192"


def stand_in(source: Dataset) -> Dataset:
    """A header like a source's that names nobody, for making objects: `named_as` gives them its names."""
    made = Dataset()
    for keyword in _OF_PICTURE:
        if keyword in source:
            made[keyword] = source[keyword]
    for keyword in _UIDS:
        setattr(made, keyword, highdicom.UID())
    for keyword in (*_OF_SOURCE, "Laterality"):
        setattr(made, keyword, "")
    made.file_meta = source.file_meta
    return made


def uids_of(stood_in: Dataset, source: Dataset) -> dict[str, str]:
    """The source's UID for each of a stand-in's; to be asked before an object is named."""
    return {str(stood_in[k].value): str(source.get(k, "")) for k in _UIDS}


def named_as(made: Dataset, uids: Mapping[str, str], source: Dataset) -> Dataset:
    """An object that was made for a stand-in, with the source's patient, study, UIDs and characters.

    Args:
        made: The object.
        uids: See `uids_of`.
        source: As its file says, to the letter.
    """
    own_text = source.get("SpecificCharacterSet") != _UTF8

    def rename(_dataset: Dataset, element: Any) -> None:
        if element.VR == "UI" and element.value in uids:
            element.value = uids[element.value]
        elif own_text and isinstance(element.value, str) and not element.value.isascii():
            element.value = _plain(element.value)  # a reader's name, say, in another alphabet

    with config.disable_value_validation():
        made.walk(rename)
        if "SpecificCharacterSet" in made:
            del made.SpecificCharacterSet
        for keyword in ("SpecificCharacterSet", *_OF_SOURCE):
            if keyword in source:
                made[keyword] = source[keyword]
    return made


def _plain(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text)
    return spread.encode("ascii", "ignore").decode("ascii") or "?"
