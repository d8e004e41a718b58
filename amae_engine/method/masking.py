"""Random masks m of Eq. 3: which patches of an image stay visible."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amae_engine.config import MaskPlan


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks of a batch, mask by mask for each image in turn.

    Attributes:
        kept: (B·L, V) indices of visible patches.
        removed: (B·L, T − V) indices of removed patches.
    """

    kept: Tensor
    removed: Tensor


def visible_count(patches: int, mask_ratio: float) -> int:
    """V, the visible patches of one mask; at least one."""
    return max(1, int(patches * (1 - mask_ratio)))


def masks_from_noise(noise: Tensor, mask_ratio: float) -> Masks:
    """Keep the patches with the smallest noise, as [13] does; noise is (B·L, T)."""
    order = noise.argsort(dim=1)
    visible = visible_count(noise.shape[1], mask_ratio)
    return Masks(order[:, :visible], order[:, visible:])


def random_masks(
    images: int, masks: int, patches: int, mask_ratio: float, random: torch.Generator
) -> Masks:
    """L independent masks for each of B images."""
    noise = torch.rand(images * masks, patches, generator=random, device=random.device)
    return masks_from_noise(noise, mask_ratio)


def scoring_masks(
    masks: int, patches: int, mask_ratio: float, plan: MaskPlan, random: torch.Generator
) -> Masks:
    """The L masks of Eq. 4 that every test image and both modules share.

    With `COMPLEMENTARY`, successive masks show disjoint patches until every patch has been
    visible once, then a new order is drawn.
    """
    if plan is MaskPlan.INDEPENDENT:
        return random_masks(1, masks, patches, mask_ratio, random)
    visible = visible_count(patches, mask_ratio)
    rounds = -(-masks * visible // patches)
    orders = [
        torch.randperm(patches, generator=random, device=random.device) for _ in range(rounds)
    ]
    queue = torch.cat(orders)
    kept = queue[: masks * visible].reshape(masks, visible)
    # a mask that spans two orders may name a patch twice; noise keeps V distinct patches
    noise = torch.ones(masks, patches, device=random.device)
    ranks = torch.arange(visible, device=random.device, dtype=noise.dtype) / (2 * visible)
    noise.scatter_(1, kept, ranks.expand(masks, -1))
    return masks_from_noise(noise, mask_ratio)
