"""Stage 2 over tokens: both modules reconstruct hidden tokens of a frozen encoder (Eq. 3 and 4).

The same networks and formulas as over pixels; in place of a patch's p·p pixels stand as many
numbers of its token, which a principal component analysis of normal images makes equally large.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from amae_engine.atomic_write import write_arrays
from amae_engine.config import ModelConfig
from amae_engine.events import Event
from amae_engine.method.masking import masks_from_noise
from amae_engine.method.reconstruction import masked_patch_loss
from amae_engine.method.stage2 import Module, adapt
from amae_engine.method.stored_images import StoredImages
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

_SIDE = 8  # of the square that a token's numbers fill, where a token has as many
_LEAST_VARIANCE = 1e-9
_WIDTH, _HEADS, _ENCODER_DEPTH, _DECODER_DEPTH = 128, 4, 3, 1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenBasis:
    """Principal axes of normal images' tokens, scaled to unit variance.

    Attributes:
        mean: (d,) float32.
        axes: (d, k) float32; k is a square, so that a token stands for a square patch.
    """

    mean: Floats
    axes: Floats

    @classmethod
    def fit(cls, tokens: npt.NDArray[np.floating]) -> TokenBasis:
        """The largest axes of tokens (n, T, d)."""
        flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
        mean = flat.mean(axis=0)
        flat -= mean
        variances, axes = np.linalg.eigh(flat.T @ flat / (len(flat) - 1))
        count = min(_SIDE, int(flat.shape[1] ** 0.5)) ** 2
        scale = np.sqrt(np.maximum(variances[::-1][:count], _LEAST_VARIANCE))
        return cls(mean.astype(np.float32), (axes[:, ::-1][:, :count] / scale).astype(np.float32))

    def project(self, tokens: npt.NDArray[np.floating]) -> npt.NDArray[np.float16]:
        """Tokens (B, T, d) in these axes: (B, T, k)."""
        return ((tokens.astype(np.float32) - self.mean) @ self.axes).astype(np.float16)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_arrays(path, {"mean": self.mean, "axes": self.axes})

    @classmethod
    def load(cls, path: Path) -> TokenBasis:
        """What `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["mean"], stored["axes"])


def token_network(grid: int, numbers: int, seed: int) -> MaskedAutoencoder:
    """Random f and g over tokens (T, k), T = grid², k = numbers: there is no (f0, g0) of them."""
    side = round(numbers**0.5)
    torch.manual_seed(seed)
    return MaskedAutoencoder(
        ModelConfig(
            image_size=grid * side,
            patch_size=side,
            encoder_width=_WIDTH,
            encoder_depth=_ENCODER_DEPTH,
            encoder_heads=_HEADS,
            decoder_width=_WIDTH,
            decoder_depth=_DECODER_DEPTH,
            decoder_heads=_HEADS,
        )
    )


class TokenObjective(nn.Module):
    """Eq. 3's loss of masked tokens: all that a GPU computes in a step."""

    def __init__(self, network: MaskedAutoencoder, mask_ratio: float) -> None:
        super().__init__()
        self.network, self._mask_ratio = network, mask_ratio

    def draw(self, images: int, masks: int, random: torch.Generator) -> tuple[Tensor]:
        """Mask noise (B, L, T)."""
        patches = self.network.config.patches
        return (torch.rand(images, masks, patches, generator=random, device=random.device),)

    def forward(self, tokens: Tensor, noise: Tensor) -> Tensor:
        """The mean loss of tokens (B, T, k) over their L masks."""
        masks = masks_from_noise(noise.flatten(0, 1), self._mask_ratio)
        return masked_patch_loss(self.network, tokens.float(), masks)


def adapt_token_module(
    network: MaskedAutoencoder,
    tokens: StoredImages,
    module: Module,
    unseen: StoredImages | None = None,
) -> Generator[Event, None, None]:
    """Train f and g of one module in place.

    Args:
        network: `token_network`, the same start for both modules, on the device of `tokens`.
        tokens: (n, T, k) of the module's images.
        module: Which one, and how.
        unseen: Tokens of the images of the validation curve.
    """
    objective = TokenObjective(network, module.config.mask_ratio)
    masks = module.config.masks_per_image
    yield from adapt(
        network,
        tokens,
        module,
        objective,
        lambda images, random: objective.draw(images, masks, random),
        unseen=unseen,
    )
