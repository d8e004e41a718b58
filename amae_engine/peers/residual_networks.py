"""Residual encoders and generators as in WGAN-GP, for f-AnoGAN and IGD."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

_SMALLEST = 4  # side of the last feature map
_WIDEST = 8  # times the first layer's channels

Norm = Callable[[int], nn.Module]


def layer_norm(channels: int) -> nn.Module:
    """Normalises each image by itself, as a critic with a gradient penalty must."""
    return nn.GroupNorm(1, channels)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions next to a 1×1 one; `before` and `after` change the side."""

    def __init__(
        self, channels: tuple[int, int], norm: Norm, before: nn.Module, after: nn.Module
    ) -> None:
        super().__init__()
        first, last = channels
        self.body = nn.Sequential(
            norm(first), nn.ReLU(), before, nn.Conv2d(first, last, 3, padding=1),
            norm(last), nn.ReLU(), nn.Conv2d(last, last, 3, padding=1), after,
        )  # fmt: skip
        self.shortcut = nn.Sequential(before, nn.Conv2d(first, last, 1), after)

    def forward(self, features: Tensor) -> Tensor:
        """The sum of both ways."""
        total: Tensor = self.body(features) + self.shortcut(features)
        return total


class ResidualEncoder(nn.Module):
    """Images (B, 1, size, size) to (B, outputs); halves the side down to 4.

    Args:
        size: A power of two times 4.
        width: Channels of the first layer; they double up to eight times.
        outputs: Length of the result.
        norm: `nn.BatchNorm2d`, or `layer_norm` for a critic.
    """

    def __init__(self, size: int, width: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        channels = _channels(size, width)
        blocks = [
            ResidualBlock(pair, norm, nn.Identity(), nn.AvgPool2d(2)) for pair in pairwise(channels)
        ]
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), *blocks, nn.Flatten())
        self.last = nn.Linear(channels[-1] * _SMALLEST**2, outputs)

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees, (B, k)."""
        seen: Tensor = self.body(images)
        return seen

    def forward(self, images: Tensor) -> Tensor:
        """(B, outputs)."""
        result: Tensor = self.last(self.features(images))
        return result


class ResidualGenerator(nn.Module):
    """Latent vectors (B, latent) to images (B, 1, size, size) in [−1, 1]."""

    def __init__(self, size: int, width: int, latent: int) -> None:
        super().__init__()
        channels = _channels(size, width)[::-1]
        blocks = [
            ResidualBlock(pair, nn.BatchNorm2d, nn.Upsample(scale_factor=2), nn.Identity())
            for pair in pairwise(channels)
        ]
        self.body = nn.Sequential(
            nn.Linear(latent, channels[0] * _SMALLEST**2),
            nn.Unflatten(1, (channels[0], _SMALLEST, _SMALLEST)),
            *blocks,
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """(B, 1, size, size)."""
        images: Tensor = self.body(latent)
        return images


def _channels(size: int, width: int) -> list[int]:
    """Channels from the image inwards: width, 2·width, … for every side down to 4."""
    levels = (size // _SMALLEST).bit_length()
    return [width * min(2**level, _WIDEST) for level in range(levels)]
