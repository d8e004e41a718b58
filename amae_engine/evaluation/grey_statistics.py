"""The trivial baseline: a distance on eleven global grey-value statistics.

A detector that does not beat it has learned nothing that a histogram does not know.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.gaussian import Gaussian

_DARK = 15  # grey levels counted as dark border

StoredImages = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def grey_density(normals: Floats) -> Gaussian:
    """The distribution of normal images' statistics (n, 11)."""
    precision = np.linalg.pinv(np.cov(normals, rowvar=False))
    return Gaussian(normals.mean(axis=0), np.asarray(precision, dtype=np.float64))


def grey_features(images: StoredImages) -> Floats:
    """Eleven statistics (B, 11) of images (B, S, S) uint8; take a few hundred at a time.

    Mean, spread, share of dark pixels, mean of the edge, 5th and 95th percentile, mean and
    spread of the centre, mean horizontal, vertical and central gradient.
    """
    values = images.astype(np.float32)
    side = values.shape[1]
    flat = values.reshape(len(values), -1)
    border = side // 16
    edge = np.ones((side, side), dtype=bool)
    edge[border:-border, border:-border] = False
    quarter = side // 4
    centre = values[:, quarter:-quarter, quarter:-quarter]
    low, high = np.percentile(flat, (5, 95), axis=1)
    columns = (
        flat.mean(axis=1),
        flat.std(axis=1),
        (flat < _DARK).mean(axis=1),
        values[:, edge].mean(axis=1),
        low,
        high,
        centre.mean(axis=(1, 2)),
        centre.std(axis=(1, 2)),
        np.abs(np.diff(values, axis=2)).mean(axis=(1, 2)),
        np.abs(np.diff(values, axis=1)).mean(axis=(1, 2)),
        np.abs(np.diff(centre, axis=2)).mean(axis=(1, 2)),
    )
    return np.stack(columns, axis=1).astype(np.float64)
