"""Bands of ROC and precision-recall curves by resampling patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.roc import Truth, Values, precision_recall_curve, roc_curve

_GRID = 101
_REPEATS = 200


@dataclass(frozen=True, slots=True)
class Band:
    """Pointwise 95 % bounds of a curve; every field is (101,)."""

    x: Values
    low: Values
    high: Values


def roc_band(
    truth: Truth, scores: Values, patients: npt.NDArray[np.integer], seed: int = 0
) -> Band:
    """Bounds of the sensitivity at each 1 − specificity."""

    def along(truth: Truth, scores: Values) -> Values:
        curve = roc_curve(truth, scores)
        return np.interp(grid, curve.x, curve.y)

    grid = np.linspace(0, 1, _GRID)
    return _band(grid, along, truth, scores, patients, seed)


def pr_band(truth: Truth, scores: Values, patients: npt.NDArray[np.integer], seed: int = 0) -> Band:
    """Bounds of the precision at each recall."""

    def along(truth: Truth, scores: Values) -> Values:
        curve = precision_recall_curve(truth, scores)
        return np.interp(grid, curve.x[::-1], curve.y[::-1])

    grid = np.linspace(0, 1, _GRID)
    return _band(grid, along, truth, scores, patients, seed)


def _band(
    grid: Values,
    along: Callable[[Truth, Values], Values],
    truth: Truth,
    scores: Values,
    patients: npt.NDArray[np.integer],
    seed: int,
) -> Band:
    random = np.random.default_rng(seed)
    _, group = np.unique(patients, return_inverse=True)
    members = [np.flatnonzero(group == number) for number in range(int(group.max()) + 1)]
    found = []
    for _ in range(_REPEATS):
        drawn = random.integers(0, len(members), len(members))
        places = np.concatenate([members[number] for number in drawn])
        own = truth[places]
        if own.min() != own.max():
            found.append(along(own, scores[places]))
    if not found:
        nothing = np.full(len(grid), np.nan)
        return Band(grid, nothing, nothing)
    low, high = np.percentile(np.stack(found), (2.5, 97.5), axis=0)
    return Band(grid, low, high)
