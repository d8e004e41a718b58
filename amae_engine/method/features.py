"""Frozen features f0(x) of images, and their distance to the normal ones."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amae_engine import processes
from amae_engine.config import Precision
from amae_engine.evaluation.gaussian import Gaussian
from amae_engine.method.compute_device import autocast, random_generator
from amae_engine.method.image_batches import (
    crop_and_resize,
    random_boxes,
    standardise,
    to_grey,
    whole_box,
)
from amae_engine.method.stored_images import StoredImages, split_rows
from amae_engine.models.encoders import FrozenEncoder
from amae_engine.models.token_groups import group_slice

BATCH = 64
_FOLDS = 5
_SMALLEST_VIEW = 0.8  # of the image's area
_GAMMA, _CONTRAST, _BRIGHTNESS = 0.25, 0.1, 0.05  # standard deviations

Features = npt.NDArray[np.float32]


def whole_images(stored: Tensor, size: int) -> Tensor:
    """Whole images (B, S, S) uint8 as standardised images (B, 1, size, size)."""
    return crop_and_resize(stored, whole_box(stored.shape[-1], stored.device), size, None)


def encode_batch(encoder: FrozenEncoder, images: Tensor, precision: Precision) -> Tensor:
    """Features (B, d) float32 of standardised images (B, 1, H, W): the mean of their tokens."""
    return encode_tokens(encoder, images, precision).mean(dim=1)


def encode_for_maps(encoder: FrozenEncoder, images: Tensor, precision: Precision) -> Tensor:
    """The part of the tokens that maps are made of (B, T, d) float32, without gradients."""
    with torch.no_grad(), autocast(images.device, precision):
        return encoder.map_tokens(images).float()


def encode_tokens(encoder: FrozenEncoder, images: Tensor, precision: Precision) -> Tensor:
    """Tokens (B, T, d) float32 of standardised images (B, 1, H, W), without gradients."""
    with torch.no_grad(), autocast(images.device, precision):
        return encoder.patch_tokens(images).float()


def extract_features(
    encoder: FrozenEncoder,
    stored: StoredImages,
    precision: Precision,
    random_views: int = 0,
    seed: int = 0,
    keep: Callable[[npt.NDArray[np.float16]], None] | None = None,
) -> Generator[int, None, Tensor]:
    """Features (n, V, d) float32 of V views of images; yields the images done after each batch.

    The views are the whole image, its mirror image, and so many random ones (`random_view`).
    Several processes share each batch, and all get the whole result.

    Args:
        encoder: f0.
        stored: The images.
        precision: Of the matrix products.
        random_views: How many.
        seed: Of the random views.
        keep: Called with the tokens (B, T, d) of each batch of whole images, of the encoder's
            `map_group` alone.
    """
    encoder.eval()
    of_map = group_slice(encoder.groups, encoder.map_group)
    features: list[Tensor] = []
    done, size = 0, encoder.image_size
    batches = split_rows(len(stored), BATCH)
    mine = [rows[processes.share(len(rows))] for rows in batches]
    for number, (rows, batch) in enumerate(zip(batches, stored.batches(mine), strict=True)):
        images = whole_images(batch, size)
        random = random_generator(stored.device, seed, number)
        others = [random_view(batch, len(rows), size, random) for _ in range(random_views)]
        whole = encode_tokens(encoder, images, precision)
        if keep is not None:
            tokens = processes.all_rows(whole[..., of_map].half(), len(rows))
            keep(tokens.cpu().numpy())
        views = (images.flip(-1), *others)
        parts = [whole.mean(dim=1), *(encode_batch(encoder, view, precision) for view in views)]
        features.append(processes.all_rows(torch.stack(parts, dim=1), len(rows)))
        done += len(rows)
        yield done
    if not features:
        return torch.zeros(0, 2 + random_views, encoder.token_width, device=stored.device)
    return torch.cat(features)


def random_view(stored: Tensor, count: int, size: int, random: torch.Generator) -> Tensor:
    """Images as another acquisition might show them: crop, mirror, gamma, contrast, brightness.

    Args:
        stored: (B, S, S) uint8; this process's share of a batch.
        count: The whole batch's images; every process draws for all of them.
        size: Of the images.
        random: On the images' device.

    Returns:
        (B, 1, size, size) standardised.
    """
    mine, device = processes.share(count), stored.device
    boxes = random_boxes(count, stored.shape[-1], _SMALLEST_VIEW, random)[mine]
    draws = torch.randn(3, count, 1, 1, 1, generator=random, device=device)[:, mine]
    mirrored = torch.rand(count, generator=random, device=device)[mine] < 0.5
    grey = to_grey(crop_and_resize(stored, boxes, size, mirrored)).clamp(1e-4, 1)
    gamma, contrast, brightness = (
        (_GAMMA * draws[0]).exp(), 1 + _CONTRAST * draws[1], _BRIGHTNESS * draws[2]
    )  # fmt: skip
    return standardise(((grey**gamma - 0.5) * contrast + 0.5 + brightness).clamp(0, 1))


def normal_folds(patients: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The fold (n,) of each normal image, 0 to 4; all images of a patient are in one."""
    _, numbers = np.unique(patients, return_inverse=True)
    folds: npt.NDArray[np.int64] = numbers % _FOLDS
    return folds


def normal_density(normals: Features, folds: npt.NDArray[np.int64] | None = None) -> Gaussian:
    """The normal images' distribution in features (n, d), covariance by Ledoit-Wolf.

    Args:
        normals: (n, d).
        folds: (n,) where each fold's images have to be rated by a Gaussian that has not seen them:
            one Gaussian a fold, without its images. Any other image is then rated by the mean of them,
            and so by as many images as a normal one is; None, or a single fold: one of all.
    """
    each = [_fit(normals)]
    if folds is not None and folds.max(initial=0) > 0:
        each = [_fit(normals[folds != number]) for number in range(int(folds.max()) + 1)]
    centres, precisions = ([getattr(f, name) for f in each] for name in ("location_", "precision_"))
    if len(each) == 1:
        return Gaussian(centres[0], precisions[0])
    return Gaussian(np.stack(centres), np.stack(precisions))


def unseen_distances(
    density: Gaussian, normals: Features, folds: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Each normal image's distance (n,) to the Gaussian that did not see its patient."""
    distances = np.zeros(len(normals), dtype=np.float32)
    if density.centre.ndim == 1:  # all are one patient's
        return distances
    for number in range(len(density.centre)):
        own = folds == number
        distances[own] = density.member(number).distance(normals[own])
    return distances


def _fit(normals: Features) -> Any:
    from sklearn.covariance import LedoitWolf

    return LedoitWolf().fit(normals.astype(np.float64))
