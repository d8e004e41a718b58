"""FPI (Tan et al., 2020) and PII (Tan et al., 2021): a square of a second image, at the same place.

The label of every pixel that changed is the mixing factor α.
"""

from __future__ import annotations

import torch
from torch import Tensor

from amae_engine.synthesis.placing import box_mask, uniform
from amae_engine.synthesis.poisson import blend, gradient, stronger

HALF_WIDTH = (0.05, 0.20)  # of the side
CENTRE = (0.1, 0.9)
ALPHA = (0.05, 0.95)


def fpi(images: Tensor, others: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix a square of each image with the same square of another: (1 − α)·x + α·other.

    Args:
        images: (B, S, S) in [0, 1].
        others: (B, S, S), the second images.
        random: On the images' device.

    Returns:
        The images, and the labels (B, S, S): α where the square changed a pixel, else 0.
    """
    first, last, alpha = _squares(images, random)
    mask = box_mask(images.shape[-1], (first + last) / 2, (last - first) / 2)
    weight = mask * alpha[:, None, None]
    return images + weight * (others - images), weight * (others != images)


def pii(images: Tensor, others: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same, but with gradients mixed ((1 − α)·∇x or α·∇other, the stronger) and no seam."""
    first, last, alpha = _squares(images, random)
    factor = alpha[:, None, None]
    own, foreign = gradient(images), gradient(others)
    guide = stronger(
        ((1 - factor) * own[0], (1 - factor) * own[1]), (factor * foreign[0], factor * foreign[1])
    )
    lowest, highest = images.amin(dim=(1, 2), keepdim=True), images.amax(dim=(1, 2), keepdim=True)
    blended = blend(images, guide, first, last - first + 1).clamp(lowest, highest)
    mask = box_mask(images.shape[-1], (first + last) / 2, (last - first) / 2)
    changed = torch.where(mask, blended, images)
    return changed, (changed != images) * factor


def _squares(images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """First and last row and column (B, 2) of a square inside each image's edge, and α (B,)."""
    count, side = images.shape[0], images.shape[-1]
    half = (uniform(count, *HALF_WIDTH, random) * side).round().clamp(min=1)[:, None]
    centre = (uniform(2 * count, *CENTRE, random).view(count, 2) * side).floor()
    first = (centre - half).clamp(min=1)
    last = (centre + half - 1).clamp(max=side - 2)
    return first, last, uniform(count, *ALPHA, random)
