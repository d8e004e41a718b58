"""timm's backbones for the synthetic-anomaly methods, on one grey channel."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from torch import nn

from amae_engine.config.peers import PeerConfig
from amae_engine.errors import BadWeights


def make_backbone(config: PeerConfig) -> nn.Module:
    """A backbone that maps images (B, 1, H, W) to pooled features (B, d).

    Raises:
        BadWeights: The chosen weights cannot be had.
    """
    return _create(config, num_classes=0)


def make_pyramid(config: PeerConfig) -> tuple[nn.Module, list[int]]:
    """A backbone that gives its feature maps at 1/2, 1/4, … 1/32, and their channels.

    Raises:
        BadWeights: The chosen weights cannot be had.
    """
    network = _create(config, features_only=True)
    return network, list(network.feature_info.channels())


def _create(config: PeerConfig, **options: Any) -> Any:
    import timm

    name, weights = config.backbone.value, config.backbone_weights
    if weights and weights != "imagenet" and not Path(weights).is_file():
        raise BadWeights(
            f"backbone_weights: there is no file {Path(weights).name}; give a {name} "
            f"checkpoint that timm can read, 'imagenet', or '' for a random start."
        )
    try:
        if weights and weights != "imagenet":
            state = timm.models.load_state_dict(weights, weights_only=True)
            options["pretrained_cfg_overlay"] = {"state_dict": state}
        return timm.create_model(name, pretrained=bool(weights), in_chans=1, **options)
    except (OSError, RuntimeError, ValueError, UnpicklingError) as error:
        if not weights:
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadWeights(
            f"The weights '{weights}' of {name} cannot be had ({first}); give a file in "
            f"backbone_weights, or '' for a random start."
        ) from error
