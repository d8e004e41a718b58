"""A DICOM file's header: read, put into the standard's words, and judged by what it says."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import config, uid
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from amae_engine.images.decoded_image import MOST_BYTES, Refusal
from amae_engine.images.header_words import (
    Said,
    chest_modality,
    chest_part,
    code_text,
    human,
    is_lateral,
    other_part,
)

# pydicom's warnings on odd values print the value, which may be a name
config.settings.reading_validation_mode = config.IGNORE

_PIECE = 1 << 22  # bytes inflated at a time
_SYNTAX_OF_ENCODING = {  # (implicit VR, little endian), for files without a meta header
    (True, True): uid.ImplicitVRLittleEndian,
    (False, True): uid.ExplicitVRLittleEndian,
    (False, False): uid.ExplicitVRBigEndian,
}


def read_dataset(path: Path) -> FileDataset:
    """All of a file, with a transfer syntax; without preamble or meta header if need be."""
    size = path.stat().st_size
    if size == 0:
        raise Refusal("the file is empty.")
    if size > MOST_BYTES:
        raise Refusal(f"the file has {size // 1_000_000} MB, more than any image.")
    content = BytesIO(path.read_bytes())  # it gives no more than there is, whatever a length says
    _require_moderate_inflation(content.getvalue())
    try:
        dataset = pydicom.dcmread(content)
    except InvalidDicomError:
        content.seek(0)
        dataset = pydicom.dcmread(content, force=True)
        if "Rows" not in dataset or "SOPClassUID" not in dataset:
            raise Refusal(
                "not a DICOM file (no DICOM header); if it is a picture, rename it."
            ) from None
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = _SYNTAX_OF_ENCODING[
            bool(implicit), little is not False
        ]
    return dataset


def normalise(dataset: FileDataset) -> None:
    """Write what decoding goes by as the standard does: codes in capitals, without spaces around."""
    for name in ("PhotometricInterpretation", "PresentationLUTShape", "VOILUTFunction"):
        if name in dataset:
            setattr(dataset, name, code_text(dataset.get(name)))
    for name, usual in (("SamplesPerPixel", 1), ("PixelRepresentation", 0)):
        if dataset.get(name) is None:  # every file should say so
            setattr(dataset, name, usual)
    if dataset.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit:
        # its samples have 8 bits, whatever an allocation of 16 says
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7


def is_unclear(dataset: FileDataset) -> bool:
    """Whether nothing in the header says clearly what the image shows; a reader has to.

    Raises:
        Refusal: It says that the image is something else.
    """
    modality, part = text_of(dataset, "Modality"), text_of(dataset, "BodyPartExamined")
    is_chest = chest_part(part)
    if is_chest is Said.NO:
        raise Refusal(f"body part {other_part(part)} is not a chest.")
    is_radiograph = chest_modality(modality, is_chest)
    if is_radiograph is Said.NO:
        raise Refusal(f"modality {code_text(modality)} is not a chest radiograph (CR or DX).")
    if is_lateral(text_of(dataset, "ViewPosition")):
        raise Refusal("the view is lateral; AMAE reads frontal chest images.")
    if "LOCALIZER" in code_text(dataset.get("ImageType", "")):
        raise Refusal("it is a localizer, not a radiograph.")
    is_human = human(text_of(dataset, "PatientSpeciesDescription"))
    if is_human is Said.NO:
        raise Refusal("the patient is not human (Patient Species Description).")
    return Said.UNCLEAR in (is_chest, is_radiograph, is_human)


def _require_moderate_inflation(content: bytes) -> None:
    """Refuse a deflated file (PS3.5 A.5) that would fill the memory, by inflating it in pieces."""
    if uid.DeflatedExplicitVRLittleEndian.encode() not in content[:1024]:
        return
    start = 144 + int.from_bytes(content[140:144], "little")  # after the group length, (0002,0000)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    piece, size = inflater.decompress(content[start:], _PIECE), 0
    while piece and size <= MOST_BYTES:
        size += len(piece)
        piece = b"" if inflater.eof else inflater.decompress(inflater.unconsumed_tail, _PIECE)
    if size > MOST_BYTES:
        raise Refusal("the deflated file inflates to more than any image.")


def text_of(dataset: FileDataset, name: str) -> str:
    """An attribute as text; "" where there is none."""
    return str(dataset.get(name, "") or "").strip()
