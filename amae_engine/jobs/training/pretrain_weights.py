"""Stage 0 as a job: pre-train starting weights on the project's normal and unlabeled images."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amae_engine import processes
from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import PretrainConfig
from amae_engine.errors import TooFewImages
from amae_engine.events import Event
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, weights_path
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest
from amae_engine.runs.record import NewRun, RunRecord, RunStep

if TYPE_CHECKING:
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

FEWEST_IMAGES = 16
_SPLITS = (Split.NORMAL, Split.UNLABELED)
_START = "start"


def pretrain_weights(
    project: Project,
    config: PretrainConfig,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, int]:
    """Pre-train f and g on N ∪ U; the result is `runs/NNN/weights.safetensors`.

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to resume instead, from its own settings and inputs.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        TooFewImages: N and U together have fewer than 16 images.
    """

    def new(recorded: RunInputs | None) -> NewRun[PretrainConfig]:
        seen = recorded or pretrain_inputs(project, config)
        return NewRun(config, seen, None, config.training.epochs)

    step = RunStep(RunKind.PRETRAIN, PretrainConfig, _train, "Starting weights")
    return (yield from step.run(project, new, resume, repeats))


def pretrain_inputs(project: Project, config: PretrainConfig) -> RunInputs:
    """What pre-training would see now.

    Raises:
        TooFewImages: N and U together have fewer than 16 images.
        BadWeights: The weights to start from are missing.
    """
    with project.session() as session:
        images = {str(s): InputImages.of(image_tables.images_in(session, s)) for s in _SPLITS}
    count = sum(len(seen) for seen in images.values())
    if count < FEWEST_IMAGES:
        raise TooFewImages(
            f"Pre-training needs at least {FEWEST_IMAGES} normal and unlabeled images; there are "
            f"{count}. Import more images, or use the bundled weights."
        )
    weights = {}
    if config.weights:
        weights[_START] = file_digest(weights_path(project, config.weights))
    return RunInputs(images, weights=weights)


def _train(
    project: Project, config: PretrainConfig, record: RunRecord
) -> Generator[Event, None, None]:
    import torch

    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.compute_device import be_deterministic, choose_device
    from amae_engine.method.pretrain import pretrain
    from amae_engine.models.checkpoint import save_weights

    device = choose_device(config.training.device)
    be_deterministic(config.training.deterministic)
    torch.manual_seed(config.training.seed)
    start = weights_path(project, config.weights) if config.weights else None
    if start is not None:
        record.inputs.require_weights({_START: start})
    network = _network(config, start).to(device)
    rows = np.concatenate([seen.store_rows for seen in record.inputs.images.values()])
    images = images_of(project, rows, device)
    yield from pretrain(network, images, config, record.id, record.folder / "checkpoint.pt")
    if processes.is_rank_zero():
        facts = {"config": config.to_json(), "images": str(len(rows)), "source": project.name}
        save_weights(network, record.folder / WEIGHTS_FILE, facts)
        (record.folder / "checkpoint.pt").unlink()


def _network(config: PretrainConfig, start: Path | None) -> MaskedAutoencoder:
    from amae_engine.models.checkpoint import load_weights
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    if start is None:
        return MaskedAutoencoder(config.model)
    return load_weights(start, heads=config.heads).network
