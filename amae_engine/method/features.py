"""Frozen features f0(x) of films, and their distance to the normal ones."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amae_engine.config import Precision
from amae_engine.method import processes
from amae_engine.method.compute_device import autocast
from amae_engine.method.films import Films, split_rows
from amae_engine.method.image_batches import crop_and_resize, whole_box
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

BATCH = 64
_FOLDS = 5

Features = npt.NDArray[np.float32]


def whole_images(films: Tensor, size: int) -> Tensor:
    """Whole films (B, S, S) uint8 as standardised images (B, 1, size, size)."""
    return crop_and_resize(films, whole_box(films.shape[-1], films.device), size, None)


def encode_batch(network: MaskedAutoencoder, images: Tensor, precision: Precision) -> Tensor:
    """Features (B, d) float32 of standardised images (B, 1, H, W), without gradients."""
    with torch.no_grad(), autocast(images.device, precision):
        return network.features(images).float()


def extract_features(
    network: MaskedAutoencoder, films: Films, precision: Precision
) -> Generator[int, None, Tensor]:
    """Features (n, d) float32 of films; yields the films done after each batch.

    Several processes share each batch, and all get the whole result.
    """
    network.eval()
    features: list[Tensor] = []
    done = 0
    batches = split_rows(len(films), BATCH)
    mine = [rows[processes.share(len(rows))] for rows in batches]
    for rows, batch in zip(batches, films.batches(mine), strict=True):
        images = whole_images(batch, network.config.image_size)
        part = encode_batch(network, images, precision)
        features.append(processes.all_rows(part, len(rows)))
        done += len(rows)
        yield done
    if not features:
        return torch.zeros(0, network.config.encoder_width, device=films.device)
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
