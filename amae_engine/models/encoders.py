"""Frozen encoders behind one contract: grey images in, patch tokens out.

A masked autoencoder's encoder, timm's vision transformers and its convolutional networks. What stage
1, the density, the probe and the maps need of an encoder is here; none of them knows which one it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from amae_engine.errors import BadWeights
from amae_engine.models.checkpoint import GREY_MEAN, GREY_STD
from amae_engine.models.conv_encoder import ConvEncoder
from amae_engine.models.safetensors_file import read_safetensors
from amae_engine.models.token_groups import TokenGroup

ENCODER_FORMAT = "amae-encoder-1"
CONVOLUTIONAL = "convolutional"  # the kind in a file's facts; without one, a vision transformer
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, per colour
_DEPTHS = (0.5, 0.75, 1.0)  # of the blocks: the later, the coarser and the more about things
# On a CPU a ViT-S/14 goes through 8 images in 21 to 25 ms each, through 64 in 36 to 41: their tensors
# leave the cache. There plain products are faster than PyTorch's fused attention (26 to 28 ms).
_AT_ONCE_ON_CPU = 8
_COLOURS = {"mean": _MEAN, "std": _STD}
_PLAIN_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")  # as timm's own models are called
Colours = Sequence[float]


class FrozenEncoder(Protocol):
    """What an encoder offers.

    Attributes:
        image_size: Side of its images.
        grid: Patches on a side.
        token_width: d, the numbers of a patch's token.
        groups: The parts of a token, one for each block that it is taken from.
        map_group: Which part says best where something is.
    """

    image_size: int
    grid: int
    token_width: int
    groups: tuple[TokenGroup, ...]
    map_group: int

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of every patch of standardised grey images (B, 1, H, W)."""

    def map_tokens(self, images: Tensor) -> Tensor:
        """The part `map_group` of the tokens alone: (B, T, d of that group)."""

    def parameters(self) -> Any:
        """Its weights."""

    def eval(self) -> Any:
        """Evaluation mode."""

    def to(self, device: torch.device) -> Any:
        """Move to a device."""


