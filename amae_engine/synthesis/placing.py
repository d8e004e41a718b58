"""Boxes of a batch of images, and images moved so that a patch lies where it is pasted."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    """(count,) draws between low and high."""
    return low + (high - low) * torch.rand(count, generator=random, device=random.device)


def box_mask(side: int, centre: Tensor, half: Tensor, angle: Tensor | None = None) -> Tensor:
    """Pixels of a box in each image, cut at the image's edge: (B, side, side) bool.

    Args:
        side: S of the images.
        centre: (B, 2) row and column, pixels.
        half: (B, 2) half height and half width, pixels; a pixel counts by its centre.
        angle: (B,) counter-clockwise turn in radians, or None.
    """
    down, across = _offsets(side, centre)
    if angle is not None:
        down, across = _turned(down, across, -angle)
    return (down.abs() <= half[:, 0, None, None]) & (across.abs() <= half[:, 1, None, None])


def moved(
    images: Tensor,
    source: Tensor,
    target: Tensor,
    scale: Tensor | None = None,
    angle: Tensor | None = None,
) -> Tensor:
    """Each image moved so that what lay at `source` lies at `target`; the edge repeats.

    Args:
        images: (B, S, S) float32.
        source: (B, 2) row and column, pixels.
        target: (B, 2) row and column, pixels.
        scale: (B,) magnification, or None.
        angle: (B,) counter-clockwise turn in radians, or None.

    Returns:
        (B, S, S), bilinear between pixels.
    """
    side = images.shape[-1]
    down, across = _offsets(side, target)
    if angle is not None:
        down, across = _turned(down, across, -angle)
    if scale is not None:
        down, across = down / scale[:, None, None], across / scale[:, None, None]
    rows, columns = source[:, 0, None, None] + down, source[:, 1, None, None] + across
    rows, columns = torch.broadcast_tensors(rows, columns)
    grid = torch.stack((columns, rows), dim=-1) * 2 / (side - 1) - 1  # (B, S, S, 2)
    found = functional.grid_sample(
        images[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return found[:, 0]


def log_uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    """(count,) draws between low and high, uniform in their logarithm."""
    return torch.exp(uniform(count, math.log(low), math.log(high), random))


def _offsets(side: int, centre: Tensor) -> tuple[Tensor, Tensor]:
    pixels = torch.arange(side, device=centre.device, dtype=torch.float32)
    return pixels[None, :, None] - centre[:, 0, None, None], (
        pixels[None, None, :] - centre[:, 1, None, None]
    )


def _turned(down: Tensor, across: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return down * cosine - across * sine, down * sine + across * cosine
