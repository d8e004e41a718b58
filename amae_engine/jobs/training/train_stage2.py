"""Stage 2 as a job: take the pseudo-labels as they stand, then adapt module A and module B."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog.tables import RunKind
from amae_engine.config import ModuleBLearns, Stage2Config
from amae_engine.events import Event
from amae_engine.jobs.training.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
    PseudoLabelView,
    current_pseudo_labels,
    require_both_classes,
    write_labels,
)
from amae_engine.jobs.training.leakage import require_one_split_a_patient
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE
from amae_engine.method import processes
from amae_engine.project import Project
from amae_engine.runs.inputs import RunInputs, file_digest
from amae_engine.runs.record import NewRun, RunRecord, newest_finished, open_run

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.int64]

LABELS_TABLE = "pseudo_labels.csv"
_START = "start"


def module_file(module: str) -> str:
    """The weights file of module "A" or "B" in its run's folder."""
    return f"module_{module.lower()}.safetensors"


def train_stage2(
    project: Project,
    config: Stage2Config,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, int]:
    """Adapt module A to N ∪ Un and module B to Ua (Eq. 3), each from (f0, g0).

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to go on with instead, from its own settings and inputs.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        BadInput: A patient has images in more than one split.
        NotReady: Stage 1 has not run yet.
        TooFewImages: No image is pseudo-abnormal.
    """
    views: list[PseudoLabelView] = []

    def new(recorded: RunInputs | None) -> NewRun:
        require_one_split_a_patient(project)
        parent = newest_finished(project, RunKind.STAGE1, config.stage1_run, "Stage 2").id
        chosen, seen = config.replace(stage1_run=parent), recorded
        if seen is None:
            views.append(current_pseudo_labels(project, chosen.pseudo_labels, parent))
            seen = inputs_of(project, views[0])
        return NewRun(chosen, seen, parent, 2 * chosen.training.epochs, _notes(chosen, seen))

    record = open_run(project, RunKind.STAGE2, new, resume, repeats)
    if views and processes.leads():
        write_labels(views[0], record.folder / LABELS_TABLE)
    config = Stage2Config.from_dict(record.config)
    yield from record.follow("Stage 2", _train(project, config, record))
    return record.id


def inputs_of(project: Project, view: PseudoLabelView) -> RunInputs:
    """What stage 2 sees by these pseudo-labels.

    Raises:
        TooFewImages: No image is pseudo-abnormal.
    """
    require_both_classes(view)
    weights = project.run_folder(view.run_id) / WEIGHTS_FILE
    return RunInputs(view.inputs(), weights={_START: file_digest(weights)})


def _notes(config: Stage2Config, seen: RunInputs) -> tuple[str, ...]:
    counts = {name: len(found) for name, found in seen.images.items()}
    labels = config.pseudo_labels
    also = ""
    if config.module_b_learns is ModuleBLearns.WITH_NORMALS:
        also = " and from module A's images, so that both modules know the normal"
    return (
        f"Pseudo-labels by {labels.source.label}, K = {labels.keep_percent:g} %: module A learns "
        f"from {counts[NORMAL]} normal and {counts[PSEUDO_NORMAL]} pseudo-normal images, module B "
        f"from {counts[PSEUDO_ABNORMAL]} pseudo-abnormal ones{also}.",
    )


def _train(
    project: Project, config: Stage2Config, record: RunRecord
) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.side_by_side import side_by_side

    start = project.run_folder(record.parent_id) / WEIGHTS_FILE
    record.inputs.require_weights({_START: start})
    images = record.inputs.images
    known = np.concatenate((images[NORMAL].store_rows, images[PSEUDO_NORMAL].store_rows))
    sets = {"A": known, "B": _rows_of_b(config, known, images[PSEUDO_ABNORMAL].store_rows)}
    names = config.training.device.split(",")
    devices = dict(zip(sets, (choose_device(names[0]), choose_device(names[-1])), strict=True))
    modules = []
    for module, rows in sets.items():
        if (record.folder / module_file(module)).is_file():
            record.skip(module, config.training.epochs)
            continue
        files = _ModuleFiles(start, record.folder, module)
        modules.append(_adapt(project, config, files, rows, devices[module]))
    if len(names) > 1:
        yield from side_by_side(modules)
        return
    for job in modules:
        yield from job


def _rows_of_b(config: Stage2Config, known: Rows, abnormal: Rows) -> Rows:
    """What module B sees in an epoch; the abnormal images so often that they have their share."""
    if config.module_b_learns is ModuleBLearns.ABNORMAL:
        return abnormal
    share, repeats = config.abnormal_share, 1
    if share:
        repeats = max(1, round(len(known) * share / (1 - share) / len(abnormal)))
    return np.concatenate((known, np.tile(abnormal, repeats)))


@dataclass(frozen=True, slots=True)
class _ModuleFiles:
    """Where one module's weights come from and go to."""

    start: Path
    folder: Path
    module: str

    @property
    def finished(self) -> Path:
        return self.folder / module_file(self.module)

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"checkpoint_{self.module.lower()}.pt"


def _adapt(
    project: Project,
    config: Stage2Config,
    files: _ModuleFiles,
    rows: npt.NDArray[np.int64],
    device: torch.device,
) -> Generator[Event, None, None]:
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.stage2 import adapt_module
    from amae_engine.models.checkpoint import load_weights, save_weights

    network = load_weights(files.start).network.to(device)
    images = images_of(project, rows, device)
    run_id = int(files.folder.name)
    yield from adapt_module(network, images, files.module, config, run_id, files.checkpoint)
    if processes.leads():
        facts = {"config": config.to_json(), "images": str(len(rows))}
        save_weights(network, files.finished, facts)
        files.checkpoint.unlink()
