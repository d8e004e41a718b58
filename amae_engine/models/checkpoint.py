"""Weights in and out: our safetensors files and the official PyTorch checkpoints."""

from __future__ import annotations

import argparse
import json
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from amae_engine.config import ModelConfig
from amae_engine.errors import AmaeError, BadWeights
from amae_engine.models.attention_heads import Shape, heads_of
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.models.safetensors_file import read_safetensors, write_safetensors

# medical_mae's grey-value statistics on NIH ChestX-ray14, of pixels in [0, 1]
GREY_MEAN, GREY_STD = 0.5056, 0.252

_LARGEST_IMAGE = 4096  # pixels of a side; position tables grow with its square
_DERIVED = ("pos_embed", "decoder_pos_embed")  # fixed sine-cosine tables: computed, not loaded


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """A network ready to use, and what the reader should know about its file.

    Attributes:
        network: On the CPU, float32, in evaluation mode.
        notes: One sentence for each thing that was missing, converted or unfit.
    """

    network: MaskedAutoencoder
    notes: tuple[str, ...]


def load_weights(path: Path, channels: int = 1, heads: tuple[int, ...] = ()) -> LoadedWeights:
    """Load a masked autoencoder from `.safetensors` (ours) or `.pth` (official).

    Args:
        path: The file.
        channels: 1 converts three-channel weights exactly (for equal channels); 3 keeps them.
        heads: Attention heads of encoder and decoder, for a file that does not tell them.

    Raises:
        BadWeights: The file is missing, damaged, not a masked autoencoder, or does not tell its
            attention heads.
    """
    if not path.is_file():
        raise BadWeights(
            f"{path.name}: there is no such weights file; choose another in Train → Starting "
            f"weights, or use the bundled ones."
        )
    state, config, args = _read(path)
    notes: list[str] = []
    if "patch_embed.proj.weight" not in state:
        raise BadWeights(f"{path.name} has no patch_embed.proj.weight: not a vision transformer.")
    if config is None:
        config = _shape_of(state, args, heads, path)
    else:
        _require_stated_shape(config, state, path)
    state = {name: value.float() for name, value in state.items() if name not in _DERIVED}
    if channels == 1 and state["patch_embed.proj.weight"].shape[1] == 3:
        state = _to_grey(state, config.patch_size)
        notes.append("Three-channel weights were converted to one grey channel.")
    network = MaskedAutoencoder(config, channels)
    notes += _fill(network, state, path)
    return LoadedWeights(network.eval(), tuple(notes))


def save_weights(
    network: MaskedAutoencoder, path: Path, facts: dict[str, str], dtype: torch.dtype | None = None
) -> None:
    """Write a network with its shape and facts; never a half-written file."""
    tensors = {k: v.to(dtype or v.dtype) for k, v in network.state_dict().items()}
    header = {**facts, "format": "amae-mae-1", "model": network.config.to_json()}
    write_safetensors(path, tensors, header)


def _read(
    path: Path,
) -> tuple[dict[str, Tensor], ModelConfig | None, argparse.Namespace | None]:
    if path.suffix != ".safetensors":
        state, args = _read_official(path)
        return state, None, args
    state, facts = read_safetensors(path)
    if "model" not in facts:
        return state, None, None
    try:
        return state, ModelConfig.from_dict(json.loads(facts["model"])), None
    except (AmaeError, json.JSONDecodeError) as error:
        raise BadWeights(f"{path.name}: its stored shape is damaged: {error}") from error


