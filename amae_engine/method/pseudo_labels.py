"""Pseudo-labels (section 2.2): which unlabeled images are reliably normal or abnormal.

NumPy only: the window calls this at every move of a cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from amae_engine.config import KeepRule, PseudoLabelConfig

Floats = npt.NDArray[np.float32]

_STEPS = 200  # of the mixture's expectation-maximisation


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
        confidence: (M,) max(p, 1 − p).
        threshold_normal: Probability at or below which an image is pseudo-normal.
        threshold_abnormal: Probability at or above which an image is pseudo-abnormal.
        by_reader: (M,) True where a reader decided.
    """

    labels: npt.NDArray[np.int8]
    confidence: Floats
    threshold_normal: float
    threshold_abnormal: float
    by_reader: npt.NDArray[np.bool_]


def assign(
    probability: Floats, decided: npt.NDArray[np.int8], config: PseudoLabelConfig
) -> PseudoLabels:
    """Label the images whose confidence lies in its class's top K %.

    Args:
        probability: (M,) P(abnormal | x).
        decided: (M,) a reader's `PseudoLabel`, or `UNUSED` where no reader decided. A
            decision wins over any confidence.
        config: K and its reading.
    """
    abnormal = probability >= 0.5
    confidence = np.maximum(probability, 1 - probability).astype(np.float32)
    if config.rule is KeepRule.WITHIN_CLASS:
        cut_normal = 1 - _cut(confidence[~abnormal], config.keep_percent)
        cut_abnormal = _cut(confidence[abnormal], config.keep_percent)
    else:
        # t_c over all images, per class probability; a class keeps only its own side of 0.5
        share = config.keep_percent
        cut_normal = min(1 - _cut(1 - probability, share), float(np.nextafter(0.5, 0)))
        cut_abnormal = max(_cut(probability, share), 0.5)
    labels = np.full(len(probability), PseudoLabel.UNUSED, dtype=np.int8)
    labels[~abnormal & (1 - probability >= 1 - cut_normal)] = PseudoLabel.NORMAL
    labels[abnormal & (probability >= cut_abnormal)] = PseudoLabel.ABNORMAL
    by_reader = decided != PseudoLabel.UNUSED
    labels[by_reader] = decided[by_reader]
    return PseudoLabels(labels, confidence, cut_normal, cut_abnormal, by_reader)


def _cut(confidence: Floats, keep_percent: float) -> float:
    """t_c: the lowest confidence that still belongs to the top K %; 1.0 for an empty class."""
    if len(confidence) == 0:
        return 1.0
    kept = max(1, round(len(confidence) * keep_percent / 100))
    return float(np.partition(confidence, -kept)[-kept])


def density_probability(distances: Floats, normal_distances: Floats) -> Floats:
    """P(abnormal | distance) by two Gaussians of equal width on the log-distance.

    Args:
        distances: (M,) Mahalanobis distances of the unlabeled images.
        normal_distances: (N,) cross-fitted distances of the normal images.

    Returns:
        (M,) the posterior of the farther Gaussian; rises with the distance.
    """
    from sklearn.mixture import GaussianMixture

    both = np.log(np.concatenate((normal_distances, distances)))[:, None].astype(np.float64)
    ends = np.percentile(both, [25, 90])[:, None]
    mixture = GaussianMixture(2, covariance_type="tied", means_init=ends, random_state=0).fit(both)
    farther = int(np.argmax(mixture.means_[:, 0]))
    posterior = mixture.predict_proba(np.log(distances)[:, None].astype(np.float64))
    return posterior[:, farther].astype(np.float32)


def mixture_posterior(normal: Floats, unlabeled: Floats) -> tuple[Floats, float]:
    """P(abnormal | x) of the unlabeled images, and the anomaly ratio that it implies.

    U's scores are taken for a mixture of N's distribution, a known Gaussian, and a second one of
    the same width that lies higher; its place and share are found by expectation-maximisation.

    Args:
        normal: (n,) cross-fitted scores of the normal images.
        unlabeled: (m,) of the unlabeled images.

    Returns:
        The second Gaussian's posterior (m,) in 0…1, which rises with the score, and its share.
    """
    width = max(float(normal.std()), 1e-6)
    z = (unlabeled.astype(np.float64) - float(normal.mean())) / width
    place, share = max(float(np.percentile(z, 90)), 0.5), 0.5
    posterior = np.full(len(z), share)
    for _ in range(_STEPS):
        odds = np.log(share / (1 - share)) + place * z - place**2 / 2
        posterior = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
        share = float(np.clip(posterior.mean(), 0.01, 0.99))
        place = max(float((posterior * z).sum() / posterior.sum()), 0.5)
    return posterior.astype(np.float32), share
