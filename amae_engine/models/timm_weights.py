"""Any vision transformer of timm as a frozen encoder: from its hub, or from a file of its weights."""

from __future__ import annotations

import difflib
import json
import os
import socket
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit

from safetensors import SafetensorError
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

from amae_engine.errors import BadWeights
from amae_engine.models.encoders import ENCODER_FORMAT, require_fitting

_GRID = 16  # patches on a side, which the compact network's grid of 8 divides
_HUB = "https://huggingface.co"
_PATIENCE = 5.0  # seconds
_HEADS = ("head.", "fc_norm.")  # of the classes that a network was trained on


def convert(name: str, source: Path | None, target: Path) -> None:
    """Write timm's encoder `name` into a file of ours, float16.

    Args:
        name: timm's, as "vit_small_patch14_dinov2.lvd142m".
        source: A file of its weights, .safetensors or .pth; None fetches them from timm's hub.
        target: Written whole or not at all.

    Raises:
        BadWeights: There is no such model, it is no vision transformer, its weights cannot be had,
            or they do not fit; the message lists names that are missing or too many.
    """
    import timm

    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), 3)
        hint = f"; close to it are {', '.join(near)}" if near else ""
        raise BadWeights(f"timm has no model '{name}'{hint}.")
    plain = timm.create_model(name, pretrained=False, num_classes=0)
    if not isinstance(plain, VisionTransformer):
        raise BadWeights(f"timm's '{name}' is no plain vision transformer, and AMAE needs one.")
    size = _GRID * plain.patch_embed.patch_size[0]
    network = _of_hub(name, size) if source is None else _of_file(name, source, size)
    facts = network.pretrained_cfg
    state = {k: v.detach().half().contiguous() for k, v in network.state_dict().items()}
    header = {
        "format": ENCODER_FORMAT,
        "timm": name,
        "image_size": str(size),
        "mean": json.dumps(list(facts["mean"])),
        "std": json.dumps(list(facts["std"])),
        "origin": str(source.name if source else facts.get("hf_hub_id", "timm")),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".part")
    save_file(state, beside, metadata=header)
    beside.replace(target)


def _of_hub(name: str, size: int) -> VisionTransformer:
    import timm

    _require_network(name)
    try:
        return timm.create_model(name, pretrained=True, img_size=size, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise BadWeights(f"The weights of timm's '{name}' cannot be fetched: {first}") from error


def _of_file(name: str, source: Path, size: int) -> VisionTransformer:
    """Timm loads what fits and is silent about the rest; here every name must fit."""
    import timm

    if not source.is_file():
        raise BadWeights(f"Encoder '{name}': the file {source.name} is missing; check the path.")
    network = timm.create_model(name, pretrained=False, img_size=size, num_classes=0)
    try:
        raw = timm.models.load_state_dict(str(source))
        _require_patch(source, raw, network)
        state = checkpoint_filter_fn(raw, network)
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