def _read_official(path: Path) -> tuple[dict[str, Tensor], argparse.Namespace | None]:
    """The weights, and what the training script wrote of itself.

    `torch.load` with weights only; `argparse.Namespace` is the one extra name allowed.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text advises to load the file with its code, which would run that code
        raise BadWeights(
            f"{path.name} holds more than weights: loading it could run code that came with it, so it "
            f"is not loaded. Ask whoever made it for the weights alone (safetensors, or a plain "
            f"state_dict)."
        ) from error
    except Exception as error:
        raise BadWeights(
            f"{path.name} cannot be read as a PyTorch checkpoint: the file is damaged or of another "
            f"kind."
        ) from error
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise BadWeights(f"{path.name} holds no table of weights ('model') of an official kind.")
    args = content.get("args")
    return state, args if isinstance(args, argparse.Namespace) else None


def _require_stated_shape(config: ModelConfig, state: dict[str, Tensor], path: Path) -> None:
    """The shape that a file states is that of its weights, before a network of it is built.

    Raises:
        BadWeights: It is not: a damaged file could ask for any amount of memory.
    """
    width, _, patch_size, _ = state["patch_embed.proj.weight"].shape
    found = (
        width, patch_size, _depth(state, "blocks"),
        _rows(state, "decoder_embed.weight", config.decoder_width),
        _depth(state, "decoder_blocks") or config.decoder_depth,
    )  # fmt: skip
    stated = (
        config.encoder_width, config.patch_size, config.encoder_depth, config.decoder_width,
        config.decoder_depth,
    )  # fmt: skip
    if found != stated or config.image_size > _LARGEST_IMAGE:
        raise BadWeights(
            f"{path.name}: its stored shape is damaged: it states encoder {stated[0]}/{stated[2]} with "
            f"patches of {stated[1]}, decoder {stated[3]}/{stated[4]}, images of {config.image_size}, "
            f"but the weights are {found[0]}/{found[2]}, {found[1]}, {found[3]}/{found[4]}."
        )


def _shape_of(
    state: dict[str, Tensor], args: argparse.Namespace | None, heads: tuple[int, ...], path: Path
) -> ModelConfig:
    """Read the network's shape off the weights; without a decoder, a paper-sized one is added."""
    width, _, patch_size, _ = state["patch_embed.proj.weight"].shape
    patches = state["pos_embed"].shape[1] - 1 if "pos_embed" in state else 196
    decoder_width = _rows(state, "decoder_embed.weight", 0)
    shape = Shape(width, _depth(state, "blocks"), decoder_width)
    encoder_heads, decoder_heads = heads_of(shape, patch_size, args, heads, path)
    without = ModelConfig()
    return ModelConfig(
        image_size=round(patches**0.5) * patch_size,
        patch_size=patch_size,
        encoder_width=width,
        encoder_depth=shape.depth,
        encoder_heads=encoder_heads,
        decoder_width=decoder_width or without.decoder_width,
        decoder_depth=_depth(state, "decoder_blocks") or without.decoder_depth,
        decoder_heads=decoder_heads or without.decoder_heads,
    )


def _rows(state: dict[str, Tensor], name: str, default: int) -> int:
    return state[name].shape[0] if name in state else default


def _depth(state: dict[str, Tensor], prefix: str) -> int:
    found = [re.match(rf"{prefix}\.(\d+)\.", name) for name in state]
    return max((int(match.group(1)) + 1 for match in found if match), default=0)


def _to_grey(state: dict[str, Tensor], patch_size: int) -> dict[str, Tensor]:
    """One channel repeated three times is one channel with the kernels summed.

    The decoder's three predictions of the same grey value are averaged.
    """
    grey = dict(state)
    grey["patch_embed.proj.weight"] = state["patch_embed.proj.weight"].sum(1, keepdim=True)
    for name in ("decoder_pred.weight", "decoder_pred.bias"):
        if name in state:
            rows = state[name].reshape(patch_size**2, 3, -1).mean(dim=1)
            grey[name] = rows if name.endswith("weight") else rows[:, 0]
    return grey


def _fill(network: MaskedAutoencoder, state: dict[str, Tensor], path: Path) -> list[str]:
    own = network.state_dict()
    wrong = [
        f"{name} is {tuple(value.shape)}, must be {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]
    if wrong:
        raise BadWeights(f"{path.name} belongs to another network: {'; '.join(wrong[:5])}.")
    missing = sorted(own.keys() - state.keys())
    missing_encoder = [n for n in missing if not n.startswith(("decoder", "mask_token"))]
    if missing_encoder:
        raise BadWeights(f"{path.name} lacks encoder weights: {', '.join(missing_encoder[:5])}.")
    network.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)
    notes = []
    if missing:
        notes.append(
            f"{path.name} has no decoder ({len(missing)} tensors missing): stage 1 can use it; "
            f"stage 2's decoder starts at random and needs pre-training first."
        )
    unused = sorted(state.keys() - own.keys())
    if unused:
        notes.append(f"{len(unused)} tensors of {path.name} were not used: {', '.join(unused[:5])}")
    return notes
