"""Which weights file a setting names."""

from __future__ import annotations

from pathlib import Path

from amae_engine.errors import BadWeights
from amae_engine.project import Project
from amae_engine.resources import resource

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
