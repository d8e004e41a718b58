"""A convolutional network of timm as a frozen encoder: three of its levels on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD
from amae_engine.models.token_groups import TokenGroup

REDUCTIONS = (8, 16, 32)  # pixels of a side behind a place of each level that is taken
_OF_MAP = 1  # which of them says best where something is: the one whose places are the grid's


def levels(network: Any) -> tuple[int, ...] | None:
    """Which of a network's levels have the three reductions; None where it lacks one."""
    found = {info["reduction"]: n for n, info in enumerate(getattr(network, "feature_info", ()))}
    if not all(each in found for each in REDUCTIONS):
        return None
    return tuple(found[each] for each in REDUCTIONS)


def can_be_encoder(network: Any, image_size: int) -> bool:
    """Whether a network has the levels, for images of a size, as maps (B, d, h, w)."""
    wanted = levels(network)
    if wanted is None:
        return False
    images = torch.zeros(1, 3, image_size, image_size)
    try:
        with torch.no_grad():
            found = network.eval().forward_intermediates(
                images, indices=list(wanted), output_fmt="NCHW", intermediates_only=True
            )
    except (AssertionError, AttributeError, TypeError, RuntimeError):
        return False  # it has no such levels to give, or none of this size
    return [each.shape[-1] for each in found] == [image_size // each for each in REDUCTIONS]


class ConvEncoder(nn.Module):
    """What `FrozenEncoder` asks for, of a network for colour images.

    Args:
        network: timm's, with the three levels.
        name: timm's name of it.
        image_size: Side of the images; 16 times the grid.
        mean, std: Of each colour in the images that it has seen.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: Any, name: str, image_size: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.network, self.name, self.image_size = network, name, image_size
        self.grid = image_size // REDUCTIONS[_OF_MAP]
        self._levels = levels(network) or ()
        widths = [int(network.feature_info[level]["num_chs"]) for level in self._levels]
        self.groups = tuple(TokenGroup(width, 1 / len(widths)) for width in widths)
        self.token_width, self.map_group = sum(widths), _OF_MAP
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of every place of standardised grey images (B, 1, H, W)."""
        found = self._after(self._levels, images)
        return torch.cat([self._on_grid(each) for each in found], dim=-1)

    def map_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of the middle level; later ones are not computed."""
        (found,) = self._after((self._levels[_OF_MAP],), images)
        return self._on_grid(found)

    def _after(self, wanted: Sequence[int], images: Tensor) -> list[Tensor]:
        grey = images * GREY_STD + GREY_MEAN
        found: list[Tensor] = self.network.forward_intermediates(
            (grey - self.mean) / self.std,
            indices=list(wanted),
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return found

    def _on_grid(self, level: Tensor) -> Tensor:
        """A level (B, d, h, w) as tokens (B, T, d) float32: means of places, or a place repeated."""
        on_grid = functional.interpolate(level.float(), (self.grid, self.grid), mode="area")
        return on_grid.flatten(2).transpose(1, 2)
