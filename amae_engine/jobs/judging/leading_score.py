"""Which score leads: chosen by how well it tells normal images from unlabeled ones, never on test.

Unlabeled images are normal ones and abnormal ones, so what tells N from U tells normal from
abnormal, only less sharply (Elkan and Noto, KDD 2008). No image is rated here by a model that
learnt from it: the probe and the density are cross-fitted, and of the normal images that the
classifier learnt from only the held-out ones count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind, Stage1Config
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.record import input_hashes

_CANDIDATES = (ScoreKind.UNLABELED_PROBE, ScoreKind.MAHALANOBIS, ScoreKind.STAGE1_PROBABILITY)
_FEWEST = 10  # images of each side


@dataclass(frozen=True, slots=True)
class LeadingScore:
    """The score that opens the results, and why."""

    kind: ScoreKind
    reason: str


def leading_score(project: Project, score_run: int) -> LeadingScore | None:
    """The leading score of a score run.

    Returns:
        None where the run is no score run of AMAE's, or has none of the candidates.
    """
    with project.session() as session:
        kinds = scores.kinds(session, score_run)
        stage2 = runs.get(session, score_run).parent_id
        stage1 = runs.get(session, stage2).parent_id if stage2 else None
    candidates = [kind for kind in _CANDIDATES if kind in kinds]
    if stage1 is None or not candidates:
        return None
    judged = {}
    for kind in candidates:
        found = _separation(project, stage1, kind)
        if found is not None:
            judged[kind] = found
    if not judged:
        reason = (
            "there are too few unlabeled images to choose by, so the score that needs none leads"
        )
        default = ScoreKind.MAHALANOBIS
        return LeadingScore(default if default in candidates else candidates[0], reason)
    best = max(judged, key=lambda kind: judged[kind][0].value)
    return LeadingScore(best, _reason(best, judged))


def _separation(project: Project, stage1: int, kind: ScoreKind) -> tuple[Auc, int, int] | None:
    """AUC of normal against unlabeled images, and how many there are of each."""
    with project.session() as session:
        config = Stage1Config.from_dict(runs.get(session, stage1).config)
        values = {}
        for split in (Split.NORMAL, Split.UNLABELED):
            ids = image_tables.images_in(session, split).ids
            if kind is ScoreKind.STAGE1_PROBABILITY and split is Split.NORMAL:
                ids = _held_out(project, stage1, config)
            found = scores.of_images(session, stage1, kind, ids)
            values[split] = found[~np.isnan(found)]
    normal, unlabeled = values[Split.NORMAL], values[Split.UNLABELED]
    if min(len(normal), len(unlabeled)) < _FEWEST:
        return None
    truth = np.repeat((0, 1), (len(normal), len(unlabeled))).astype(np.int8)
    auc = auc_interval(truth, np.concatenate((normal, unlabeled)))
    return auc, len(normal), len(unlabeled)


def _held_out(project: Project, stage1: int, config: Stage1Config) -> npt.NDArray[np.int64]:
    """The normal images that the classifier did not learn from."""
    from amae_engine.method.stage1 import held_out_rows

    if not input_hashes(project, stage1):  # a run of AMAE 0.1 did not keep its images
        return np.zeros(0, dtype=np.int64)
    ids = read_inputs(project.run_folder(stage1)).images[Split.NORMAL].ids
    rows = held_out_rows(len(ids), config.validation_percent, config.training.seed)
    return ids[rows.numpy()]


def _reason(best: ScoreKind, judged: dict[ScoreKind, tuple[Auc, int, int]]) -> str:
    auc, normal, unlabeled = judged[best]
    others = [
        f"{kind.label} {found[0].value:.2f} on {found[1]} + {found[2]}"
        for kind, found in judged.items()
        if kind is not best
    ]
    rest = f"; {', '.join(others)}" if others else ""
    return (
        f"it tells {unlabeled} unlabeled images from {normal} normal ones best, none of which its "
        f"model has learnt from: AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}){rest}. No test "
        f"image was looked at"
    )
