"""Choose and lock an operating point, and say what it does to the test images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, locked_points, runs, scores
from amae_engine.catalog.locked_points import LockedRow
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind, ScoreStep
from amae_engine.errors import NotReady
from amae_engine.evaluation.agreement import Proportion, share_of, wilson_interval
from amae_engine.evaluation.calibration import (
    CalibrationBin,
    brier_score,
    calibration_curve,
    fit_logistic,
)
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.operating_rules import (
    Predictive,
    Rule,
    RuleChoice,
    choose_threshold,
    predictive_values,
)
from amae_engine.evaluation.roc import OperatingPoint, operating_point
from amae_engine.jobs.evaluation.evaluate_run import judged_run, rated_images
from amae_engine.jobs.evaluation.leading_score import validation_split_normals
from amae_engine.jobs.evaluation.model_basis import (
    Calibrated,
    NormalScores,
    brought_calibration,
    brought_normals,
)
from amae_engine.project import Project

FEWEST = 5  # images that a threshold can be chosen on


@dataclass(frozen=True, slots=True)
class ChosenPoint:
    """A threshold, and what it does to the images that it was chosen on.

    Attributes:
        chosen_on: Those images, in words.
        point: None where they were all normal.
    """

    run_id: int
    kind: ScoreKind
    threshold: float
    choice: RuleChoice
    chosen_on: str
    normal: int
    abnormal: int
    point: OperatingPoint | None


@dataclass(frozen=True, slots=True)
class PointResult:
    """What a threshold does to test images.

    Attributes:
        predictive: At the stated prevalence.
    """

    point: OperatingPoint
    sensitivity: Proportion
    specificity: Proportion
    predictive: Predictive
    prevalence: float

    @property
    def numbers(self) -> dict[str, str]:
        """Its numbers by their name, a share with its 95 % interval and its counts."""
        at = self.point
        shares = {
            name: f"{share.text().removesuffix(')')}; {right} of {right + wrong})"
            for name, share, right, wrong in (
                ("sensitivity", self.sensitivity, at.true_positives, at.false_negatives),
                ("specificity", self.specificity, at.true_negatives, at.false_positives),
            )
        }
        meanings = {
            f"{name} at a prevalence of {100 * self.prevalence:g} %": value.text()
            if np.isfinite(value.value)
            else "none is called so"
            for name, value in (("PPV", self.predictive.ppv), ("NPV", self.predictive.npv))
        }
        return shares | meanings


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities of the test images, calibrated on the validation images.

    Attributes:
        brier: Of the calibrated probabilities; `brier_base` of saying the test set's own share.
        validation: How many images it was fitted on.
    """

    brier: Measured
    brier_base: float
    bins: tuple[CalibrationBin, ...]
    validation: int
    images: int


def choose_point(project: Project, run_id: int, kind: ScoreKind, choice: RuleChoice) -> ChosenPoint:
    """The threshold of a rule, from validation images or from normal images alone; no test image.

    Raises:
        NotReady: There are too few such images, or none has this score.
        BadInput: A class that the rule needs is missing.
    """
    run = judged_run(project, run_id, "An operating point")
    if choice.rule is Rule.NORMALS:
        values = unseen_normals(project, run, kind)
        threshold = choose_threshold(np.zeros(len(values), dtype=np.int8), values, choice)
        return ChosenPoint(
            run.id, kind, threshold, choice,
            f"{len(values)} normal training images that the score's model was not trained on; it "
            f"holds where new normal images are like these",
            len(values), 0, None,
        )  # fmt: skip
    truth, values = validation_scores(project, run.id, kind)
    if len(values) < FEWEST:
        raise NotReady(
            f"Only {len(values)} validation images with known truth have this score; set at least "
            f"{FEWEST} test images apart (Studies, More, or `amae validation`), or choose the "
            f"point from normal images alone."
        )
    threshold = choose_threshold(truth, values, choice)
    normal = int((truth == 0).sum())
    return ChosenPoint(
        run.id, kind, threshold, choice,
        f"{normal} normal + {len(truth) - normal} abnormal validation images",
        normal, len(truth) - normal, operating_point(truth, values, threshold),
    )  # fmt: skip


