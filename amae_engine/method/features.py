"""Frozen features f0(x) of films, and their distance to the normal ones."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amae_engine.config import Precision
from amae_engine.method.compute_device import autocast
from amae_engine.method.image_batches import crop_and_resize, whole_boxes
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

BATCH = 64
_FOLDS = 5

Features = npt.NDArray[np.float32]


def whole_images(films: Tensor, size: int) -> Tensor:
    """Whole films (B, S, S) uint8 as standardised images (B, 1, size, size)."""
    boxes = whole_boxes(len(films), films.shape[-1], films.device)
    return crop_and_resize(films, boxes, size, None)


def encode_batch(network: MaskedAutoencoder, images: Tensor, precision: Precision) -> Tensor:
    """Features (B, d) float32 of standardised images (B, 1, H, W), without gradients."""
    with torch.no_grad(), autocast(images.device, precision):
        return network.features(images).float()


def extract_features(
    network: MaskedAutoencoder, films: Tensor, precision: Precision
) -> Generator[int, None, Tensor]:
    """Features (n, d) float32 of films (n, S, S); yields the films done after each batch."""
    network.eval()
    features = []
    for start in range(0, len(films), BATCH):
        batch = films[start : start + BATCH]
        images = whole_images(batch, network.config.image_size)
        features.append(encode_batch(network, images, precision))
        yield start + len(batch)
    return torch.cat(features)


def mahalanobis(normals: Features, others: Features) -> npt.NDArray[np.float32]:
    """Mahalanobis distance of `others` (m, d) to `normals` (n, d), covariance by Ledoit-Wolf."""
    distance: npt.NDArray[np.float32] = np.sqrt(_fit(normals).mahalanobis(others))
    return distance.astype(np.float32)


def cross_fitted_mahalanobis(normals: Features) -> npt.NDArray[np.float32]:
    """Each normal's distance to a fit that did not see it (five folds, by row)."""
    distances = np.zeros(len(normals), dtype=np.float32)
    fold = np.arange(len(normals)) % _FOLDS
    for number in range(_FOLDS):
        left_out = fold == number
        distances[left_out] = mahalanobis(normals[~left_out], normals[left_out])
    return distances


def _fit(normals: Features) -> Any:
    from sklearn.covariance import LedoitWolf

    return LedoitWolf().fit(normals.astype(np.float64))
