"""CutPaste (Li et al., CVPR 2021) on batches, with the sizes that [22] uses: no blending.

Sizes are fractions of the image or pixels at 256², scaled to the image at hand.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amae_engine.synthesis.anatpaste import AREA, ASPECT, JITTER
from amae_engine.synthesis.placing import box_mask, log_uniform, moved, uniform

SCAR_WIDTH = (2, 16)  # pixels at 256²
SCAR_HEIGHT = (10, 25)
SCAR_TURN = math.radians(45)
_REFERENCE_SIDE = 256


def cutpaste(images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut a rectangle of each image (B, S, S) in [0, 1] and paste it elsewhere in it.

    Returns:
        The images, and the pasted pixels (B, S, S) bool.
    """
    count, side = images.shape[0], images.shape[-1]
    area = uniform(count, *AREA, random) * side**2
    aspect = log_uniform(count, *ASPECT, random)
    size = torch.stack(((area / aspect).sqrt(), (area * aspect).sqrt()), dim=1)
    half = size.round().clamp(2, side - 1) / 2
    return _pasted(images, half, None, random)


def cutpaste_scar(images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut a thin rectangle of each image, turn it by up to 45° and paste it elsewhere in it."""
    count, scale = images.shape[0], images.shape[-1] / _REFERENCE_SIDE
    height = uniform(count, *SCAR_HEIGHT, random) * scale
    width = uniform(count, *SCAR_WIDTH, random) * scale
    half = torch.stack((height, width), dim=1).clamp(min=1) / 2
    return _pasted(images, half, uniform(count, -SCAR_TURN, SCAR_TURN, random), random)


def cutpaste_union(images: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A patch or a scar, half each."""
    patch, patch_mask = cutpaste(images, random)
    scar, scar_mask = cutpaste_scar(images, random)
    is_patch = (uniform(len(images), 0, 1, random) < 0.5)[:, None, None]
    return torch.where(is_patch, patch, scar), torch.where(is_patch, patch_mask, scar_mask)


def _pasted(
    images: Tensor, half: Tensor, angle: Tensor | None, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    count, side = images.shape[0], images.shape[-1]
    reach = half if angle is None else half.norm(dim=1, keepdim=True).expand(-1, 2)
    places = torch.rand(2, count, 2, generator=random, device=random.device)
    # centres on whole or half pixels, so that a box covers as many pixels as it is wide
    source = (places[0] * (side - 2 * half)).floor() + half - 0.5
    target = (places[1] * (side - 2 * reach)).floor() + reach - 0.5
    patch = moved(images, source, target, angle=angle)
    mask = box_mask(side, target, half, angle)
    patch = jittered(patch, mask, random)
    return torch.where(mask, patch, images), mask


def jittered(patch: Tensor, mask: Tensor, random: torch.Generator) -> Tensor:
    """Brightness, then contrast around the patch's mean, by factors 1 ± 0.1."""
    factors = uniform(2 * len(patch), 1 - JITTER, 1 + JITTER, random).view(2, -1, 1, 1)
    brighter = (patch * factors[0]).clamp(0, 1)
    inside = mask.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    mean = (brighter * mask).sum(dim=(1, 2), keepdim=True) / inside
    return (mean + (brighter - mean) * factors[1]).clamp(0, 1)
