"""Discrepancy maps and scores of test images (Eq. 4), and the modules' likelihood ratio."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amae_engine.config import Precision
from amae_engine.method.compute_device import autocast
from amae_engine.method.masking import Masks
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


@dataclass(frozen=True, slots=True)
class BatchMaps:
    """Maps (B, H, W) of images, or (B, T, c) of patches: float32, in standardised units.

    Attributes:
        mean_a: μ̂_A, the mean of module A's L reconstructions.
        mean_b: μ̂_B.
        spread: Standard deviation of |x̂_A − x̂_B| over the L masks: how stable a finding is.
        discrepancy: |μ̂_A − μ̂_B| (Eq. 4).
        likelihood_ratio: (x − μ̂_A)² − (x − μ̂_B)²; positive where B explains the image better.
    """

    mean_a: Tensor
    mean_b: Tensor
    spread: Tensor
    discrepancy: Tensor
    likelihood_ratio: Tensor


def compare_modules(
    module_a: MaskedAutoencoder,
    module_b: MaskedAutoencoder,
    images: Tensor,
    masks: Masks,
    precision: Precision,
    masked_only: bool = False,
) -> BatchMaps:
    """Reconstruct images with both modules under the same L masks and compare the means.

    Args:
        module_a: Adapted to normal images.
        module_b: Adapted to abnormal images.
        images: (B, 1, H, W) standardised.
        masks: L masks; every image and both modules share them.
        precision: Of the matrix products.
        masked_only: Average only predictions of removed patches (the paper averages all).
    """
    patches = module_a.patchify(images)
    found = compare_patches(module_a, module_b, patches, masks, precision, masked_only)
    each = (found.mean_a, found.mean_b, found.spread, found.discrepancy, found.likelihood_ratio)
    return BatchMaps(*(module_a.unpatchify(values)[:, 0] for values in each))


def compare_patches(
    module_a: MaskedAutoencoder,
    module_b: MaskedAutoencoder,
    patches: Tensor,
    masks: Masks,
    precision: Precision,
    masked_only: bool = False,
) -> BatchMaps:
    """`compare_modules` of patches (B, T, c), be they of pixels or tokens."""
    reconstructed_a = reconstructions(module_a, patches, masks, precision)  # (B, L, T, c)
    reconstructed_b = reconstructions(module_b, patches, masks, precision)
    weights = _weights(masks, reconstructed_a, masked_only)
    mean_a = (reconstructed_a * weights).sum(dim=1)  # (B, T, c)
    mean_b = (reconstructed_b * weights).sum(dim=1)
    between = (reconstructed_a - reconstructed_b).abs()
    centre = (between * weights).sum(dim=1, keepdim=True)
    spread = ((between - centre).square() * weights).sum(dim=1).sqrt()
    ratio = (patches - mean_a).square() - (patches - mean_b).square()
    return BatchMaps(mean_a, mean_b, spread, (mean_a - mean_b).abs(), ratio)


def reconstructions(
    network: MaskedAutoencoder, patches: Tensor, masks: Masks, precision: Precision
) -> Tensor:
    """All patches (B, L, T, c) as predicted under each of L masks from (B, T, c), in one batch."""
    count, each = len(patches), len(masks.kept)
    patches = patches.repeat_interleave(each, dim=0)  # (B·L, T, c)
    kept = masks.kept.repeat(count, 1)
    with torch.no_grad(), autocast(patches.device, precision):
        predicted = network.decode(network.encode(patches, kept), kept)
    return predicted.float().unflatten(0, (count, each))


def _weights(masks: Masks, predicted: Tensor, masked_only: bool) -> Tensor:
    """(1, L, T, 1): each prediction's share in its patch's mean."""
    each, patches = predicted.shape[1], predicted.shape[2]
    weights = torch.ones(each, patches, device=predicted.device)
    if masked_only:
        weights.scatter_(1, masks.kept, 0.0)
        # a patch that every mask showed has no masked prediction: keep the plain mean there
        weights[:, weights.sum(dim=0) == 0] = 1.0
    return (weights / weights.sum(dim=0))[None, :, :, None]
