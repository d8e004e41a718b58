"""The χ² distance between score histograms of normal and abnormal images (Fig. 3 b)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BINS = 100

Values = npt.NDArray[np.float64]


def chi_square_distance(truth: npt.NDArray[np.integer], scores: Values) -> float:
    """½ Σ (a − b)² / (a + b) over 100 bins of two density histograms: 0 (equal) to 100 (apart).

    The scores are scaled to [0, 1] first, as the code of [5] does.
    """
    normal, abnormal = (_counts(scores, truth == kind) for kind in (0, 1))
    return float(_distances(normal, abnormal, normal.sum(), abnormal.sum()).sum())


def chi_square_by_chance(truth: npt.NDArray[np.integer], scores: Values) -> float:
    """The distance that these scores have on average where truth is dealt to them at random.

    Few images in 100 bins are apart by chance alone, so a distance is read next to this one.
    Exact: how many of a bin's images are normal is then hypergeometric.
    """
    from scipy.stats import hypergeom

    normals, abnormals = int((truth == 0).sum()), int((truth == 1).sum())
    counts = _counts(scores, np.ones(len(scores), bool))
    expected = 0.0
    for held, bins in zip(*np.unique(counts, return_counts=True), strict=True):
        normal = np.arange(held + 1)
        chances = hypergeom.pmf(normal, normals + abnormals, normals, held)
        distances = _distances(normal, held - normal, normals, abnormals)
        expected += bins * float(chances @ distances)
    return expected


def _counts(scores: Values, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of the chosen scores lie in each bin, all scaled to [0, 1]."""
    low, high = float(scores.min()), float(scores.max())
    scaled = (scores - low) / ((high - low) or 1.0)
    return np.histogram(scaled[chosen], bins=_BINS, range=(0, 1))[0]


def _distances(
    normal: npt.NDArray[np.int64], abnormal: npt.NDArray[np.int64], normals: int, abnormals: int
) -> Values:
    """What bins with these counts add, of densities over all normal and all abnormal images."""
    a, b = _BINS * normal / normals, _BINS * abnormal / abnormals
    total = np.where(a + b > 0, a + b, 1.0)
    found: Values = 0.5 * (a - b) ** 2 / total
    return found
