"""The leading score: chosen by how well it tells normal images from unlabeled ones, never on test.

Unlabeled images are normal ones and abnormal ones, so what tells N from U tells normal from
abnormal, only less sharply (Elkan and Noto, KDD 2008). No image is rated here by a model that
learned from it: the probe and the density are cross-fitted, and of the normal images that the
classifier was trained on only the held-out ones count. Readers' decisions on unlabeled images put
another score in the lead only where they are a fair sample (offered in random order, without the
truth) on which a paired test says that it is better; where enough labelled images are set apart for
validation, these choose. Where stage 1 has matched N to U, only images of the same stratum are
compared: a score that knows the view would else look best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import ScoreKind, ScoreStep
from amae_engine.config.applied_model import AppliedModel
from amae_engine.evaluation.delong import Auc, auc_interval, auc_within, compare_aucs
from amae_engine.jobs.confounders.matching_file import Matched, read_check, read_matching
from amae_engine.jobs.training.train_stage1 import VALIDATION_SPLIT_FILE
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs

FEWEST = 10  # images of N and of U each
_CHANCE = 0.5  # AUC
_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class LeadingScore:
    """The score that opens the results, and why."""

    kind: ScoreKind
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """How well a score tells `others` images from `normal` ones."""

    auc: Auc
    normal: int
    others: int


def leading_score(project: Project, score_run: int, fewest: int = FEWEST) -> LeadingScore | None:
    """The leading score of a score run.

    Args:
        project: Where the run is.
        score_run: Its number.
        fewest: Images that each side needs.

    Returns:
        None where the run is no score run of AMAE's, or has none of the candidates.
    """
    with project.session() as session:
        kinds = scores.kinds(session, score_run)
        run = runs.get(session, score_run)
        row = runs.stage1_of(session, run)
        current = CurrentDecisions().read(session)
        fair = {image: current.decided[image] for image in current.fair.tolist()}
    if run.kind is RunKind.MODEL:
        model = AppliedModel.from_dict(run.config)
        return LeadingScore(ScoreKind.of(model.leading), f"when it was made, {model.leading_why}")
    candidates = [kind for kind in ScoreKind.of_step(ScoreStep.STAGE1) if kind in kinds]
    if row is None or not candidates:
        return None
    stage1 = row.id
    judged = _on_validation(project, score_run, kinds, fewest)
    if judged:
        counts = next(iter(judged.values()))
        return _best(
            judged,
            f"it tells the {counts.others} abnormal validation images from the {counts.normal} normal "
            f"ones best",
        )
    first = _by_unlabeled(project, stage1, candidates, fewest)
    return _by_readers(project, stage1, candidates, first, fair, fewest)


def _by_unlabeled(
    project: Project, stage1: int, candidates: list[ScoreKind], fewest: int
) -> LeadingScore:
    """The score that tells N from U best, or the one that needs no U where none does."""
    judged: dict[ScoreKind, Judged] = {}
    matched = read_matching(project.run_folder(stage1))
    for kind in candidates:
        found = judge_unlabeled(project, stage1, kind, matched, fewest)
        if found is not None:
            judged[kind] = found
    alone = ScoreKind.MAHALANOBIS if ScoreKind.MAHALANOBIS in candidates else candidates[0]
    if not judged:
        return LeadingScore(
            alone,
            "there are too few unlabeled images to choose by, so the leading score is the one that needs none",
        )
    best = judged[max(judged, key=lambda kind: judged[kind].auc.value)]
    if not best.auc.low > _CHANCE:
        return LeadingScore(
            alone,
            f"no score tells the {best.others} unlabeled images from the {best.normal} normal ones "
            f"(at best with AUC {best.auc.text()}): they "
            f"may all be normal, so the leading score is the one that needs none of them",
        )
    return _best(
        judged,
        f"it tells {best.others} unlabeled images from {best.normal} normal ones best, none of "
        f"which its model was trained on{_within_text(project, stage1, matched)}",
    )


def _within_text(project: Project, stage1: int, matched: Matched | None) -> str:
    if matched is None:
        return ""
    by = " and ".join(read_check(project.run_folder(stage1))["matched_by"])
    return f" (pairs of the same {by} only)"


def _on_validation(
    project: Project, score_run: int, kinds: list[ScoreKind], fewest: int
) -> dict[ScoreKind, Judged]:
    """AMAE's own scores judged on the labelled images that are set apart to choose by."""
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        table = table.chosen(table.is_validation & (table.truth >= 0))
        judged: dict[ScoreKind, Judged] = {}
        for kind in kinds:
            if kind.origin == "baseline":
                continue  # the baseline that the others must beat
            values = scores.of_images(session, score_run, kind, table.ids)
            known = ~np.isnan(values)
            normal, abnormal = (
                _Rated(table.ids[own], values[own], table.patient_ids[own])
                for own in (known & (table.truth == truth) for truth in (0, 1))
            )
            found = _judge(normal, abnormal, fewest)
            if found is not None:
                judged[kind] = found
    return judged


