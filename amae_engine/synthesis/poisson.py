"""Poisson blending inside a box of each image: exact, for a whole batch, in four matrix products.

The sine transform diagonalises the Laplacian of a rectangle whose edge is held fixed. Its matrix
is built per image, in place, so boxes of different sizes and places go through together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Gradient = tuple[Tensor, Tensor]


def gradient(images: Tensor) -> Gradient:
    """Forward differences (B, S − 1, S) downwards and (B, S, S − 1) to the right."""
    return images.diff(dim=1), images.diff(dim=2)


def stronger(first: Gradient, second: Gradient) -> Gradient:
    """The larger of two gradients at each place, by magnitude: "mixed" cloning."""
    down, across = (
        torch.where(one.abs() >= other.abs(), one, other)
        for one, other in zip(first, second, strict=True)
    )
    return down, across


def blend(images: Tensor, guide: Gradient, top_left: Tensor, size: Tensor) -> Tensor:
    """Change a box of each image so that its gradient follows `guide`; all else stays.

    Args:
        images: (B, S, S) float32.
        guide: The wanted gradient, as `gradient` gives it.
        top_left: (B, 2) first row and column that may change, pixels, at least 1.
        size: (B, 2) rows and columns that may change; the box ends before the last row and column.

    Returns:
        (B, S, S) with Δu = div(guide) in the box and u = image around it.
    """
    own = gradient(images)
    down, across = guide[0] - own[0], guide[1] - own[1]
    excess = torch.zeros_like(images)  # divergence of what the guide adds
    excess[:, 1:-1] += down[:, 1:] - down[:, :-1]
    excess[:, :, 1:-1] += across[:, :, 1:] - across[:, :, :-1]
    rows, row_values = _sines(images.shape[-1], top_left[:, 0], size[:, 0])
    columns, column_values = _sines(images.shape[-1], top_left[:, 1], size[:, 1])
    waves = rows.transpose(1, 2) @ excess @ columns
    waves = waves / -(row_values[:, :, None] + column_values[:, None, :])
    return images + rows @ waves @ columns.transpose(1, 2)


def _sines(side: int, start: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal sine waves (B, side, K) on pixels start…start + length, and their values (B, K).

    Waves beyond `length` are zero; their values are 1, so that nothing is divided by zero.
    """
    start, length = start[:, None, None].float(), length[:, None, None].float()
    pixels = torch.arange(side, device=start.device)[None, :, None] - start
    wave = torch.arange(1, side + 1, device=start.device)[None, None, :]
    inside = (pixels >= 0) & (pixels < length) & (wave <= length)
    step = math.pi / (length + 1)
    matrix = (2 / (length + 1)).sqrt() * torch.sin(step * (pixels + 1) * wave) * inside
    values = torch.where(wave <= length, 2 - 2 * torch.cos(step * wave), 1.0)
    return matrix, values[:, 0]
