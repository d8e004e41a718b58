"""AUC with its interval, and the paired comparison of two AUCs (DeLong et al., 1988).

The fast form of Sun and Xu (2014): placement values from midranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import wilson_interval
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.ranks import midranks

Values = npt.NDArray[np.float64]
Truth = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Auc(Measured):
    """An AUC and its 95 % interval, clipped to [0, 1]."""


@dataclass(frozen=True, slots=True)
class AucDifference:
    """The difference first − second of two AUCs on the same images.

    Attributes:
        p_value: Two-sided.
    """

    difference: float
    low: float
    high: float
    p_value: float


def auc_interval(truth: Truth, scores: Values, level: float = 0.95) -> Auc:
    """AUC of scores (n,) against truth (n,) of 0 and 1.

    Where the classes separate perfectly, DeLong's variance is zero and its interval a point; there
    Wilson's interval for the smaller class stands in, so that few images never look certain.

    Raises:
        BadInput: Only one class is present, or a score is not a number.
    """
    areas, covariance = _areas(truth, [scores])
    area = float(areas[0])
    if covariance[0, 0] <= 0:
        return _perfect(area, truth, level)
    half = _normal_quantile(level) * float(np.sqrt(covariance[0, 0]))
    return Auc(area, max(0.0, area - half), min(1.0, area + half))


def auc_within(truth: Truth, scores: Values, strata: Truth, level: float = 0.95) -> Auc:
    """AUC of pairs within the same stratum: the strata's AUCs by their share of the abnormal ones.

    What the strata (n,) differ by can then not make a score look good. Strata with one class count
    for nothing.

    Raises:
        BadInput: No stratum has both classes, or a score is not a number.
    """
    parts = []
    for stratum in np.unique(strata):
        inside = strata == stratum
        positives = int((np.asarray(truth)[inside] == 1).sum())
        if 0 < positives < int(inside.sum()):
            areas, covariance = _areas(truth[inside], [scores[inside]])
            parts.append((positives, float(areas[0]), float(covariance[0, 0])))
    if not parts:
        raise BadInput("No stratum has normal and abnormal images, so no AUC within strata.")
    total = sum(part[0] for part in parts)
    area = sum(part[0] / total * part[1] for part in parts)
    variance = sum((part[0] / total) ** 2 * part[2] for part in parts)
    if variance <= 0:
        return _perfect(area, truth, level)
    half = _normal_quantile(level) * float(np.sqrt(variance))
    return Auc(area, max(0.0, area - half), min(1.0, area + half))


def compare_aucs(truth: Truth, first: Values, second: Values, level: float = 0.95) -> AucDifference:
    """Test whether two scores of the same images have the same AUC.

    Raises:
        BadInput: Only one class is present, or a score is not a number.
    """
    areas, covariance = _areas(truth, [first, second])
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 0:
        return AucDifference(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    spread = float(np.sqrt(variance))
    half = _normal_quantile(level) * spread
    p_value = 2 * NormalDist().cdf(-abs(difference) / spread)
    return AucDifference(difference, difference - half, difference + half, p_value)


def _areas(truth: Truth, scores: list[Values]) -> tuple[Values, Values]:
    """AUCs (k,) and their covariance (k, k)."""
    abnormal = np.asarray(truth) == 1
    positives, negatives = int(abnormal.sum()), int((~abnormal).sum())
    if positives == 0 or negatives == 0:
        raise BadInput(
            f"An AUC needs normal and abnormal images with known truth; there are {negatives} "
            f"normal and {positives} abnormal."
        )
    by_positive, by_negative = [], []
    for values in scores:
        if not np.isfinite(values).all():
            raise BadInput("An AUC needs a finite score for every image.")
        ranks = midranks(values)
        own = midranks(values[abnormal])
        other = midranks(values[~abnormal])
        by_positive.append((ranks[abnormal] - own) / negatives)
        by_negative.append(1 - (ranks[~abnormal] - other) / positives)
    placements = np.array(by_positive)  # (k, positives)
    areas: Values = placements.mean(axis=1)
    covariance = _covariance(placements) + _covariance(np.array(by_negative))
    return areas, covariance


def _covariance(placements: Values) -> Values:
    count = placements.shape[1]
    if count < 2:
        return np.zeros((len(placements), len(placements)))
    result: Values = np.atleast_2d(np.cov(placements)) / count
    return result


def _perfect(area: float, truth: Truth, level: float) -> Auc:
    fewest = int(min((truth == 0).sum(), (truth == 1).sum()))
    bound = wilson_interval(round(area * fewest), fewest, level)
    return Auc(area, bound.low, bound.high)


def _normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)