class TimmEncoder(nn.Module):
    """A vision transformer of timm on one grey channel; several blocks' tokens side by side.

    Args:
        network: timm's, for colour images.
        name: timm's name of it.
        image_size: Side of the images.
        mean, std: Of each colour in the images that it has seen.
    """

    def __init__(
        self, network: Any, name: str, image_size: int, mean: Colours = _MEAN, std: Colours = _STD
    ) -> None:
        super().__init__()
        self.network, self.name = network, name
        # whose tokens are taken, 1 for the first block
        self.blocks = tuple(round(depth * len(network.blocks)) for depth in _DEPTHS)
        self.image_size = image_size
        self.grid = image_size // network.patch_embed.patch_size[0]
        self.token_width = network.embed_dim * len(self.blocks)
        share = 1 / len(self.blocks)
        self.groups = tuple(TokenGroup(network.embed_dim, share) for _ in self.blocks)
        self.map_group = len(self.blocks) // 2
        _take_grey(network.patch_embed.proj, mean, std)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, K·d) of every patch of standardised grey images (B, 1, H, W)."""
        return torch.cat([tokens.float() for tokens in self._after(self.blocks, images)], dim=-1)

    def map_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of the middle block; later ones are not computed."""
        return self._after((self.blocks[self.map_group],), images)[0].float()

    def _after(self, blocks: Sequence[int], images: Tensor) -> list[Tensor]:
        on_cpu = images.device.type == "cpu"
        for block in self.network.blocks:
            block.attn.fused_attn = not on_cpu
        pieces = images.split(_AT_ONCE_ON_CPU) if on_cpu else (images,)
        found = [self._forward(blocks, piece) for piece in pieces]
        return [torch.cat(each) for each in zip(*found, strict=True)]

    def _forward(self, blocks: Sequence[int], images: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.network.forward_intermediates(
            images.expand(-1, 3, -1, -1),
            indices=[block - 1 for block in blocks],
            norm=False,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        return found


class SideBySide(nn.Module):
    """Several encoders as one: their tokens side by side, on the first one's grid.

    Args:
        encoders: The first has the finest grid and the largest images; each counts as much.
    """

    def __init__(self, encoders: Sequence[Any]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        first = encoders[0]
        self.image_size, self.grid = first.image_size, first.grid
        self.map_group = first.map_group
        self.groups = tuple(group for each in encoders for group in each.groups)
        self.token_width = sum(group.width for group in self.groups)
        for each in encoders:
            if self.grid % each.grid:
                raise BadWeights(
                    f"A grid of {each.grid} patches does not divide one of {self.grid}; choose "
                    f"another encoder, or other starting weights."
                )

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of every patch; a coarse encoder's token stands in all its patches."""
        return torch.cat([self._of(each, images) for each in self.encoders], dim=-1)

    def map_tokens(self, images: Tensor) -> Tensor:
        """The first encoder's."""
        first: Any = self.encoders[0]
        tokens: Tensor = first.map_tokens(images)
        return tokens

    def _of(self, encoder: Any, images: Tensor) -> Tensor:
        if encoder.image_size != self.image_size:
            size = (encoder.image_size, encoder.image_size)
            images = functional.interpolate(
                images, size, mode="bilinear", antialias=True, align_corners=False
            )
        tokens: Tensor = encoder.patch_tokens(images).float()
        times = self.grid // encoder.grid
        if times == 1:
            return tokens
        square = tokens.unflatten(1, (encoder.grid, encoder.grid))  # (B, g, g, d)
        wide = square.repeat_interleave(times, dim=1).repeat_interleave(times, dim=2)
        return wide.flatten(1, 2)


def load_encoder(path: Path) -> TimmEncoder | ConvEncoder:
    """A frozen encoder from a file of ours.

    Raises:
        BadWeights: The file is missing, damaged, no encoder's, or does not fit its own network; the
            message lists the names that are missing or too many.
    """
    import timm

    tensors, facts = read_safetensors(path)
    state = {name: value.float() for name, value in tensors.items()}
    if facts.get("format") != ENCODER_FORMAT:
        raise BadWeights(
            f"{path.name} is no frozen encoder of AMAE's format '{ENCODER_FORMAT}'; of a file of "
            f"timm's weights, say of which model: encoder=timm:NAME=FILE."
        )
    name, size = facts["timm"], int(facts["image_size"])
    if not _PLAIN_NAME.fullmatch(name):  # "hf-hub:…" would fetch from wherever the file says
        raise BadWeights(f"{path.name} names no model of timm, but '{name}'; it is not loaded.")
    is_conv = facts.get("kind") == CONVOLUTIONAL
    own = {} if is_conv else {"img_size": size}
    network = timm.create_model(name, pretrained=False, num_classes=0, **own)
    require_fitting(path, state, network.state_dict())
    network.load_state_dict(state)
    mean, std = (json.loads(facts.get(n, "null")) or usual for n, usual in _COLOURS.items())
    encoder: TimmEncoder | ConvEncoder
    if is_conv:
        encoder = ConvEncoder(network, name, size, mean, std)
    else:
        encoder = TimmEncoder(network, name, size, mean, std)
    return encoder.eval().requires_grad_(False)


def require_fitting(path: Path, state: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Every name, of the right shape, and no other.

    Raises:
        BadWeights: The message lists what is missing, too many, or of another shape.
    """
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ]
    wrong = [
        f"{text}: {', '.join(names)}"
        for text, names in (("missing", missing), ("too many", extra), ("shapes", shapes))
        if names
    ]
    if wrong:
        raise BadWeights(f"{path.name} does not fit its network ({'; '.join(wrong)}).")


def _take_grey(projection: nn.Conv2d, mean: Colours, std: Colours) -> None:
    """Let a patch projection take AMAE's standardised greys, three times, in place of colours.

    The same function: mean and spread of each colour go into kernel and bias.
    """
    with torch.no_grad():
        scale = torch.tensor([GREY_STD / each for each in std])
        shift = torch.tensor([(GREY_MEAN - m) / s for m, s in zip(mean, std, strict=True)])
        kernel = projection.weight
        if projection.bias is None:
            raise BadWeights("A patch projection without a bias cannot take standardised greys.")
        projection.bias += (kernel.sum(dim=(2, 3)) * shift).sum(dim=1)
        kernel *= scale[None, :, None, None]
