"""From scores to probabilities: logistic calibration, Brier score, calibration curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import share_of
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import Ids, mean_of
from amae_engine.evaluation.roc import Truth, Values

_STEPS = 100
_SMALLEST = 1e-6  # part of a step
_PER_BIN = 5  # images, at least, in a bin of the curve
_BINS = 10


@dataclass(frozen=True, slots=True)
class Logistic:
    """P(abnormal) = 1 / (1 + exp(−(slope · z + offset))), z the score in standard units."""

    slope: float
    offset: float
    centre: float
    width: float

    def __call__(self, scores: Values) -> Values:
        """Probabilities (n,) of scores (n,)."""
        logit = self.slope * (scores - self.centre) / self.width + self.offset
        found: Values = 1 / (1 + np.exp(-np.clip(logit, -500, 500)))
        return found


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Images of similar probability: the mean that was said, and the share that was abnormal."""

    said: float
    found: float
    low: float
    high: float
    images: int


def fit_logistic(truth: Truth, scores: Values) -> Logistic:
    """Platt's calibration (1999): targets a little off 0 and 1, so that few images never give 0 or 1.

    Raises:
        BadInput: Only one class is present.
    """
    abnormal = int((truth == 1).sum())
    normal = len(truth) - abnormal
    if not abnormal or not normal:
        raise BadInput(
            f"Calibration needs normal and abnormal images; there are {normal} normal and "
            f"{abnormal} abnormal."
        )
    centre, width = float(scores.mean()), float(scores.std()) or 1.0
    z = (scores - centre) / width
    wanted = np.where(truth == 1, (abnormal + 1) / (abnormal + 2), 1 / (normal + 2))
    design = np.stack((z, np.ones(len(z))), axis=1)
    weights = np.array([0.0, math.log((abnormal + 1) / (normal + 1))])
    loss = _loss(design, wanted, weights)
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-np.clip(design @ weights, -500, 500)))
        slope = design.T @ (said - wanted)
        curvature = (design * (said * (1 - said))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        # a whole Newton step overshoots where the classes separate (Lin, Lin and Weng, 2007)
        size = 1.0
        while size > _SMALLEST and _loss(design, wanted, weights - size * step) > loss:
            size /= 2
        weights = weights - size * step
        loss = _loss(design, wanted, weights)
        if float(np.abs(step).max()) < 1e-10 or size <= _SMALLEST:
            break
    return Logistic(float(weights[0]), float(weights[1]), centre, width)


def _loss(design: Values, wanted: Values, weights: Values) -> float:
    """Cross-entropy of the targets, as log(1 + exp(·)) where either would overflow."""
    logit = design @ weights
    return float((np.logaddexp(0, logit) - wanted * logit).sum())


def brier_score(truth: Truth, probabilities: Values, patients: Ids | None = None) -> Measured:
    """The mean squared difference of probability and truth (Brier, 1950); 0.25 says 0.5 always.

    Its interval is by patients (n,).
    """
    found = mean_of((probabilities - truth) ** 2, patients)
    return Measured(found.value, max(found.low, 0.0), min(found.high, 1.0))


def calibration_curve(
    truth: Truth, probabilities: Values, patients: Ids | None = None
) -> list[CalibrationBin]:
    """Bins of equally many images, by rising probability; the share found with its interval."""
    count = max(1, min(_BINS, len(truth) // _PER_BIN))
    order = np.argsort(probabilities, kind="stable")
    bins = []
    for places in np.array_split(order, count):
        own = None if patients is None else np.asarray(patients)[places]
        share = share_of(truth[places] == 1, own)
        said = float(probabilities[places].mean())
        bins.append(CalibrationBin(said, share.value, share.low, share.high, len(places)))
    return bins
