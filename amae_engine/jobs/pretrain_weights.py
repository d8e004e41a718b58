"""Stage 0 as a job: starting weights from the project's own normal and unlabeled images."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amae_engine.catalog import runs, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import PretrainConfig
from amae_engine.errors import TooFewImages
from amae_engine.events import Event
from amae_engine.jobs.run_record import RunRecord
from amae_engine.jobs.starting_weights import WEIGHTS_FILE, weights_path
from amae_engine.method import processes
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

_FEWEST = 16


def pretrain_weights(
    project: Project, config: PretrainConfig, resume: int | None = None
) -> Generator[Event, None, int]:
    """Pre-train f and g on N ∪ U; the result is `runs/NNN/weights.safetensors`.

    Returns:
        The run's number.

    Raises:
        TooFewImages: N and U together have fewer than 16 images.
    """
    if resume is not None:
        with project.session() as session:
            config = PretrainConfig.from_dict(runs.get(session, resume).config)
    with project.session() as session:
        rows = np.concatenate(
            [studies.images_in(session, s).store_rows for s in (Split.NORMAL, Split.UNLABELED)]
        )
    if len(rows) < _FEWEST:
        raise TooFewImages(
            f"Pre-training needs at least {_FEWEST} normal and unlabeled images; there are "
            f"{len(rows)}. Import more images, or use the bundled weights."
        )
    record = RunRecord(project, RunKind.PRETRAIN, config, None, config.training.epochs, resume)
    yield from record.follow("Starting weights", _train(project, config, rows, record))
    return record.id


def _train(
    project: Project, config: PretrainConfig, rows: np.ndarray, record: RunRecord
) -> Generator[Event, None, None]:
    import torch

    from amae_engine.jobs.image_access import images_of
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.pretrain import pretrain
    from amae_engine.models.checkpoint import save_weights

    device = choose_device(config.training.device)
    torch.manual_seed(config.training.seed)
    start = weights_path(project, config.weights) if config.weights else None
    network = _network(config, start).to(device)
    images = images_of(project, rows, device)
    yield from pretrain(network, images, config, record.id, record.folder / "checkpoint.pt")
    if processes.leads():
        facts = {"config": config.to_json(), "images": str(len(rows)), "source": project.name}
        save_weights(network, record.folder / WEIGHTS_FILE, facts)
        (record.folder / "checkpoint.pt").unlink()


def _network(config: PretrainConfig, start: Path | None) -> MaskedAutoencoder:
    from amae_engine.models.checkpoint import load_weights
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    if start is None:
        return MaskedAutoencoder(config.model)
    return load_weights(start).network
