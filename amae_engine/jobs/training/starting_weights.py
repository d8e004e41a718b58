"""Which weights file a setting names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amae_engine.config import Stage1Config
from amae_engine.errors import BadWeights
from amae_engine.project import Project
from amae_engine.resources import resource

if TYPE_CHECKING:
    from amae_engine.models.encoders import FrozenEncoder

WEIGHTS_FILE = "weights.safetensors"


def weights_path(project: Project, name: str) -> Path:
    """The file behind "bundled", "run:N" or a path.

    Raises:
        BadWeights: There is no such file.
    """
    if name == "bundled":
        path = resource("weights/compact.safetensors")
        cure = "reinstall AMAE, choose a checkpoint file or run `amae pretrain`"
    elif name.startswith("run:") and name[4:].isdigit():
        path = project.run_folder(int(name[4:])) / WEIGHTS_FILE
        cure = "choose a finished pretrain run (`amae pretrain`)"
    else:
        path = Path(name)
        cure = "check the path, or use the bundled weights (--set weights=bundled)"
    if not path.is_file():
        raise BadWeights(f"Starting weights '{name}': the file {path.name} is missing; {cure}.")
    return path


def encoder_path(name: str) -> Path | None:
    """The file of a frozen encoder; None for "", the encoder of the starting weights.

    Raises:
        BadWeights: There is no such file.
    """
    if not name:
        return None
    bundled = name == "foundation"
    path = resource("weights/foundation.safetensors") if bundled else Path(name)
    if not path.is_file():
        cure = "reinstall AMAE" if bundled else "check the path, or take 'foundation'"
        raise BadWeights(f"Encoder '{name}': the file {path.name} is missing; {cure}.")
    return path


def frozen_encoder(config: Stage1Config, weights: Path) -> FrozenEncoder:
    """f0 of a stage-1 run: the encoder of its starting weights, beside another one if it has one.

    Raises:
        BadWeights: The file is missing, or no encoder's.
    """
    from amae_engine.models.checkpoint import load_weights
    from amae_engine.models.encoders import SideBySide, load_encoder

    path, network = encoder_path(config.encoder), load_weights(weights).network
    if path is None:
        return network
    return SideBySide((load_encoder(path), network)).eval().requires_grad_(False)
