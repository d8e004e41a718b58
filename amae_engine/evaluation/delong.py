"""AUC with its interval, and the paired comparison of two AUCs, by patients.

DeLong's variance (1988) in the fast form of Sun and Xu (2014): placement values from midranks. Where
patients have several images it is Obuchowski's (1997), which sums placements over each patient; with
one image each it is DeLong's to the bit. Intervals are taken on the logit scale (Pepe, 2003) with
Student's t for the patients of the rarer class: so they cover where few images are abnormal
(`python -m tests.benchmarks coverage`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import wilson_interval
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import FEWEST, Ids, numbered, t_p_value, t_quantile
from amae_engine.evaluation.ranks import midranks

Values = npt.NDArray[np.float64]
Truth = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Auc(Measured):
    """An AUC and its 95 % interval within [0, 1]."""


@dataclass(frozen=True, slots=True)
class AucDifference:
    """The difference first − second of two AUCs on the same images.

    Attributes:
        low, high: NaN where too few patients allow no interval.
        p_value: Two-sided; NaN likewise.
    """

    difference: float
    low: float
    high: float
    p_value: float


def auc_interval(
    truth: Truth, scores: Values, patients: Ids | None = None, level: float = 0.95
) -> Auc:
    """AUC of scores (n,) against truth (n,) of 0 and 1.

    Where the classes separate perfectly the variance is zero and an interval a point; there Wilson's
    interval for the rarer class stands in, so that few images never look certain.

    Args:
        truth: (n,) of 0 and 1.
        scores: (n,).
        patients: (n,) whose images they are; None where each has one.
        level: Of the interval.

    Raises:
        BadInput: Only one class is present, or a score is not a number.
    """
    found = _Placed.of(truth, [scores], patients)
    return _interval(float(found.areas[0]), float(found.covariance[0, 0]), found.fewest, level)


def auc_within(
    truth: Truth,
    scores: Values,
    strata: Truth,
    patients: Ids | None = None,
    level: float = 0.95,
) -> Auc:
    """AUC of pairs within the same stratum: the strata's AUCs by their share of the abnormal ones.

    What the strata (n,) differ by can then not make a score look good. Strata with one class count
    for nothing; a patient may have images in several.

    Raises:
        BadInput: No stratum has both classes, or a score is not a number.
    """
    truth = np.asarray(truth)
    owner, count = numbered(patients, len(truth))
    parts = []
    for stratum in np.unique(strata):
        inside = strata == stratum
        positives = int((truth[inside] == 1).sum())
        if 0 < positives < int(inside.sum()):
            parts.append((positives, _Placed.of(truth[inside], [scores[inside]], owner[inside]),
                          np.unique(owner[inside])))  # fmt: skip
    if not parts:
        raise BadInput("No stratum has normal and abnormal images, so no AUC within strata.")
    total = sum(positives for positives, *_ in parts)
    area, influence = 0.0, np.zeros(count)
    for positives, found, owners in parts:
        area += positives / total * float(found.areas[0])
        influence[owners] += positives / total * found.influence
    fewest = min(sum(found.patients[side] for _, found, _ in parts) for side in (0, 1))
    return _interval(area, float((influence**2).sum()), fewest, level)


def mean_auc(
    truth: Truth, scores: list[Values], patients: Ids | None = None, level: float = 0.95
) -> Auc:
    """The mean AUC of k replicates' scores on the same images, with an interval of both chances.

    Its variance is that of the mean over the images' patients, and that of the replicates about it.

    Raises:
        BadInput: Only one class is present, or a score is not a number.
    """
    found = _Placed.of(truth, scores, patients)
    count = len(scores)
    by_images = float(found.covariance.sum()) / count**2
    by_seeds = float(found.areas.var(ddof=1)) / count if count > 1 else 0.0
    return _interval(float(found.areas.mean()), by_images + by_seeds, found.fewest, level)


def compare_aucs(
    truth: Truth,
    first: Values,
    second: Values,
    patients: Ids | None = None,
    level: float = 0.95,
) -> AucDifference:
    """Test whether two scores of the same images have the same AUC.

    Raises:
        BadInput: Only one class is present, or a score is not a number.
    """
    found = _Placed.of(truth, [first, second], patients)
    difference = float(found.areas[0] - found.areas[1])
    covariance = found.covariance
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if found.fewest < FEWEST:
        return AucDifference(difference, math.nan, math.nan, math.nan)
    if variance <= 0:  # no chance is left that the data show; a permutation could give so little
        least = 2 / math.comb(sum(found.patients), found.fewest)
        p_value = 1.0 if difference == 0 else min(1.0, least)
        return AucDifference(difference, difference, difference, p_value)
    spread = math.sqrt(variance)
    half = t_quantile(level, found.fewest - 1) * spread
    p_value = t_p_value(difference / spread, found.fewest - 1)
    return AucDifference(difference, difference - half, difference + half, p_value)


@dataclass(frozen=True, slots=True)
class _Placed:
    """AUCs of k scores on the same images, and how they vary with the patients.

    Attributes:
        areas: (k,).
        covariance: (k, k).
        influence: (patients,) of the first score's AUC; its squares sum to its variance.
        patients: With normal and with abnormal images.
    """

    areas: Values
    covariance: Values
    influence: Values
    patients: tuple[int, int]

    @property
    def fewest(self) -> int:
        """Patients of the rarer class."""
        return min(self.patients)

    @classmethod
    def of(cls, truth: Truth, scores: list[Values], patients: Ids | None) -> _Placed:
        """Placement values, summed over each patient."""
        abnormal = np.asarray(truth) == 1
        positives, negatives = int(abnormal.sum()), int((~abnormal).sum())
        if positives == 0 or negatives == 0:
            raise BadInput(
                f"An AUC needs normal and abnormal images with known truth; there are {negatives} "
                f"normal and {positives} abnormal."
            )
        owner, count = numbered(patients, len(abnormal))
        areas, ten, one = [], [], []
        for values in scores:
            if not np.isfinite(values).all():
                raise BadInput("An AUC needs a finite score for every image.")
            ranks = midranks(values)
            by_positive = (ranks[abnormal] - midranks(values[abnormal])) / negatives
            by_negative = 1 - (ranks[~abnormal] - midranks(values[~abnormal])) / positives
            area = float(by_positive.mean())
            areas.append(area)
            ten.append(np.bincount(owner[abnormal], by_positive - area, count) / positives)
            one.append(np.bincount(owner[~abnormal], by_negative - area, count) / negatives)
        sums, others = np.array(ten), np.array(one)  # (k, patients)
        with_abnormal, with_normal = (len(np.unique(owner[side])) for side in (abnormal, ~abnormal))
        mixed = sums @ others.T
        covariance = (
            _few(with_abnormal) * sums @ sums.T
            + _few(with_normal) * others @ others.T
            + _few(count) * (mixed + mixed.T)
        )
        influence = (
            math.sqrt(_few(with_abnormal)) * sums[0] + math.sqrt(_few(with_normal)) * others[0]
        )
        return cls(np.array(areas), covariance, influence, (with_normal, with_abnormal))


def _few(patients: int) -> float:
    """What a sum of squares around an estimated mean is too small by."""
    return patients / (patients - 1) if patients > 1 else 0.0


def _interval(area: float, variance: float, fewest: int, level: float) -> Auc:
    if fewest < FEWEST:
        return Auc(area, math.nan, math.nan)
    if variance <= 0 or not 0 < area < 1:
        bound = wilson_interval(round(area * fewest), fewest, level)
        return Auc(area, bound.low, bound.high)
    centre = math.log(area / (1 - area))
    half = t_quantile(level, fewest - 1) * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-x)) for x in (centre - half, centre + half))
    return Auc(area, low, high)
