"""Which weights file a setting names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amae_engine.config import Stage1Config
from amae_engine.errors import BadWeights
from amae_engine.project import Project
from amae_engine.resources import resource
from amae_engine.runs.inputs import file_digest

if TYPE_CHECKING:
    from amae_engine.models.encoders import FrozenEncoder

WEIGHTS_FILE = "weights.safetensors"
# weights of the compact network that come with AMAE; resources/weights/README.md says of what images
SHIPPED = {"bundled": "compact.safetensors", "adults": "compact_adults.safetensors"}
_TIMM = "timm:"


def weights_path(project: Project, name: str) -> Path:
    """The file behind "bundled", "adults", "run:N" or a path.

    Raises:
        BadWeights: There is no such file.
    """
    if name in SHIPPED:
        path = resource(f"weights/{SHIPPED[name]}")
        remedy = "reinstall AMAE, choose a checkpoint file or run `amae pretrain`"
    elif name.startswith("run:") and name[4:].isdecimal():
        path = project.run_folder(int(name[4:])) / WEIGHTS_FILE
        remedy = "choose a finished pretrain run (`amae pretrain`)"
    else:
        path = Path(name)
        remedy = "check the path, or use the bundled weights (--set weights=bundled)"
    if not path.is_file():
        raise BadWeights(f"Starting weights '{name}': the file {path.name} is missing; {remedy}.")
    return path


def encoder_path(project: Project, name: str) -> Path | None:
    """The file of a frozen encoder; None for "", the encoder of the starting weights.

    Args:
        project: Keeps the encoders that come from timm.
        name: "foundation" (bundled), a file of ours, "timm:NAME" for an encoder of timm's hub,
            "timm:NAME=FILE" for one whose weights lie in a file, or "timm:NAME=random" for one that
            is untrained.

    Raises:
        BadWeights: There is no such file, or timm's weights cannot be had or do not fit.
    """
    if not name:
        return None
    if name.startswith(_TIMM):
        return _of_timm(project, name.removeprefix(_TIMM))
    bundled = name == "foundation"
    path = resource("weights/foundation.safetensors") if bundled else Path(name)
    if not path.is_file():
        remedy = "reinstall AMAE" if bundled else "check the path, or take 'foundation'"
        raise BadWeights(f"Encoder '{name}': the file {path.name} is missing; {remedy}.")
    return path


def _of_timm(project: Project, name: str) -> Path:
    """Timm's encoder in our format, made once a project and kept in it."""
    from amae_engine.models.timm_weights import RANDOM, convert

    model, _, file = name.partition("=")
    source = Path(file) if file else None
    if file == RANDOM:
        which = f"{model}-{RANDOM}"
    else:
        which = f"{model}-{file_digest(source)[:12]}" if source else model
    target = project.folder / "encoders" / f"{which}.safetensors"
    if not target.is_file():
        convert(model, source, target)
    return target


def frozen_encoder(project: Project, config: Stage1Config, weights: Path) -> FrozenEncoder:
    """f0 of a stage-1 run: the encoder of its starting weights, next to another one if it has one.

    Raises:
        BadWeights: The file is missing, or no encoder's.
    """
    from amae_engine.models.checkpoint import load_weights
    from amae_engine.models.encoders import SideBySide, load_encoder

    path = encoder_path(project, config.encoder)
    network = load_weights(weights, heads=config.heads).network
    if path is None:
        return network
    return SideBySide((load_encoder(path), network)).eval().requires_grad_(False)
