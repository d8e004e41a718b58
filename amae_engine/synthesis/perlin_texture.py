"""DRAEM's anomalies (Zavrtanik et al., ICCV 2021): a foreign texture in a Perlin-noise shape.

DRAEM takes its textures from the Describable Textures Dataset, which is not at hand; here another
image of the batch, altered as DRAEM alters textures, stands in for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from amae_engine.synthesis.placing import uniform

FINEST = 6  # cells across the image are a power of two below 2^6, each way
THRESHOLD = 0.5
MOST_TRANSPARENT = 0.8
_LATTICE = 2 ** (FINEST + 1)


def perlin_texture(
    images: Tensor, others: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Put an altered other image into a random shape of each image (B, S, S) in [0, 1].

    Returns:
        The images, and the changed pixels (B, S, S) bool.
    """
    mask = perlin_noise(len(images), images.shape[-1], random) > THRESHOLD
    opacity = 1 - uniform(len(images), 0, MOST_TRANSPARENT, random)[:, None, None]
    texture = _altered(others, random)
    return torch.where(mask, images + opacity * (texture - images), images), mask


def perlin_noise(count: int, side: int, random: torch.Generator) -> Tensor:
    """Perlin noise (count, side, side), turned at random, in about [−1, 1]."""
    device = random.device
    cells = 2.0 ** torch.randint(0, FINEST, (2, count, 1, 1), generator=random, device=device)
    angle = uniform(count, -math.pi / 2, math.pi / 2, random)[:, None, None]
    pixels = (torch.arange(side, device=device) + 0.5) / side - 0.5
    down, across = pixels[None, :, None], pixels[None, None, :]
    rows = (down * angle.cos() - across * angle.sin()) * cells[0] + _LATTICE / 2
    columns = (down * angle.sin() + across * angle.cos()) * cells[1] + _LATTICE / 2
    turns = (
        2 * math.pi * torch.rand(count, _LATTICE, _LATTICE, generator=random, device=device)
    )  # direction of the gradient at each corner
    row, column = rows.floor(), columns.floor()
    batch = torch.arange(count, device=device)[:, None, None]

    def corner(lower: int, right: int) -> Tensor:
        turn = turns[batch, row.long() + lower, column.long() + right]
        return (rows - row - lower) * turn.cos() + (columns - column - right) * turn.sin()

    fade_down, fade_across = _fade(rows - row), _fade(columns - column)
    upper = torch.lerp(corner(0, 0), corner(0, 1), fade_across)
    lower = torch.lerp(corner(1, 0), corner(1, 1), fade_across)
    return math.sqrt(2) * torch.lerp(upper, lower, fade_down)


def _fade(place: Tensor) -> Tensor:
    return place**3 * (place * (place * 6 - 15) + 10)


def _altered(images: Tensor, random: torch.Generator) -> Tensor:
    """Gamma, brightness, solarising, posterising, inverting: each on three images of ten."""

    def some(changed: Tensor, images: Tensor) -> Tensor:
        chosen = uniform(len(images), 0, 1, random) < 0.3
        return torch.where(chosen[:, None, None], changed, images)

    def draw(low: float, high: float) -> Tensor:
        return uniform(len(images), low, high, random)[:, None, None]

    images = some(images.clamp(min=1e-6) ** draw(0.5, 2.0), images)
    images = some((images * draw(0.8, 1.2) + draw(-30, 30) / 255).clamp(0, 1), images)
    images = some(torch.where(images > draw(32, 128) / 255, 1 - images, images), images)
    images = some((images * 16).floor() / 16, images)
    return some(1 - images, images)
