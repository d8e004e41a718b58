"""What a run that a model file rated brings along: its locked points, calibration and percentiles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import locked_points
from amae_engine.catalog.locked_points import LockedRow
from amae_engine.config import ScoreKind
from amae_engine.evaluation.calibration import Logistic
from amae_engine.project import Project
from amae_engine.runs.record import MODEL_FACTS


@dataclass(frozen=True, slots=True)
class NormalScores:
    """A score of normal images that its model was not trained on.

    Attributes:
        values: (n,) the scores; of a model file (m,) quantiles of them at equal steps.
        images: How many images there are.
    """

    values: npt.NDArray[np.float64]
    images: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """From score to probability, and on how many validation images it was fitted."""

    logistic: Logistic
    images: int


def points_for(project: Project, run_id: int) -> list[LockedRow]:
    """The locked points that hold for a run: the catalog's, then those that came with a model."""
    with project.session() as session:
        own = locked_points.valid_for(session, run_id)
    has = {point.kind for point in own}
    brought = [
        LockedRow(**{**each, "run_id": run_id, "kind": ScoreKind(each["kind"])})
        for each in _facts(project, run_id).get("locked", [])
    ]
    return [*own, *(point for point in brought if point.kind not in has)]


def brought_normals(project: Project, run_id: int) -> dict[ScoreKind, NormalScores]:
    """A model's scores of normal images; {} for a run of the project's own."""
    found = _facts(project, run_id).get("percentiles", {})
    return {
        ScoreKind(kind): NormalScores(np.array(each["scores"]), int(each["images"]))
        for kind, each in found.items()
    }


def brought_calibration(project: Project, run_id: int, kind: ScoreKind) -> Calibrated | None:
    """A model's calibration of a score; None where it has none, and for a run of the project's own."""
    found = _facts(project, run_id).get("calibration", {}).get(kind)
    if found is None:
        return None
    names = ("slope", "offset", "centre", "width")
    return Calibrated(Logistic(*(float(found[name]) for name in names)), int(found["images"]))


def _facts(project: Project, run_id: int) -> dict[str, Any]:
    path = project.run_folder(run_id) / MODEL_FACTS
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
