"""Fixed two-dimensional sine-cosine positions, as MAE [13] uses them."""

from __future__ import annotations

import torch
from torch import Tensor


def sine_cosine_positions(width: int, grid: int) -> Tensor:
    """Position embedding of a class token and a square grid of patches.

    Args:
        width: Channels of the embedding; a multiple of 4.
        grid: Patches along one side.

    Returns:
        (1, 1 + grid², width) float32; the class token's row is zero. The first half of the
        channels encodes the column, the second the row.
    """
    steps = torch.arange(grid, dtype=torch.float64)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    both = (_encode(columns.flatten(), width // 2), _encode(rows.flatten(), width // 2))
    patches = torch.cat(both, dim=1)  # (T, width)
    class_token = torch.zeros(1, width, dtype=torch.float64)
    return torch.cat((class_token, patches)).float().unsqueeze(0)


def _encode(positions: Tensor, width: int) -> Tensor:
    rates = 1.0 / 10000 ** (torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angles = positions[:, None] * rates[None]  # (T, width / 2)
    return torch.cat((angles.sin(), angles.cos()), dim=1)
