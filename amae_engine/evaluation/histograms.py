"""The χ² distance between score histograms of normal and abnormal images (Fig. 3 b)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BINS = 100

Values = npt.NDArray[np.float64]


def chi_square_distance(truth: npt.NDArray[np.integer], scores: Values) -> float:
    """½ Σ (a − b)² / (a + b) over 100 bins of two density histograms.

    The scores are scaled to [0, 1] first, as the code of [5] does; 0 for equal histograms.
    """
    low, high = float(scores.min()), float(scores.max())
    if high == low:
        return 0.0
    scaled = (scores - low) / (high - low)
    normal, _ = np.histogram(scaled[truth == 0], bins=_BINS, range=(0, 1), density=True)
    abnormal, _ = np.histogram(scaled[truth == 1], bins=_BINS, range=(0, 1), density=True)
    total = normal + abnormal
    used = total > 0
    return float(0.5 * ((normal - abnormal)[used] ** 2 / total[used]).sum())
