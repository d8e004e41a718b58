"""Stored images to standardised images: crop, flip and resize whole batches on the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD


def whole_box(side: int, device: torch.device) -> Tensor:
    """The crop box (1, 4) that keeps a whole image: top, left, height, width in pixels."""
    return torch.tensor([[0.0, 0.0, side, side]], device=device)


def random_boxes(count: int, side: int, smallest: float, random: torch.Generator) -> Tensor:
    """Boxes of RandomResizedCrop: area `smallest`…1 of the image, aspect 3/4…4/3 (log-uniform).

    Returns:
        (count, 4) float32 on the generator's device: top, left, height, width in pixels.
    """
    draws = torch.rand(4, count, generator=random, device=random.device)
    area = (smallest + (1 - smallest) * draws[0]) * side**2
    aspect = torch.exp((2 * draws[1] - 1) * math.log(4 / 3))
    width = (area * aspect).sqrt().clamp(max=side)
    height = (area / aspect).sqrt().clamp(max=side)
    top, left = draws[2] * (side - height), draws[3] * (side - width)
    return torch.stack((top, left, height, width), dim=1)


def crop_and_resize(stored: Tensor, boxes: Tensor, size: int, flipped: Tensor | None) -> Tensor:
    """Resize a box of each image with an antialiasing triangle kernel, as two matrix products.

    Args:
        stored: (B, S, S) uint8 in [0, 255].
        boxes: (B, 4) top, left, height, width in pixels, or (1, 4) for all images.
        size: Side of the result.
        flipped: (B,) bool, True to mirror left and right; None for never.

    Returns:
        (B, 1, size, size) float32, standardised grey values.
    """
    side = stored.shape[-1]
    down = _resize_matrix(boxes[:, 0], boxes[:, 2], side, size)  # (B, size, S)
    across = _resize_matrix(boxes[:, 1], boxes[:, 3], side, size)
    if flipped is not None:
        across = torch.where(flipped[:, None, None], across.flip(1), across)
    images = down @ stored.float() @ across.transpose(1, 2)  # (B, size, size)
    return standardise(images.unsqueeze(1) / 255)


def standardise(grey: Tensor) -> Tensor:
    """Grey values in [0, 1] to the networks' units."""
    return (grey - GREY_MEAN) / GREY_STD


def to_grey(images: Tensor) -> Tensor:
    """The networks' units back to grey values, 0…1 for pixels of an image."""
    return images * GREY_STD + GREY_MEAN


def _resize_matrix(start: Tensor, length: Tensor, side: int, size: int) -> Tensor:
    """Rows of interpolation weights (B, size, side) that sum to 1."""
    scale = (length / size)[:, None, None]
    centres = torch.arange(size, device=start.device) + 0.5
    centres = start[:, None, None] + centres[None, :, None] * scale  # (B, size, 1)
    pixels = torch.arange(side, device=start.device) + 0.5
    weights = 1 - ((pixels - centres) / scale.clamp(min=1)).abs()
    weights = weights.clamp(min=0)
    return weights / weights.sum(dim=2, keepdim=True)
