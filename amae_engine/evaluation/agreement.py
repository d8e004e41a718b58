"""How well proportions and readers agree: Wilson's interval, by patients too; Cohen's κ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import Ids, numbered, t_quantile

_FEWEST = 5  # patients without the commoner answer, below which their spread says nothing


@dataclass(frozen=True, slots=True)
class Proportion(Measured):
    """A share and its interval; NaN without any trial."""


_NONE = Proportion(math.nan, math.nan, math.nan)


def wilson_interval(successes: float, trials: float, level: float = 0.95) -> Proportion:
    """Wilson's score interval of a proportion (Wilson, 1927)."""
    if trials == 0:
        return _NONE
    return _wilson(successes / trials, trials, NormalDist().inv_cdf(0.5 + level / 2))


def share_of(
    hits: npt.NDArray[np.bool_], patients: Ids | None = None, level: float = 0.95
) -> Proportion:
    """The share of hits (n,), and its interval by patients (n,).

    Where patients have several images, n is replaced by the number of independent images that would
    vary as much (Rao and Scott, 1992: the ratio estimator's variance), with Student's t for the
    patients (Korn and Graubard, 1998); where almost all patients answer alike, by the patients.
    """
    images = len(hits)
    if not images:
        return _NONE
    owner, count = numbered(patients, images)
    if images == count:
        return wilson_interval(int(hits.sum()), images, level)
    share = float(hits.mean())
    if count < 2:
        return Proportion(share, math.nan, math.nan)
    spread = np.bincount(owner, hits - share, count)
    variance = count / (count - 1) * float((spread**2).sum()) / images**2
    effective = min(images, share * (1 - share) / variance) if variance > 0 else images
    answers = (np.bincount(owner, side, count) > 0 for side in (hits, ~hits))
    if min(int(each.sum()) for each in answers) < _FEWEST:
        effective = min(effective, count)
    return _wilson(share, effective, t_quantile(level, count - 1))


def cohens_kappa(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> Proportion:
    """Cohen's κ of two readers on the same images.

    The interval is Wilson's of the share on which they agree, on κ's scale: for many images that of
    Cohen (1960), sqrt(p_o (1 − p_o) / n) / (1 − p_e), and never a point for few.
    """
    count = len(first)
    if count == 0:
        return _NONE
    agreed = sum(a == b for a, b in zip(first, second, strict=True))
    labels = {*first, *second}
    chance = sum((first.count(k) / count) * (second.count(k) / count) for k in labels)
    if chance == 1:  # both said the same of every image: κ is not defined
        return Proportion(1.0, math.nan, math.nan)
    observed = wilson_interval(agreed, count, level)
    value, low, high = (
        (x - chance) / (1 - chance) for x in (observed.value, observed.low, observed.high)
    )
    return Proportion(value, max(-1.0, low), min(1.0, high))


def _wilson(share: float, trials: float, z: float) -> Proportion:
    scale = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / scale
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    return Proportion(share, low, 1.0 if share >= 1 else min(1.0, centre + half))
