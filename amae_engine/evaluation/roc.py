"""ROC and precision-recall curves, average precision with a bootstrap interval.

NumPy alone: loading scikit-learn would cost the window a second at its first curve. The tests
compare every function with scikit-learn's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import FEWEST, drawn

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


def roc_curve(truth: Truth, scores: Values) -> Curve:
    """The ROC curve from (0, 0) to (1, 1)."""
    thresholds, hits, called = _steps(truth, scores)
    positives = hits[-1]
    x = (called - hits) / (len(truth) - positives)
    start = np.zeros(1)
    return Curve(
        np.concatenate((start, x)),
        np.concatenate((start, hits / positives)),
        np.concatenate(([np.inf], thresholds)),
    )


def precision_recall_curve(truth: Truth, scores: Values) -> Curve:
    """The precision-recall curve, by falling recall."""
    thresholds, hits, called = _steps(truth, scores)
    end = np.ones(1)
    return Curve(
        np.concatenate(((hits / hits[-1])[::-1], [0.0])),
        np.concatenate(((hits / called)[::-1], end)),
        np.concatenate((thresholds[::-1], [np.inf])),
    )


def average_precision(truth: Truth, scores: Values) -> float:
    """Area under the precision-recall steps: Σ (R_n − R_{n−1}) P_n, as scikit-learn defines it."""
    _, hits, called = _steps(truth, scores)
    return float((np.diff(hits / hits[-1], prepend=0) * hits / called).sum())


def average_precision_interval(
    truth: Truth,
    scores: Values,
    patients: npt.NDArray[np.integer],
    repeats: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Measured:
    """The AP, and its bootstrap interval: whole patients are drawn, so that their images stay together.

    None is given where fewer than five patients are of the rarer class.
    """
    area = average_precision(truth, scores)
    if min(len(np.unique(patients[truth == side])) for side in (0, 1)) < FEWEST:
        return Measured(area, math.nan, math.nan)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hit = truth[order] == 1
    found = []
    for weights in drawn(patients[order], repeats, seed):
        hits = (weights * hit).cumsum(axis=1)[:, last]
        called = weights.cumsum(axis=1)[:, last]
        usable = (hits[:, -1] > 0) & (hits[:, -1] < called[:, -1])
        recall = hits[usable] / hits[usable, -1:]
        precision = hits[usable] / np.maximum(called[usable], 1)
        found.append((np.diff(recall, prepend=0, axis=1) * precision).sum(axis=1))
    low, high = np.percentile(np.concatenate(found), (50 - 50 * level, 50 + 50 * level))
    return Measured(area, float(low), float(high))


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


def _steps(truth: Truth, scores: Values) -> tuple[Values, Values, Values]:
    """Distinct thresholds, falling; abnormal images and all images at or above each."""
    order = np.argsort(-scores, kind="stable")
    values, hits = scores[order], (truth[order] == 1).cumsum()
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    return values[last], hits[last].astype(np.float64), (last + 1).astype(np.float64)
