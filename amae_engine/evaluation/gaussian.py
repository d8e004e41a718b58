"""Gaussians of normal images, and how far other images lie from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Normal images' distribution in d numbers: of all, or k of them, each without a part of the images.

    Attributes:
        centre: (d,) or (k, d) float64.
        precision: (d, d) or (k, d, d) float64, the covariance's inverse.
    """

    centre: Floats
    precision: Floats

    def distance(self, others: npt.NDArray[np.floating]) -> Floats:
        """Mahalanobis distances (m,) of rows (m, d), of several Gaussians the mean.

        They are to the bit the same whatever the other rows.
        """
        centres = np.atleast_2d(self.centre)
        precisions = self.precision.reshape(len(centres), *self.precision.shape[-2:])
        each = []
        for centre, precision in zip(centres, precisions, strict=True):
            offsets = others.astype(np.float64) - centre
            squared = np.array([offset @ precision @ offset for offset in offsets])
            each.append(np.sqrt(np.maximum(squared, 0)))
        found: Floats = np.mean(each, axis=0)
        return found

    def member(self, number: int) -> Gaussian:
        """One of several."""
        return Gaussian(self.centre[number], self.precision[number])
