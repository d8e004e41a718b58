"""A U-Net of plain blocks, with or without its skips, as DRAEM's two networks are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 5
_WIDEST = 8  # times the first level's channels


class UNet(nn.Module):
    """Two 3×3 convolutions a level, five levels.

    Args:
        channels: Of the input and of the output.
        width: Channels of the first level; they double up to eight times.
        has_skips: Without them everything goes through the lowest level.
    """

    def __init__(self, channels: tuple[int, int], width: int, has_skips: bool) -> None:
        super().__init__()
        widths = [width * min(2**level, _WIDEST) for level in range(_LEVELS)]
        self._has_skips = has_skips
        before = [channels[0], *widths[:-1]]
        self.down = nn.ModuleList(_block(a, b) for a, b in zip(before, widths, strict=True))
        self.up = nn.ModuleList(
            _block(low + high if has_skips else low, high)
            for low, high in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(width, channels[1], 3, padding=1)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W); H and W are multiples of 16."""
        levels: list[Tensor] = []
        features = images
        for number, block in enumerate(self.down):
            features = block(nn.functional.max_pool2d(features, 2) if number else features)
            levels.append(features)
        for block, skipped in zip(self.up, levels[-2::-1], strict=True):
            features = nn.functional.interpolate(features, scale_factor=2.0, mode="bilinear")
            if self._has_skips:
                features = torch.cat((features, skipped), dim=1)
            features = block(features)
        result: Tensor = self.last(features)
        return result


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    if isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
