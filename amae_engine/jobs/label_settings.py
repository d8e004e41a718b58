"""How a project makes its pseudo-labels: one choice for curation and training alike."""

from __future__ import annotations

import json

from amae_engine.config import PseudoLabelConfig, stage2_preset
from amae_engine.errors import ProjectError
from amae_engine.project import Project

_FILE = "pseudo_labels.json"


def label_settings(project: Project) -> PseudoLabelConfig:
    """What the readers of this project chose; the compact preset's at first.

    Raises:
        ProjectError: The file is damaged.
    """
    path = project.folder / _FILE
    if not path.is_file():
        return stage2_preset("compact").pseudo_labels
    try:
        return PseudoLabelConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ProjectError(f"{_FILE} in the project's folder is damaged; delete it.") from error


def choose_label_settings(project: Project, config: PseudoLabelConfig) -> None:
    """Keep a choice; runs that exist keep theirs."""
    path = project.folder / _FILE
    beside = path.with_suffix(".part")
    beside.write_text(config.to_json(), encoding="utf-8")
    beside.replace(path)
