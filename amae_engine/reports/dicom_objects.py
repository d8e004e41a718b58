"""What AMAE found on an image as DICOM objects, through highdicom.

All of them name one source image, in its patient's study: either as the source's own file says, or
as `deidentified_image` made it. A map becomes a fractional segmentation and a colour picture,
readers' regions a binary segmentation; `dicom_report` has the structured report.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sr.codedict import codes
from pydicom.uid import UID, JPEGLSLossless, RLELossless

from amae_engine.evaluation.regions import Outline, outlines_mask
from amae_engine.reports.table import RESEARCH_USE

logging.getLogger("highdicom").setLevel(logging.WARNING)  # its lines name the source's UIDs

MAKER = "AMAE"
_SERIES = {"image": 9001, "overlay": 9002, "map": 9003, "regions": 9004}
_OPACITY = 0.55
Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ReportedRegion:
    """A reader's region, with what is said of it.

    Attributes:
        number: Of the region.
        values: Measurements by name and unit: ("peak", "1"): 3.2.
    """

    number: int
    reader: str
    state: str
    outline: Outline
    values: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class ReportedScore:
    """A score of the image: its key, its name, its value."""

    key: str
    name: str
    value: float


def uid_of(digest: str) -> UID:
    """A UID from a keyed hash: the same object has it again (PS3.5 B.2)."""
    return UID(f"2.25.{int(digest[:32], 16)}")


def deidentified_image(
    pixels: Grey,
    study: UID,
    name: str,
    patient: str,
    spacing: tuple[float, float] | None,
    burnt_in: bool,
) -> Dataset:
    """An image (rows, columns) as a secondary capture that names nobody.

    Args:
        pixels: As it is shown.
        study: Of all objects of this image.
        name: The image's, in the catalog.
        patient: The patient's number there.
        spacing: From one row and one column to the next, in mm.
        burnt_in: Whether its file says that text is burnt in; what is not known is not denied.
    """
    made = highdicom.sc.SCImage(
        pixels,
        "MONOCHROME2",
        8,
        "PATIENT",
        study_instance_uid=study,
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES["image"],
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MAKER,
        patient_id=patient,
        patient_name=f"{patient}^",
        patient_orientation=("L", "F"),  # asked for; see `_tidied`
        transfer_syntax_uid=JPEGLSLossless,
    )
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "AMAE: pixels, size and numbers of its catalog alone"
    made.BurnedInAnnotation = "YES" if burnt_in else "NO"
    made.SeriesDescription, made.ImageComments = f"{name}, as AMAE shows it", RESEARCH_USE
    _say_maker(made)
    if spacing is not None:
        made.NominalScannedPixelSpacing = [f"{mm:.6g}" for mm in spacing]
    return _tidied(made)


def overlay_capture(
    source: Dataset, pixels: Grey, values: npt.NDArray[np.float32], name: str
) -> Dataset:
    """The image (rows, columns) with a map over it, in colour.

    Args:
        source: Which image.
        pixels: As it is shown.
        values: The map (h, w), as a share of its scale; below a quarter nothing is drawn.
        name: Of the map.
    """
    made = highdicom.sc.SCImage.from_ref_dataset(
        source,
        overlaid(pixels, values, (name, RESEARCH_USE)),
        "RGB",
        8,
        "PATIENT",
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES["overlay"],
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MAKER,
        patient_orientation=("L", "F"),  # asked for; see `_tidied`
        transfer_syntax_uid=JPEGLSLossless,
    )
    made.SeriesDescription, made.ImageComments = f"{name} over the image"[:64], RESEARCH_USE
    made.BurnedInAnnotation = "YES"  # the line at its foot, at least
    made.DerivationDescription = f"AMAE: {name} in colour over the image"
    made.SourceImageSequence = [_reference(source)]
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod"):
        if keyword in source:
            setattr(made, keyword, source[keyword].value)
    _say_maker(made)
    return _tidied(made, source.get("PatientOrientation") or "")


def overlaid(
    pixels: Grey, values: npt.NDArray[np.float32], said: Sequence[str]
) -> npt.NDArray[np.uint8]:
    """An image with a map over it (rows, columns, 3), and lines of text at its foot, each of them whole."""
    from matplotlib import colormaps
    from PIL import Image, ImageDraw, ImageFont

    shares = resized(values, *pixels.shape).clip(0, 1)
    colours = (colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.float32)
    levels = (shares * 255).astype(np.uint8)
    weight = (_OPACITY * (levels >= 64)).astype(np.float32)[..., None]
    grey = pixels.astype(np.float32)[..., None]
    mixed = ((1 - weight) * grey + weight * colours[levels]).astype(np.uint8)
    picture = Image.fromarray(mixed)
    rows, columns = pixels.shape
    height, draw = max(10, rows // 60), ImageDraw.Draw(picture)
    widest = max(draw.textlength(line, ImageFont.load_default(height)) for line in said)
    height = max(5, min(height, int(height * (columns - 2 * height) / max(widest, 1))))
    font, top = ImageFont.load_default(height), rows - (1.2 * len(said) + 0.8) * height
    draw.rectangle((0, top, columns, rows), fill=0)
    for number, line in enumerate(said):
        place = (height, top + (0.4 + 1.2 * number) * height)
        draw.text(place, line, fill=(255, 255, 255), font=font)
    return np.asarray(picture)


def resized(values: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """A map (h, w) over an image of (rows, columns), pixel middles on pixel middles."""
    from PIL import Image

    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BILINEAR))


def map_segmentation(source: Dataset, values: npt.NDArray[np.float32], name: str) -> Dataset:
    """A map (h, w), as a share of its scale, as a fractional segmentation of the source's size."""
    shares = resized(values, source.Rows, source.Columns).clip(0, 1).astype(np.float32)
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name, codes.DCM.ArtificialIntelligence, version("amae")
    )
    segment = SegmentDescription(
        1,
        name[:64],
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.MorphologicallyAbnormalStructure,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
        tracking_uid=highdicom.UID(),
        tracking_id=name[:64],
    )
    return _segmentation(
        source,
        shares[None, ..., None],
        "FRACTIONAL",
        [segment],
        "map",
        f"{name}, share of its scale",
    )


