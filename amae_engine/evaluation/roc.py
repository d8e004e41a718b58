"""ROC and precision-recall curves, average precision with a bootstrap interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Truth = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over thresholds; every field is (k,).

    For ROC: x is 1 − specificity, y sensitivity. For PR: x is recall, y precision.
    """

    x: Values
    y: Values
    thresholds: Values


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold does: an image is called abnormal at or above it."""

    threshold: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of abnormal images that are called abnormal; NaN without any."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def specificity(self) -> float:
        """Share of normal images that are called normal; NaN without any."""
        return _share(self.true_negatives, self.false_positives)


def roc_curve(truth: Truth, scores: Values) -> Curve:
    """The ROC curve from (0, 0) to (1, 1)."""
    from sklearn import metrics

    x, y, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    return Curve(x, y, thresholds)


def precision_recall_curve(truth: Truth, scores: Values) -> Curve:
    """The precision-recall curve, by falling recall."""
    from sklearn import metrics

    precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
    return Curve(recall, precision, np.append(thresholds, np.inf))


def average_precision(truth: Truth, scores: Values) -> float:
    """Area under the precision-recall steps (scikit-learn's definition)."""
    from sklearn import metrics

    return float(metrics.average_precision_score(truth, scores))


def average_precision_interval(
    truth: Truth,
    scores: Values,
    patients: npt.NDArray[np.integer],
    repeats: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of the AP; whole patients are drawn, so that their films stay together."""
    random = np.random.default_rng(seed)
    _, group = np.unique(patients, return_inverse=True)
    rows = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    found = []
    for _ in range(repeats):
        drawn = random.integers(0, len(rows), len(rows))
        chosen = np.concatenate([rows[number] for number in drawn])
        if 0 < truth[chosen].sum() < len(chosen):
            found.append(_fast_average_precision(truth[chosen], scores[chosen]))
    low, high = np.percentile(found, (50 - 50 * level, 50 + 50 * level))
    return float(low), float(high)


def operating_point(truth: Truth, scores: Values, threshold: float) -> OperatingPoint:
    """Counts of images at a threshold."""
    called, abnormal = scores >= threshold, truth == 1
    return OperatingPoint(
        threshold,
        int((called & abnormal).sum()),
        int((called & ~abnormal).sum()),
        int((~called & ~abnormal).sum()),
        int((~called & abnormal).sum()),
    )


def _fast_average_precision(truth: Truth, scores: Values) -> float:
    """`average_precision` without scikit-learn's checks; ties share one threshold."""
    order = np.argsort(-scores, kind="stable")
    values, hits = scores[order], truth[order].cumsum()
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    recall = hits[last] / hits[-1]
    precision = hits[last] / (last + 1)
    return float((np.diff(recall, prepend=0) * precision).sum())


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else float("nan")
