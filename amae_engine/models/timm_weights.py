"""A network of timm as a frozen encoder: from its hub, from a file of its weights, or at random.

Vision transformers, and convolutional networks with levels of 8, 16 and 32 pixels.
"""

from __future__ import annotations

import difflib
import json
import os
import socket
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

from amae_engine.errors import BadWeights
from amae_engine.models.conv_encoder import can_be_encoder, levels
from amae_engine.models.encoders import CONVOLUTIONAL, ENCODER_FORMAT, require_fitting
from amae_engine.models.safetensors_file import write_safetensors

_GRID = 16  # patches on a side, which the compact network's grid of 8 divides
_HUB = "https://huggingface.co"
_PATIENCE = 5.0  # seconds
RANDOM = "random"  # in place of a file: weights as timm draws them, from seed 0
_PIXELS = 16  # behind a place of the grid, in a convolutional network
_HEADS = ("head.", "fc_norm.", "classifier.", "fc.")  # of the classes that a network was trained on


def convert(name: str, source: Path | None, target: Path) -> None:
    """Write timm's encoder `name` into a file of ours, float16.

    Args:
        name: timm's, as "vit_small_patch14_dinov2.lvd142m" or "densenet121".
        source: A file of its weights, .safetensors or .pth; `RANDOM` draws them; None fetches them
            from timm's hub.
        target: Written whole or not at all.

    Raises:
        BadWeights: There is no such model, it cannot be an encoder, its weights cannot be had, or
            they do not fit; the message lists names that are missing or too many.
    """
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), 3)
        hint = f"; close to it are {', '.join(near)}" if near else ""
        raise BadWeights(f"timm has no model '{name}'{hint}.")
    plain = timm.create_model(name, pretrained=False, num_classes=0)
    is_transformer = isinstance(plain, VisionTransformer)
    if not is_transformer and not can_be_encoder(plain, _GRID * _PIXELS):
        raise BadWeights(
            f"timm's '{name}' is no plain vision transformer, nor a convolutional network with "
            f"levels of 8, 16 and 32 pixels; AMAE needs one of these."
        )
    size = _GRID * (plain.patch_embed.patch_size[0] if is_transformer else _PIXELS)
    own = {"img_size": size} if is_transformer else {}
    network = _of_hub(name, own) if source is None else _of_file(name, source, own)
    facts = network.pretrained_cfg
    state = {k: v.half() for k, v in network.state_dict().items()}
    header = {
        "format": ENCODER_FORMAT,
        "timm": name,
        "image_size": str(size),
        "mean": json.dumps(list(facts["mean"])),
        "std": json.dumps(list(facts["std"])),
        "origin": str(source.name if source else facts.get("hf_hub_id", "timm")),
    }
    if not is_transformer:
        header |= {"kind": CONVOLUTIONAL, "numbers": str(_numbers(network))}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(target, state, header)


def _numbers(network: Any) -> int:
    """Of a token of a convolutional network, which its weights' shapes do not tell."""
    return sum(network.feature_info[level]["num_chs"] for level in levels(network) or ())


def _of_hub(name: str, own: dict[str, int]) -> Any:
    import timm

    _require_network(name)
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **own)
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise BadWeights(f"The weights of timm's '{name}' cannot be fetched: {first}") from error


def _of_file(name: str, source: Path, own: dict[str, int]) -> Any:
    """Timm loads what fits and is silent about the rest; here every name must fit."""
    import timm

    if str(source) == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return timm.create_model(name, pretrained=False, num_classes=0, **own)
    if not source.is_file():
        raise BadWeights(f"Encoder '{name}': the file {source.name} is missing; check the path.")
    network = timm.create_model(name, pretrained=False, num_classes=0, **own)
    try:
        state = timm.models.load_state_dict(str(source), weights_only=True)
        if isinstance(network, VisionTransformer):
            _require_patch(source, state, network)
            state = checkpoint_filter_fn(state, network)
    except (
        SafetensorError, UnpicklingError, OSError, RuntimeError, ValueError, KeyError
    ) as error:  # fmt: skip
        first = str(error).strip().splitlines()[0]
        raise BadWeights(f"{source.name} cannot be read as weights of timm: {first}") from error
    wanted = network.state_dict()
    state = {k: v for k, v in state.items() if k in wanted or not k.startswith(_HEADS)}
    require_fitting(source, state, wanted)
    network.load_state_dict(state)
    return network


def _require_patch(source: Path, raw: dict[str, Any], network: VisionTransformer) -> None:
    """Timm would resample another patch size; the encoder would not be the one that was trained."""
    kernel = raw.get("patch_embed.proj.weight")
    wanted = network.patch_embed.patch_size[0]
    if kernel is not None and kernel.ndim == 4 and kernel.shape[-1] != wanted:
        raise BadWeights(
            f"{source.name} has patches of {kernel.shape[-1]} px, and the model that was named "
            f"has patches of {wanted} px."
        )


def _require_network(name: str) -> None:
    """One sentence at once, in place of a minute of attempts."""
    hub = urlsplit(os.environ.get("HF_ENDPOINT", _HUB))
    port = hub.port or (80 if hub.scheme == "http" else 443)
    try:
        socket.create_connection((hub.hostname or "", port), _PATIENCE).close()
    except OSError as error:
        raise BadWeights(
            f"timm's '{name}' is fetched from {hub.hostname}, which cannot be reached from here; "
            f"give a file of its weights: --set encoder=timm:{name}=FILE."
        ) from error