def region_segmentation(source: Dataset, regions: Sequence[ReportedRegion]) -> Dataset | None:
    """What each reader marked, a segment a reader; None where nobody marked anything."""
    readers = sorted({each.reader for each in regions})
    masks = [
        outlines_mask(
            [each.outline for each in regions if each.reader == reader], source.Rows, source.Columns
        )
        for reader in readers
    ]
    kept = [(reader, mask) for reader, mask in zip(readers, masks, strict=True) if mask.any()]
    if not kept:
        return None
    segments = [
        SegmentDescription(
            number,
            f"Regions marked by {reader}"[:64],
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.MorphologicallyAbnormalStructure,
            SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
            highdicom.AlgorithmIdentificationSequence(
                "AMAE regions", codes.DCM.ArtificialIntelligence, version("amae")
            ),
            tracking_uid=highdicom.UID(),
            tracking_id=f"regions {number}",
        )
        for number, (reader, _) in enumerate(kept, start=1)
    ]
    array = np.stack([mask for _, mask in kept], axis=-1).astype(np.uint8)[None]
    return _segmentation(
        source, array, "BINARY", segments, "regions", "Regions that readers marked"
    )


def _segmentation(
    source: Dataset,
    array: npt.NDArray[Any],
    kind: str,
    segments: Sequence[SegmentDescription],
    name: str,
    description: str,
) -> Dataset:
    made = Segmentation(
        [_placed(source)],
        array,
        kind,
        segments,
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES[name],
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=version("amae"),
        device_serial_number="0",
        fractional_type=SegmentationFractionalTypeValues.OCCUPANCY,
        content_description=description[:64],
        content_label=name.upper(),
        content_creator_name=f"{MAKER}^",
        omit_empty_frames=False,
        **({"transfer_syntax_uid": RLELossless} if kind == "FRACTIONAL" else {}),
    )
    made.SeriesDescription = f"AMAE: {description}"[:64]
    made.PatientOrientation = source.get("PatientOrientation") or ""
    if _spacing(source) is None:
        for groups in made.SharedFunctionalGroupsSequence:
            groups.pop("PixelMeasuresSequence", None)
    return made


def _placed(source: Dataset) -> Dataset:
    """The source in the plane of its own picture, as programs for volumes read a segmentation.

    A projection has no place in the patient; the plane says where its pixels lie to each other: the
    upper left one at the origin, rows to the right, columns downwards.
    """
    placed = Dataset()
    placed.update({element.tag: element for element in source if element.keyword != "PixelData"})
    placed.file_meta = source.file_meta
    placed.FrameOfReferenceUID = source.get("FrameOfReferenceUID") or highdicom.UID()
    placed.PositionReferenceIndicator = source.get("PositionReferenceIndicator", "")
    placed.ImagePositionPatient, placed.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    placed.PixelSpacing = _spacing(source) or [1.0, 1.0]  # taken out again where nobody knows it
    placed.SliceThickness = 1
    return placed


def _spacing(source: Dataset) -> list[float] | None:
    """Between rows and columns as the file says; None where it says nothing that can be used."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = source.get(name)
        if isinstance(found, MultiValue) and len(found) == 2 and min(found) > 0:
            return [float(step) for step in found]
    return None


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def _say_maker(made: Dataset) -> None:
    made.ManufacturerModelName, made.SoftwareVersions = MAKER, version("amae")
    made.ImageType, made.BodyPartExamined = ["DERIVED", "SECONDARY"], "CHEST"


def _tidied(made: Dataset, orientation: object = "") -> Dataset:
    """With the orientation that the source states, or none: not the one highdicom asks for."""
    made.PatientOrientation = orientation
    return made
