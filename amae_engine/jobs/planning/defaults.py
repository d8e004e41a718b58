"""The one place that chooses settings from the project and the machine.

The window's fields begin with what stands here, and a command without `--preset` runs with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from amae_engine.atomic_write import write_text
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind
from amae_engine.config import (
    PRESETS,
    JsonConfig,
    PseudoLabelConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    as_in_the_paper,
    of_preset,
    pixel_preset,
)
from amae_engine.errors import ProjectError
from amae_engine.jobs.planning.machine import has_gpu
from amae_engine.project import Project

Config = TypeVar("Config", bound=JsonConfig)

_LABELS_FILE = "pseudo_labels.json"
_SMALL = "foundation"  # its frozen encoder is bundled, and so are the weights of its pixel modules
_BUNDLED = ("foundation", "compact")


@dataclass(frozen=True, slots=True)
class Chosen(Generic[Config]):
    """Settings, and why they were chosen.

    Attributes:
        config: Of the next run.
        preset: Which preset they come from.
        why: A sentence for the reader.
    """

    config: Config
    preset: str
    why: str


def default_config(
    project: Project,
    kind: type[Config],
    preset: str = "",
    is_paper: bool = False,
    parent: int = 0,
) -> Chosen[Config]:
    """The settings of the next run of a step.

    Args:
        project: Its runs and its readers' choice of pseudo-labels count.
        kind: Of pre-training, stage 1, stage 2 or scoring.
        preset: Used in place of the chosen one.
        is_paper: Every choice of the method as in the paper.
        parent: The run that the next one builds on; the newest finished one by default.

    Raises:
        BadSetting: There is no such preset.
    """
    name, why = (preset, "as asked for") if preset else _preset(project, kind, parent)
    # the paper's modules reconstruct pixels, so their schedule is that of the preset's pixel modules
    of = pixel_preset(name) if is_paper and kind is Stage2Config else name
    config = of_preset(kind, of)
    if isinstance(config, Stage1Config):
        config = config.replace(weights=_weights(project, name))
    if isinstance(config, Stage2Config):
        labels, whose = _labels(project, name)
        config = config.replace(pseudo_labels=labels)
        if not is_paper:
            why += f"; pseudo-labels by {labels.source.label}, K = {labels.keep_text} ({whose})"
    if is_paper:
        config = as_in_the_paper(config)
        why += "; every choice of the method as in the paper (--paper)"
    return Chosen(config, name, f"Preset {name}: {why}.")


def label_settings(project: Project) -> PseudoLabelConfig:
    """How a project makes its pseudo-labels: one choice for curation and training alike.

    What its readers chose; until then what the preset of the next stage 2 brings.

    Raises:
        ProjectError: The file that holds the choice is damaged.
    """
    return _labels(project, _preset(project, Stage2Config, 0)[0])[0]


def choose_label_settings(project: Project, config: PseudoLabelConfig) -> None:
    """Keep a choice; runs that exist keep theirs."""
    write_text(project.folder / _LABELS_FILE, config.to_json())


def _labels(project: Project, preset: str) -> tuple[PseudoLabelConfig, str]:
    path = project.folder / _LABELS_FILE
    if not path.is_file():
        return of_preset(Stage2Config, preset).pseudo_labels, "the preset's"
    try:
        chosen = PseudoLabelConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ProjectError(
            f"{_LABELS_FILE} in the project's folder is damaged; delete it."
        ) from error
    return chosen, "this project's choice"


def _preset(project: Project, kind: type[JsonConfig], parent: int) -> tuple[str, str]:
    """A preset's name, and why it is the one."""
    if kind in (Stage2Config, ScoreConfig):
        stage1 = _stage1_of(project, kind, parent)
        name = stage1.config.get("preset", "") if stage1 is not None else ""
        if stage1 is not None and name:
            return name, f"that of stage 1, run {stage1.id}"
    if not has_gpu():
        return _SMALL, "no GPU was found, and its frozen encoder is bundled"
    for name in PRESETS:
        number = _own_weights(project, name)
        if name not in _BUNDLED and number:
            return name, f"there is a GPU, and run {number} pre-trained weights of it"
    return _SMALL, "its weights are bundled, and this project has pre-trained none of another"


def _stage1_of(project: Project, kind: type[JsonConfig], parent: int) -> runs.RunRow | None:
    """The stage-1 run that the next stage-2 or score run builds on."""
    above = RunKind.STAGE2 if kind is ScoreConfig else RunKind.STAGE1
    with project.session() as session:
        newest = runs.newest(session, above) or runs.newest(session, RunKind.STAGE1)
        row = runs.get(session, parent) if parent else newest
        return None if row is None else runs.stage1_of(session, row)


def _weights(project: Project, preset: str) -> str:
    """Those that come with AMAE, or the project's own where only these are of the network."""
    number = _own_weights(project, preset)
    own = f"run:{number}" if preset not in _BUNDLED and number else ""
    return own or of_preset(Stage1Config, preset).weights


def _own_weights(project: Project, preset: str) -> int:
    """The newest finished pre-training run of a preset's network; 0 where there is none."""
    if preset not in PRESETS:
        return 0
    with project.session() as session:
        for row in runs.list_runs(session):
            is_finished = row.kind is RunKind.PRETRAIN and row.state == "finished"
            if is_finished and row.config.get("model") == PRESETS[preset].to_dict():
                return row.id
    return 0
