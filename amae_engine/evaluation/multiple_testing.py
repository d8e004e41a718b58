"""Several tests at once: Holm's correction; means of replicates; Welch's test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_NO_SPREAD = 1e-24  # a variance that rounding alone makes
_NORMAL_95 = 1.96  # as the paper states its replicates: mean ± 1.96 std


def holm(p_values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Adjusted p-values (k,) in the same order (Holm, 1979); a NaN stays one and counts for none."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


@dataclass(frozen=True, slots=True)
class Replicates:
    """A measure over runs that differ in nothing but their seed.

    Attributes:
        std: With n − 1; NaN for one run.
    """

    mean: float
    std: float
    count: int

    @property
    def half(self) -> float:
        """1.96 std, as the paper gives it."""
        return _NORMAL_95 * self.std


def replicates(values: Sequence[float]) -> Replicates:
    """Mean and standard deviation; NaNs, of runs that failed, are left out."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Replicates(math.nan, math.nan, 0)
    std = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    return Replicates(float(np.mean(known)), std, len(known))


def welch(first: Sequence[float], second: Sequence[float]) -> float:
    """Welch's two-sided p-value of equal means; NaN where either has fewer than two runs."""
    from scipy.stats import t as student

    a, b = (np.array([v for v in side if not math.isnan(v)]) for side in (first, second))
    if len(a) < 2 or len(b) < 2:
        return math.nan
    of_a, of_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    difference = float(a.mean() - b.mean())
    if of_a + of_b <= _NO_SPREAD:
        return 1.0 if difference**2 <= _NO_SPREAD else 0.0
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
    return float(2 * student.sf(abs(difference) / math.sqrt(of_a + of_b), freedom))


def stars(p_value: float) -> str:
    """As in Fig. 3: "ns", ** below 0.05, *** below 0.01; **** below 0.001 goes on from there."""
    if math.isnan(p_value):
        return ""
    found = sum(p_value < bound for bound in (0.05, 0.01, 0.001))
    return "*" * (found + 1) if found else "ns"
