"""Ranks of values, equal ones alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def midranks(values: npt.NDArray[np.floating]) -> Values:
    """Ranks (n,) from 1; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (counts.cumsum() - (counts - 1) / 2)[place]
    return ranks


def relative_ranks(values: npt.NDArray[np.floating]) -> Values:
    """Ranks (n,) from 0, the lowest, to 1, the highest; NaN for a NaN, which counts for none."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), np.nan)
    ranks[known] = (midranks(values[known]) - 1) / max(int(known.sum()) - 1, 1)
    return ranks


def share_below(values: Values, among: Values) -> Values:
    """Share of `among` (m,) below each of the values (n,), equal ones half: 0 to 1."""
    ordered = np.sort(among)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((below + upto) / 2 / max(len(ordered), 1), dtype=np.float64)
