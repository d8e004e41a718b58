"""How well proportions and readers agree: Wilson's interval, Cohen's κ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from amae_engine.evaluation.measured import Measured


@dataclass(frozen=True, slots=True)
class Proportion(Measured):
    """A share and its interval; NaN without any trial."""


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> Proportion:
    """Wilson's score interval of a proportion (Wilson, 1927)."""
    if trials == 0:
        return Proportion(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    scale = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / scale
    return Proportion(share, max(0.0, centre - half), min(1.0, centre + half))


def cohens_kappa(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> Proportion:
    """Cohen's κ of two readers on the same images, with its large-sample interval.

    The standard error is sqrt(p_o (1 − p_o) / n) / (1 − p_e) (Cohen, 1960).
    """
    count = len(first)
    if count == 0:
        return Proportion(math.nan, math.nan, math.nan)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / count
    labels = {*first, *second}
    chance = sum((first.count(k) / count) * (second.count(k) / count) for k in labels)
    if chance == 1:
        return Proportion(1.0, 1.0, 1.0)
    kappa = (observed - chance) / (1 - chance)
    error = math.sqrt(observed * (1 - observed) / count) / (1 - chance)
    half = NormalDist().inv_cdf(0.5 + level / 2) * error
    return Proportion(kappa, max(-1.0, kappa - half), min(1.0, kappa + half))
