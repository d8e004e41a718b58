"""A Gaussian of normal images, and how far other images lie from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Normal images' distribution in d numbers.

    Attributes:
        centre: (d,) float64.
        precision: (d, d) float64, the covariance's inverse.
    """

    centre: Floats
    precision: Floats

    def distance(self, others: npt.NDArray[np.floating]) -> Floats:
        """Mahalanobis distances (m,) of rows (m, d); to the bit the same whatever the other rows."""
        offsets = others.astype(np.float64) - self.centre
        squared = np.array([offset @ self.precision @ offset for offset in offsets])
        found: Floats = np.sqrt(np.maximum(squared, 0))
        return found
