"""Stage 2 as a job: snapshot the pseudo-labels, then adapt module A and module B."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import Stage2Config
from amae_engine.events import Event
from amae_engine.jobs.assign_pseudo_labels import (
    current_pseudo_labels,
    read_snapshot,
    require_both_classes,
    write_snapshot,
)
from amae_engine.jobs.leakage import require_one_split_a_patient
from amae_engine.jobs.run_record import RunRecord, newest_finished
from amae_engine.jobs.starting_weights import WEIGHTS_FILE
from amae_engine.method import processes
from amae_engine.method.pseudo_labels import PseudoLabel
from amae_engine.project import Project

if TYPE_CHECKING:
    import torch

SNAPSHOT = "pseudo_labels.csv"
NORMALS = "normals.npy"


def module_file(module: str) -> str:
    """The weights file of module "A" or "B" in its run's folder."""
    return f"module_{module.lower()}.safetensors"


def train_stage2(
    project: Project, config: Stage2Config, resume: int | None = None
) -> Generator[Event, None, int]:
    """Adapt module A to N ∪ Un and module B to Ua (Eq. 3), each from (f0, g0).

    Returns:
        The run's number.

    Raises:
        BadInput: A patient has images in more than one split.
        NotReady: Stage 1 has not run yet.
        TooFewImages: No image is pseudo-abnormal.
    """
    require_one_split_a_patient(project)
    if resume is not None:
        with project.session() as session:
            row = runs.get(session, resume)
        config = Stage2Config.from_dict(row.config)
        parent = row.parent_id or 0
    else:
        parent = newest_finished(project, RunKind.STAGE1, config.stage1_run, "Stage 2").id
        config = config.replace(stage1_run=parent)
    snapshot = None
    is_new = resume is None or not (project.run_folder(resume) / NORMALS).is_file()
    if is_new and processes.leads():
        snapshot = current_pseudo_labels(project, config.pseudo_labels, parent)
        require_both_classes(snapshot)
    epochs = 2 * config.training.epochs
    record = RunRecord(project, RunKind.STAGE2, config, parent, epochs, resume)
    if snapshot is not None:
        with project.session() as session:
            normals = studies.images_in(session, Split.NORMAL).store_rows
        write_snapshot(snapshot, record.folder / SNAPSHOT)
        np.save(record.folder / NORMALS, normals)
    processes.wait_for_all()
    weights = project.run_folder(parent) / WEIGHTS_FILE
    yield from record.follow("Stage 2", _train(project, config, weights, record))
    return record.id


def _train(
    project: Project, config: Stage2Config, weights: Path, record: RunRecord
) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.side_by_side import side_by_side

    labels = read_snapshot(record.folder / SNAPSHOT)
    normals = np.load(record.folder / NORMALS)
    sets = {
        "A": np.concatenate((normals, labels[PseudoLabel.NORMAL])),
        "B": labels[PseudoLabel.ABNORMAL],
    }
    names = config.training.device.split(",")
    devices = dict(zip(sets, (choose_device(names[0]), choose_device(names[-1])), strict=True))
    modules = []
    for module, rows in sets.items():
        if (record.folder / module_file(module)).is_file():
            record.skip(module, config.training.epochs)
            continue
        files = _ModuleFiles(weights, record.folder, module)
        modules.append(_adapt(project, config, files, rows, devices[module]))
    if len(names) > 1:
        yield from side_by_side(modules)
        return
    for job in modules:
        yield from job


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
    from amae_engine.jobs.image_access import images_of
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
