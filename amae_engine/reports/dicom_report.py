"""Scores and regions of an image as a DICOM structured report (TID 1500), through highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from amae_engine.evaluation.regions import Outline, Shape
from amae_engine.reports.dicom_objects import MAKER, ReportedRegion, ReportedScore

MOST_REGIONS = 500  # in a report; the largest ones
_SCHEME = "99AMAE"
_SERIES_NUMBER = 9005


def score_report(
    source: Dataset,
    scores: Sequence[ReportedScore],
    regions: Sequence[ReportedRegion],
    scored_by: str,
) -> Dataset:
    """Scores of an image, and at most `MOST_REGIONS` regions, as a structured report (TID 1500).

    Args:
        source: The image.
        scores: Of the whole image.
        regions: That readers marked.
        scored_by: "run 3", "model chest (…)".
    """
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=highdicom.UID(), name=MAKER, manufacturer_name=MAKER, model_name=version("amae")
        ),
    )
    whole = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(highdicom.UID(), f"Scores of {scored_by}"[:64]),
        measurements=[
            sr.Measurement(
                name=sr.CodedConcept(each.key[:16], _SCHEME, each.name[:64]),
                value=float(each.value),
                unit=codes.UCUM.NoUnits,
            )
            for each in scores
        ],
        source_images=[
            sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)
        ],
    )
    chosen = sorted(regions, key=lambda each: -_size(each.outline))[:MOST_REGIONS]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=sr.CodedConcept("399208008", "SCT", "Plain chest X-ray"),
        imaging_measurements=[whole, *(_reported(source, each) for each in chosen)],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[source] if source.get("PatientOrientation") else None,
    )
    made = sr.ComprehensiveSR(
        evidence=[source],
        content=content[0],
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
    )
    made.SeriesDescription = "AMAE: scores and regions, research use only"
    made.ManufacturerModelName, made.DeviceSerialNumber = MAKER, "0"
    made.SoftwareVersions = version("amae")
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = _SCHEME, "AMAE's scores and judgements"
    scheme.CodingSchemeResponsibleOrganization = MAKER
    made.CodingSchemeIdentificationSequence = [scheme]
    return made


def _reported(source: Dataset, region: ReportedRegion) -> Any:
    kind, points = _graphic(region.outline, source.Rows, source.Columns)
    place = sr.ImageRegion(
        kind, points, sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID)
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(highdicom.UID(), f"Region {region.number}"),
        referenced_region=place,
        finding_type=codes.SCT.MorphologicallyAbnormalStructure,
        session=f"{region.reader}"[:64] or None,
        measurements=[
            sr.Measurement(name=_measure(name), value=float(value), unit=_unit(unit))
            for (name, unit), value in region.values.items()
        ],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(
                name=sr.CodedConcept("judgement", _SCHEME, "Reader's judgement"),
                value=sr.CodedConcept(region.state, _SCHEME, region.state.capitalize()),
            )
        ],
    )


def _measure(name: str) -> Any:
    return (
        codes.SCT.Area if name == "area" else sr.CodedConcept(name[:16], _SCHEME, name.capitalize())
    )


def _unit(unit: str) -> Any:
    return {"mm2": codes.UCUM.SquareMillimeter, "%": codes.UCUM.Percent}.get(
        unit, codes.UCUM.NoUnits
    )


def _graphic(
    outline: Outline, rows: int, columns: int
) -> tuple[sr.GraphicTypeValues, npt.NDArray[np.float64]]:
    """An outline in pixels of the source, whose upper left corner is 0, 0."""
    scale = np.array([columns, rows], dtype=np.float64)
    if outline.shape is Shape.ELLIPSE:
        (left, top), (right, bottom) = np.array(outline.points) * scale
        x, y = (left + right) / 2, (top + bottom) / 2
        across, down = [[left, y], [right, y]], [[x, top], [x, bottom]]
        longer = abs(right - left) >= abs(bottom - top)  # the major axis comes first
        points = np.array([*across, *down] if longer else [*down, *across])
        return sr.GraphicTypeValues.ELLIPSE, points
    points = np.array(outline.points) * scale
    return sr.GraphicTypeValues.POLYLINE, np.vstack((points, points[:1]))


def _size(outline: Outline) -> float:
    """The area of an outline, by the shoelace formula."""
    x, y = np.array(outline.polygon).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)
