"""Stage 2 as a job: snapshot the pseudo-labels, then adapt module A and module B."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

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
from amae_engine.method.pseudo_labels import PseudoLabel
from amae_engine.project import Project

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
        BadInput: A patient has films in more than one split.
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
    if resume is None or not (project.run_folder(resume) / NORMALS).is_file():
        snapshot = current_pseudo_labels(project, config.pseudo_labels, parent)
        require_both_classes(snapshot)
    epochs = 2 * config.training.epochs
    record = RunRecord(project, RunKind.STAGE2, config, parent, epochs, resume)
    if snapshot is not None:
        with project.session() as session:
            normals = studies.images_in(session, Split.NORMAL).store_rows
        write_snapshot(snapshot, record.folder / SNAPSHOT)
        np.save(record.folder / NORMALS, normals)
    weights = project.run_folder(parent) / WEIGHTS_FILE
    yield from record.follow("Stage 2", _train(project, config, weights, record))
    return record.id


def _train(
    project: Project, config: Stage2Config, weights: Path, record: RunRecord
) -> Generator[Event, None, None]:
    import torch

    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.stage2 import adapt_module
    from amae_engine.models.checkpoint import load_weights, save_weights

    device = choose_device(config.training.device)
    labels = read_snapshot(record.folder / SNAPSHOT)
    normals = np.load(record.folder / NORMALS)
    sets = {
        "A": np.concatenate((normals, labels[PseudoLabel.NORMAL])),
        "B": labels[PseudoLabel.ABNORMAL],
    }
    for module, rows in sets.items():
        finished = record.folder / module_file(module)
        if finished.is_file():
            record.skip(config.training.epochs)
            continue
        network = load_weights(weights).network.to(device)
        films = torch.from_numpy(project.pixels.read(rows)).to(device)
        checkpoint = record.folder / f"checkpoint_{module.lower()}.pt"
        yield from adapt_module(network, films, module, config, record.id, checkpoint)
        save_weights(network, finished, {"config": config.to_json(), "images": str(len(rows))})
        checkpoint.unlink()
