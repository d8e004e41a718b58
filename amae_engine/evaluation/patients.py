"""Several images of one patient are not several patients: numbering them, and Student's t."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.measured import Measured

_AT_ONCE = 100  # bounds the memory of a bootstrap to 100 × n numbers
FEWEST = 5  # patients of the rarer class, below which no interval and no test holds
Ids = npt.NDArray[np.integer]


def numbered(patients: Ids | None, images: int) -> tuple[npt.NDArray[np.intp], int]:
    """Each image's patient (n,) from 0, and how many there are; None: every image has its own."""
    if patients is None:
        return np.arange(images), images
    found, place = np.unique(np.asarray(patients), return_inverse=True)
    return place.reshape(-1), len(found)


def mean_of(values: npt.NDArray[np.float64], patients: Ids | None, level: float = 0.95) -> Measured:
    """The mean of a number of each image (n,), and its interval by patients (Student's t)."""
    images = len(values)
    owner, count = numbered(patients, images)
    mean = float(values.mean()) if images else math.nan
    if count < 2:
        return Measured(mean, math.nan, math.nan)
    spread = np.bincount(owner, values - mean, count)
    error = math.sqrt(count / (count - 1) * float((spread**2).sum())) / images
    half = t_quantile(level, count - 1) * error
    return Measured(mean, mean - half, mean + half)


def drawn(patients: Ids, repeats: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """For a bootstrap over patients: how often each image (n,) was drawn, in parts (r, n)."""
    random = np.random.default_rng(seed)
    owner, count = numbered(patients, len(patients))
    for start in range(0, repeats, _AT_ONCE):
        size = min(_AT_ONCE, repeats - start)
        times = random.multinomial(count, np.full(count, 1 / count), size=size)  # (r, patients)
        yield times[:, owner].astype(np.float64)


def t_quantile(level: float, freedom: int) -> float:
    """Half the width of a two-sided interval in standard errors, by Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def t_p_value(statistic: float, freedom: int) -> float:
    """Two-sided, by Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(statistic)))
