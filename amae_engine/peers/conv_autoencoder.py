"""The small convolutional autoencoder of DDAD, AE and AE-U ([5]'s network)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from amae_engine.config.peers import LATENT

_CHANNELS = (1, 16, 32, 64, 64)
_HIDDEN = 2048


class ConvAutoencoder(nn.Module):
    """Four stride-2 convolutions 16-32-64-64, fully connected 1024-2048-latent, and back.

    Args:
        size: Side of the images, a multiple of 16; 1024 above is for 64.
        outputs: Channels of the result: 1, or 2 for a mean and a log-variance.
        latent: Numbers that an image is pressed into; [5] has 16.
    """

    def __init__(self, size: int, outputs: int = 1, latent: int = LATENT) -> None:
        super().__init__()
        side = size // 16
        flat = _CHANNELS[-1] * side**2
        down: list[nn.Module] = []
        for before, after in pairwise(_CHANNELS):
            convolution = nn.Conv2d(before, after, 4, 2, 1, bias=False)
            down += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        self.encoder = nn.Sequential(*down, nn.Flatten(), *_connected(flat, latent))
        up: list[nn.Module] = []
        channels = (*reversed(_CHANNELS[1:]), outputs)
        for before, after in pairwise(channels):
            up += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
            up += [nn.BatchNorm2d(after), nn.ReLU()]
        self.decoder = nn.Sequential(
            *_connected(latent, flat), nn.Unflatten(1, (_CHANNELS[-1], side, side)), *up[:-2]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct images (B, 1, size, size) in [−1, 1]: (B, outputs, size, size)."""
        reconstruction: Tensor = self.decoder(self.encoder(images))
        return reconstruction


def _connected(before: int, after: int) -> list[nn.Module]:
    hidden = [nn.Linear(before, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU()]
    return [*hidden, nn.Linear(_HIDDEN, after)]