def validation_scores(
    project: Project, run_id: int, kind: ScoreKind
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Truth and score (n,) of the validation images that have both."""
    table, values = rated_images(project, run_id, validation=True)
    if kind not in values:
        return np.zeros(0, dtype=np.int8), np.zeros(0)
    known = (table.truth >= 0) & ~np.isnan(values[kind])
    return table.truth[known], values[kind][known]


def lock_point(project: Project, chosen: ChosenPoint, reader: str) -> LockedRow:
    """Lock a chosen point, and open the test images for its run.

    Raises:
        BadInput: The reader has no name.
        NotReady: The score has a locked point already.
    """
    with project.session() as session:
        row = locked_points.lock(
            session,
            chosen.run_id,
            chosen.kind,
            chosen.threshold,
            str(chosen.choice.rule),
            chosen.choice.target,
            chosen.choice.prevalence,
            chosen.chosen_on,
            reader,
        )
        locked_points.open_test(session, chosen.run_id, reader, "an operating point was locked")
    return row


def result_at(
    truth: npt.NDArray[np.int8],
    values: npt.NDArray[np.float64],
    threshold: float,
    prevalence: float,
    patients: npt.NDArray[np.int64] | None = None,
) -> PointResult:
    """What a threshold does to labelled images (n,), at a stated prevalence; intervals by patients.

    Raises:
        BadInput: The prevalence is not between 0 and 1.
    """
    called = values >= threshold

    def share(side: int, right: npt.NDArray[np.bool_]) -> Proportion:
        own = truth == side
        return share_of(right[own], None if patients is None else patients[own])

    point = operating_point(truth, values, threshold)
    return _result(point, share(1, called), share(0, ~called), prevalence)


def at_prevalence(point: OperatingPoint, prevalence: float) -> PointResult:
    """Shares with their intervals, and what a call means, of counts that are known.

    Raises:
        BadInput: The prevalence is not between 0 and 1.
    """
    return _result(
        point,
        wilson_interval(point.true_positives, point.true_positives + point.false_negatives),
        wilson_interval(point.true_negatives, point.true_negatives + point.false_positives),
        prevalence,
    )


def _result(
    point: OperatingPoint, sensitivity: Proportion, specificity: Proportion, prevalence: float
) -> PointResult:
    predictive = predictive_values(sensitivity, specificity, prevalence)
    return PointResult(point, sensitivity, specificity, predictive, prevalence)


def choice_of(locked: LockedRow) -> RuleChoice:
    """The rule that chose a locked point."""
    return RuleChoice(Rule(locked.rule), locked.target, locked.prevalence)


def falls_short(choice: RuleChoice, found: PointResult) -> str:
    """What a rule asked for and the judged images do not have, in words; "" where they may.

    It is said where the whole 95 % interval lies below: the rule kept its word on the images that
    it chose on, and these are not like them.
    """
    if choice.rule is Rule.SENSITIVITY:
        name, share, whose = "sensitivity", found.sensitivity, "abnormal"
    elif choice.rule in (Rule.SPECIFICITY, Rule.NORMALS):
        name, share, whose = "specificity", found.specificity, "normal"
    else:
        return ""
    if not share.high < choice.target:  # NaN where no image tells
        return ""
    return (
        f"Asked for {name} of at least {100 * choice.target:g} %; here it is {share.percent}: these "
        f"{whose} images are not like those that the point was chosen on. Choose it on validation images "
        f"from where it will be used."
    )


def calibrate(
    project: Project,
    run_id: int,
    kind: ScoreKind,
    truth: npt.NDArray[np.int8],
    values: npt.NDArray[np.float64],
    patients: npt.NDArray[np.int64] | None = None,
) -> Calibration:
    """Calibrate a score on the validation images, or as its model was, and judge it on test images.

    Args:
        project: Where the run is.
        run_id: A score run.
        kind: The score.
        truth: (n,) of the test images.
        values: (n,) their scores.
        patients: (n,) whose images they are.

    Raises:
        NotReady: There are too few validation images of a class.
    """
    known, rated = validation_scores(project, run_id, kind)
    fewest = min(int((known == 0).sum()), int((known == 1).sum()))
    fitted = brought_calibration(project, run_id, kind)
    if fewest >= FEWEST:
        fitted = Calibrated(fit_logistic(known, rated), len(known))
    if fitted is None:
        raise NotReady(
            f"A probability needs calibration on validation images, at least {FEWEST} normal and "
            f"{FEWEST} abnormal; there are {int((known == 0).sum())} and {int((known == 1).sum())}."
        )
    said = fitted.logistic(values)
    share = float((truth == 1).mean())
    return Calibration(
        brier_score(truth, said, patients),
        share * (1 - share),
        tuple(calibration_curve(truth, said, patients)),
        fitted.images,
        len(truth),
    )


def on_unseen_normals(
    project: Project, run_id: int, kinds: Iterable[ScoreKind]
) -> dict[ScoreKind, NormalScores]:
    """Scores of normal images that their model was not trained on; without what has none."""
    with project.session() as session:
        run = runs.get(session, run_id)
    found = brought_normals(project, run_id)
    for kind in kinds:
        try:
            values = unseen_normals(project, run, kind)
        except NotReady:
            continue
        found[kind] = NormalScores(values, len(values))
    return found


def unseen_normals(project: Project, run: runs.RunRow, kind: ScoreKind) -> npt.NDArray[np.float64]:
    """A score (n,) of normal images that its model was not trained on.

    Raises:
        NotReady: There are too few, or none.
    """
    with project.session() as session:
        stage1 = runs.stage1_of(session, run)
        normal = image_tables.images_in(session, Split.NORMAL).ids
    if kind.step is not ScoreStep.STAGE1 or stage1 is None:
        raise NotReady(
            f"The model behind {kind.label} was trained on every normal image, so that they say "
            f"nothing about new ones; choose the point on validation images."
        )
    if kind is ScoreKind.STAGE1_PROBABILITY:
        normal = validation_split_normals(project, stage1.id)
    with project.session() as session:
        own = scores.of_images(session, stage1.id, kind, normal)
    found = own[~np.isnan(own)]
    if len(found) < FEWEST:
        raise NotReady(
            f"{kind.label} of run {run.id} has rated {len(found)} normal images that its model has "
            f"not trained on; a point from normal images alone needs at least {FEWEST}. Choose it "
            f"on validation images."
        )
    return found