def _by_readers(
    project: Project,
    stage1: int,
    candidates: list[ScoreKind],
    first: LeadingScore,
    fair: Mapping[int, Label],
    fewest: int,
) -> LeadingScore:
    """Another score in the lead, where readers' decisions on a fair sample say that it is better.

    The paired test, by patients, against the score that leads without them, two-sided at 5 % over all
    others.
    """
    ids = np.array(sorted(fair), dtype=np.int64)
    with project.session() as session:
        owners = image_tables.patients_of(session, ids)
        values = {kind: scores.of_images(session, stage1, kind, ids) for kind in candidates}
    truth = np.array([int(fair[i] is Label.ABNORMAL) for i in ids.tolist()], dtype=np.int8)
    rated = np.array([fair[i] is not Label.EXCLUDE for i in ids.tolist()], dtype=bool)
    for found in values.values():
        rated &= ~np.isnan(found)
    truth = truth[rated]
    abnormal, normal = int(truth.sum()), int((truth == 0).sum())
    others = [kind for kind in candidates if kind is not first.kind]
    if min(abnormal, normal) < fewest or not others:
        return first
    owners = owners[rated]
    aucs = {kind: auc_interval(truth, found[rated], owners) for kind, found in values.items()}
    best = max(others, key=lambda kind: aucs[kind].value)
    test = compare_aucs(truth, values[best][rated], values[first.kind][rated], owners)
    p_value = min(1.0, test.p_value * len(others))
    sample = f"{abnormal} abnormal and {normal} normal unlabeled images by readers' decisions"
    if test.difference <= 0 or not p_value < _SIGNIFICANT:
        return LeadingScore(
            first.kind,
            f"{first.reason}; on {sample} in random order no other score is better beyond chance",
        )
    return LeadingScore(
        best,
        f"on {sample} in random order it is better than {first.kind.label}, which would lead without "
        f"them: AUC {aucs[best].text()} against {aucs[first.kind].text()}, paired p = {p_value:.2g}. "
        f"No test image was looked at",
    )


class _Rated(NamedTuple):
    """Images that have a score, the score, and whose they are."""

    ids: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    patients: npt.NDArray[np.int64]


def _of(project: Project, stage1: int, kind: ScoreKind, ids: npt.NDArray[np.int64]) -> _Rated:
    """A score of those of the images that have one."""
    with project.session() as session:
        found = scores.of_images(session, stage1, kind, ids)
        owners = image_tables.patients_of(session, ids)
    known = ~np.isnan(found)
    return _Rated(ids[known], found[known], owners[known])


def judge_unlabeled(
    project: Project,
    stage1: int,
    kind: ScoreKind,
    matched: Matched | None,
    fewest: int = FEWEST,
) -> Judged | None:
    """How well a score tells U from normal images that its model was not trained on.

    Args:
        project: Where the run is.
        stage1: The run.
        kind: Of its scores.
        matched: How the run's images were matched: pairs of one stratum alone are then compared.
        fewest: Images that each side needs.

    Returns:
        None where N or U has too few images.
    """
    normal, unlabeled = _sides(project, stage1, kind)
    if matched is None:
        return _judge(normal, unlabeled, fewest)
    strata = dict(zip(matched.ids.tolist(), matched.strata.tolist(), strict=True))
    sides = (normal, unlabeled)
    first, second = (np.array([strata.get(i, -1) for i in side.ids.tolist()]) for side in sides)
    counts = [int((each >= 0).sum()) for each in (first, second)]
    if min(counts) < fewest or not set(first[first >= 0]) & set(second[second >= 0]):
        return None
    both = np.concatenate((first, second))
    truth = np.repeat((0, 1), (len(first), len(second))).astype(np.int8)
    values = np.concatenate((normal.values, unlabeled.values))
    owners = np.concatenate((normal.patients, unlabeled.patients))
    inside = both >= 0
    auc = auc_within(truth[inside], values[inside], both[inside], owners[inside])
    return Judged(auc, *counts)


def _sides(project: Project, stage1: int, kind: ScoreKind) -> tuple[_Rated, _Rated]:
    """A score of normal and of unlabeled images that its model was not trained on."""
    with project.session() as session:
        normal, unlabeled = (
            image_tables.images_in(session, split).ids for split in (Split.NORMAL, Split.UNLABELED)
        )
    if kind is ScoreKind.STAGE1_PROBABILITY:
        normal = validation_split_normals(project, stage1)
    return _of(project, stage1, kind, normal), _of(project, stage1, kind, unlabeled)


def _judge(normal: _Rated, others: _Rated, fewest: int) -> Judged | None:
    """None where either side has too few images."""
    counts = len(normal.ids), len(others.ids)
    if min(counts) < fewest:
        return None
    truth = np.repeat((0, 1), counts).astype(np.int8)
    values = np.concatenate((normal.values, others.values))
    owners = np.concatenate((normal.patients, others.patients))
    return Judged(auc_interval(truth, values, owners), *counts)


def validation_split_normals(project: Project, stage1: int) -> npt.NDArray[np.int64]:
    """Ids of the normal images that stage 1's classifier did not learn from; none if it noted none."""
    folder = project.run_folder(stage1)
    if not (folder / VALIDATION_SPLIT_FILE).is_file():
        return np.zeros(0, dtype=np.int64)
    normal = read_inputs(folder).images[Split.NORMAL]
    return normal.ids[np.load(folder / VALIDATION_SPLIT_FILE)]


def _best(judged: Mapping[ScoreKind, Judged], what: str) -> LeadingScore:
    best = max(judged, key=lambda kind: judged[kind].auc.value)
    others = [
        f"{kind.label} {found.auc.value:.2f} on {found.normal} + {found.others}"
        for kind, found in judged.items()
        if kind is not best
    ]
    rest = f"; {', '.join(others)}" if others else ""
    auc = judged[best].auc
    return LeadingScore(
        best,
        f"{what}: AUC {auc.text()}{rest}. No test image was looked at",
    )
