"""Pseudo-labels (section 2.2): which unlabeled images are reliably normal or abnormal.

NumPy and SciPy only: the window calls this at every move of a cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from amae_engine.config import KeepRule, PseudoLabelConfig
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import Ids, drawn

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_STEPS = 200  # of the mixture's expectation-maximisation
_SETTLED = 1e-6  # of share and place
_WIDEST = 4.0  # of N's widths
_RANKS = 1e-9  # log-odds a width of N, where images have the same posterior
_TINY, _EPSILON = 1e-300, 2.0**-53  # a probability that is 0 or 1 in double precision


class PseudoLabel(IntEnum):
    """What becomes of an unlabeled image in stage 2."""

    EXCLUDED = -2  # by a reader
    UNUSED = -1  # not confident enough
    NORMAL = 0  # in Un: module A
    ABNORMAL = 1  # in Ua: module B


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """Labels of M unlabeled images.

    Attributes:
        labels: (M,) int8 of `PseudoLabel`.
        cut_normal: Log-odds at or below which an image is pseudo-normal.
        cut_abnormal: Log-odds at or above which an image is pseudo-abnormal.
        by_reader: (M,) True where a reader decided.
    """

    labels: npt.NDArray[np.int8]
    cut_normal: float
    cut_abnormal: float
    by_reader: npt.NDArray[np.bool_]


def probability_of(log_odds: npt.ArrayLike) -> Doubles:
    """P(abnormal | x) of log-odds: what a reader sees; it runs together at 0 and 1."""
    from scipy.special import expit

    found: Doubles = expit(np.asarray(log_odds, dtype=np.float64))
    return found


def log_odds_of(probability: npt.ArrayLike) -> Doubles:
    """Log-odds of P(abnormal | x) in double precision."""
    from scipy.special import logit

    found: Doubles = logit(np.clip(np.asarray(probability, dtype=np.float64), _TINY, 1 - _EPSILON))
    return found


def assign(
    log_odds: Doubles, decided: npt.NDArray[np.int8], config: PseudoLabelConfig
) -> PseudoLabels:
    """Label the images whose confidence lies in its class's top K %.

    Images are ranked by their log-odds: they rank as the probabilities do, and still tell images
    apart whose probabilities are 0 or 1 to the last digit.

    Args:
        log_odds: (M,) log P(abnormal | x) / P(normal | x).
        decided: (M,) a reader's `PseudoLabel`, or `UNUSED` where no reader decided. A
            decision wins over any confidence.
        config: K and its reading.
    """
    abnormal = log_odds >= 0
    if config.rule is not KeepRule.OVER_ALL:
        cut_normal = -_cut(-log_odds[~abnormal], config.keep_percent)
        cut_abnormal = _cut(log_odds[abnormal], config.keep_of_abnormal)
    else:
        # t_c over all images, per class probability; a class keeps only its own side of 0.5
        cut_normal = min(-_cut(-log_odds, config.keep_percent), float(np.nextafter(0, -1)))
        cut_abnormal = max(_cut(log_odds, config.keep_of_abnormal), 0.0)
    labels = by_cuts(log_odds, cut_normal, cut_abnormal)
    by_reader = decided != PseudoLabel.UNUSED
    labels[by_reader] = decided[by_reader]
    return PseudoLabels(labels, cut_normal, cut_abnormal, by_reader)


def by_cuts(log_odds: Doubles, cut_normal: float, cut_abnormal: float) -> npt.NDArray[np.int8]:
    """The labels (M,) that ratings alone give; a class keeps its own side of 0.

    Args:
        log_odds: (M,) log P(abnormal | x) / P(normal | x).
        cut_normal: At or below which an image is pseudo-normal.
        cut_abnormal: At or above which an image is pseudo-abnormal.
    """
    labels = np.full(len(log_odds), PseudoLabel.UNUSED, dtype=np.int8)
    labels[(log_odds < 0) & (log_odds <= cut_normal)] = PseudoLabel.NORMAL
    labels[(log_odds >= 0) & (log_odds >= cut_abnormal)] = PseudoLabel.ABNORMAL
    return labels


def _cut(confidence: Doubles, keep_percent: float) -> float:
    """t_c: the lowest confidence that still belongs to the top K %; infinite for an empty class."""
    if len(confidence) == 0:
        return float("inf")
    kept = max(1, round(len(confidence) * keep_percent / 100))
    return float(np.partition(confidence, -kept)[-kept])


def density_log_odds(distances: Floats, normal_distances: Floats) -> Doubles:
    """Log-odds of abnormal by two Gaussians of equal width on the log-distance.

    Args:
        distances: (M,) Mahalanobis distances of the unlabeled images.
        normal_distances: (N,) cross-fitted distances of the normal images.

    Returns:
        (M,) the posterior log-odds of the farther Gaussian; they rise with the distance.
    """
    from sklearn.mixture import GaussianMixture

    both = np.log(np.concatenate((normal_distances, distances)))[:, None].astype(np.float64)
    ends = np.percentile(both, [25, 90])[:, None]
    mixture = GaussianMixture(2, covariance_type="tied", means_init=ends, random_state=0).fit(both)
    nearer, farther = np.argsort(mixture.means_[:, 0])
    low, high = mixture.means_[nearer, 0], mixture.means_[farther, 0]
    share = np.log(mixture.weights_[farther] / mixture.weights_[nearer])
    logs = np.log(distances.astype(np.float64))
    slope = (high - low) / mixture.covariances_[0, 0]
    found: Doubles = share + slope * (logs - (low + high) / 2)
    return found


@dataclass(frozen=True, slots=True)
class Mixture:
    """U's scores as two Gaussians: N's, which is known, and a higher, wider one of abnormal images.

    Attributes:
        mean, width: N's.
        place, spread: The other's mean and width, in N's widths from N's mean; the spread is at least 1.
        share: The other's: the anomaly ratio.
    """

    mean: float
    width: float
    place: float
    spread: float
    share: float

    def log_odds(self, scores: npt.NDArray[np.floating]) -> Doubles:
        """Log-odds of abnormal (m,), which rise with the score.

        Where the second Gaussian is the wider one, its posterior would rise again below all normal
        images; there the lowest value holds, and images still rank as their scores do.
        """
        z = (scores.astype(np.float64) - self.mean) / self.width
        excess = 1 - 1 / self.spread**2
        lowest = -self.place / (self.spread**2 - 1) if excess > 0 else -np.inf
        inside = np.maximum(z, lowest)
        odds = (
            np.log(self.share / (1 - self.share) / self.spread)
            + (inside**2 - ((inside - self.place) / self.spread) ** 2) / 2
        )
        found: Doubles = odds + _RANKS * (z - inside)
        return found


def fit_mixture(
    normal: npt.NDArray[np.floating],
    unlabeled: npt.NDArray[np.floating],
    counts: Doubles | None = None,
    of_unlabeled: Doubles | None = None,
) -> Mixture:
    """Find the second Gaussian's place, width and share by expectation-maximisation.

    Args:
        normal: (n,) cross-fitted scores of the normal images.
        unlabeled: (m,) of the unlabeled images.
        counts: (n,) what each normal image counts; 1 by default.
        of_unlabeled: (m,) what each unlabeled image counts; 1 by default.
    """
    mean = float(np.average(normal, weights=counts))
    width = max(float(np.sqrt(np.average((normal - mean) ** 2, weights=counts))), 1e-6)
    z = (unlabeled.astype(np.float64) - mean) / width
    found = Mixture(mean, width, max(float(np.percentile(z, 90)), 0.5), 1.0, 0.5)
    weights = np.ones(len(z)) if of_unlabeled is None else of_unlabeled
    for _ in range(_STEPS):
        posterior = weights * probability_of(found.log_odds(unlabeled))
        total = max(float(posterior.sum()), _TINY)
        share = float(np.clip(total / weights.sum(), 0.01, 0.99))
        place = max(float((posterior * z).sum()) / total, 0.5)
        spread = math.sqrt(float((posterior * (z - place) ** 2).sum()) / total)
        before, found = (
            found,
            Mixture(mean, width, place, float(np.clip(spread, 1.0, _WIDEST)), share),
        )
        if abs(found.share - before.share) + abs(found.place - before.place) < _SETTLED:
            break
    return found


def ratio_interval(
    normal: npt.NDArray[np.floating],
    unlabeled: npt.NDArray[np.floating],
    patients: tuple[Ids, Ids],
    counts: Doubles | None = None,
    repeats: int = 200,
    level: float = 0.95,
) -> Measured:
    """The anomaly ratio that a mixture implies, and its interval: a bootstrap over patients.

    Args:
        normal: (n,) cross-fitted scores.
        unlabeled: (m,) likewise.
        patients: (n,) and (m,) whose images they are.
        counts: (n,) what each normal image counts.
        repeats: Draws.
        level: Of the interval.
    """
    own = np.ones(len(normal)) if counts is None else counts
    draws = (drawn(each, repeats, seed) for seed, each in enumerate(patients))
    shares = [
        fit_mixture(normal, unlabeled, own * of_normal, of_unlabeled).share
        for some in zip(*draws, strict=True)
        for of_normal, of_unlabeled in zip(*some, strict=True)
        if (own * of_normal).sum() > 0
    ]
    low, high = np.percentile(shares, (50 - 50 * level, 50 + 50 * level))
    share = fit_mixture(normal, unlabeled, counts).share
    return Measured(share, min(float(low), share), max(float(high), share))
