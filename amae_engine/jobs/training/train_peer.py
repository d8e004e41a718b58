"""A peer method as a job: train it on a project's images, then score the test images."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, scores
from amae_engine.catalog.image_draws import drawn
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, Protocol
from amae_engine.errors import TooFewImages, TrainingFailed
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.jobs.training.image_lungs import NORMAL_CACHE, lungs_of
from amae_engine.jobs.training.leakage import require_one_split_a_patient
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, weights_path
from amae_engine.jobs.training.train_stage1 import FEWEST_NORMALS
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest
from amae_engine.runs.map_files import MapWriter, maps_folder
from amae_engine.runs.record import NewRun, RunRecord, RunStep

if TYPE_CHECKING:
    import torch

    from amae_engine.models.masked_autoencoder import MaskedAutoencoder
    from amae_engine.peers.contract import Peer, TrainingImages

_FEWEST_UNLABELED = 2
_BATCH = 32
_LUNG_CACHES = {Protocol.N: NORMAL_CACHE, Protocol.Y: "lungs_of_all.npz"}
_START = "start"


def train_peer(
    project: Project,
    config: PeerConfig,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, int]:
    """Train a peer on N, or on N ∪ U under protocol Y, and store its scores and maps.

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to resume instead, from its own settings and inputs.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number; `evaluate_run` judges it.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are fewer than 16 normal images, or none to use under protocol Y.
        BadWeights: The starting weights cannot be had, or have changed.
        TrainingFailed: A loss is not a number; the message names the batch.
    """

    def new(recorded: RunInputs | None) -> NewRun[PeerConfig]:
        chosen = config.completed
        seen = recorded or peer_inputs(project, chosen)
        if recorded is None and config.minutes:
            chosen = chosen.within_minutes(seconds_of_epochs(project, chosen, seen))
        return NewRun(chosen, seen, None, chosen.all_epochs)

    step = RunStep(RunKind.PEER, PeerConfig, _run)
    return (yield from step.run(project, new, resume, repeats))


def peer_inputs(project: Project, config: PeerConfig) -> RunInputs:
    """What a peer would see now.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are too few images for the method or its protocol.
        BadWeights: The weights to start from are missing.
    """
    require_one_split_a_patient(project)
    with project.session() as session:
        tables = {split: image_tables.images_in(session, split) for split in Split}
    tables[Split.UNLABELED] = drawn(tables[Split.UNLABELED], config.unlabeled)
    images = {str(split): InputImages.of(table) for split, table in tables.items()}
    _require_enough(config, images)
    if config.protocol is Protocol.N:
        del images[Split.UNLABELED]
    files = _weights(project, config)
    return RunInputs(images, weights={name: file_digest(path) for name, path in files.items()})


def seconds_of_epochs(project: Project, config: PeerConfig, inputs: RunInputs) -> float:
    """How long an epoch of each phase takes here, by a trial of a few steps.

    Args:
        project: Whose starting weights AMAE's own variants take.
        config: Completed settings.
        inputs: What it would see.

    Raises:
        TrainingFailed: The memory does not hold it.
    """
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.memory import ran_out
    from amae_engine.peers import time_trial

    normals = len(inputs.images[Split.NORMAL])
    unlabeled = len(inputs.images[Split.UNLABELED]) if config.protocol is Protocol.Y else 0
    device = choose_device(config.device)
    try:
        start = _start_of(project, config)
        return time_trial.seconds_of_epochs(config, normals, unlabeled, device, start)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise _too_large(config) from error


def _too_large(config: PeerConfig) -> TrainingFailed:
    return TrainingFailed(
        f"{config.title} does not fit into this machine's memory; choose size=compact, a smaller "
        f"batch_size or fewer channels (width)."
    )


def _weights(project: Project, config: PeerConfig) -> dict[str, Path]:
    """The weights files that a peer starts from."""
    files = {}
    if config.method.starts_from_mae:
        files[_START] = weights_path(project, config.weights)
    if config.backbone_weights not in ("", "imagenet"):
        files["backbone"] = Path(config.backbone_weights)
    return files


def _require_enough(config: PeerConfig, images: dict[str, InputImages]) -> None:
    normals, unlabeled = len(images[Split.NORMAL]), len(images[Split.UNLABELED])
    name = config.method.facts.label
    if normals < FEWEST_NORMALS:
        raise TooFewImages(
            f"{name} learns from normal images and needs at least {FEWEST_NORMALS}; there are "
            f"{normals}. Import images with the role 'normal'."
        )
    if config.protocol is Protocol.Y and unlabeled < _FEWEST_UNLABELED:
        raise TooFewImages(
            f"Under protocol Y {name} also learns from unlabeled images and needs at least "
            f"{_FEWEST_UNLABELED}; there are {unlabeled}. Import images with the role 'unlabeled', "
            f"or choose protocol N."
        )


def _run(project: Project, config: PeerConfig, record: RunRecord) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import choose_device
    from amae_engine.peers.peer_factory import load_peer, save_peer

    device = choose_device(config.device)
    record.inputs.require_weights(_weights(project, config))
    trained = record.folder / WEIGHTS_FILE
    if trained.is_file():  # the run was cut off while it scored
        peer = load_peer(trained).to(device)
        record.skip("", config.all_epochs)
    else:
        peer = _peer(project, config, device)
        images = yield from _images(project, peer, record.inputs, device)
        yield from peer.fit(images, record.id, record.folder / "checkpoint.pt")
        save_peer(peer, trained)
    yield from _score(project, peer.eval(), record, device)
    for checkpoint in record.folder.glob("checkpoint*.pt"):
        checkpoint.unlink()


def _peer(project: Project, config: PeerConfig, device: torch.device) -> Peer:
    from amae_engine.method.memory import ran_out
    from amae_engine.peers.peer_factory import make_peer

    try:
        return make_peer(config, _start_of(project, config)).to(device)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise _too_large(config) from error


def _start_of(project: Project, config: PeerConfig) -> MaskedAutoencoder | None:
    """(f0, g0) for AMAE's own variants."""
    from amae_engine.models.checkpoint import load_weights

    if not config.method.starts_from_mae:
        return None
    return load_weights(weights_path(project, config.weights), heads=config.heads).network


def _images(
    project: Project, peer: Peer, inputs: RunInputs, device: torch.device
) -> Generator[Event, None, TrainingImages]:
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.peers.contract import TrainingImages

    config = peer.config
    normal = inputs.images[Split.NORMAL].store_rows
    unlabeled = normal[:0]
    if config.protocol is Protocol.Y:
        unlabeled = inputs.images[Split.UNLABELED].store_rows
    trained = np.concatenate((normal, unlabeled))
    lungs = None
    if peer.needs_lungs:
        cache, step = _LUNG_CACHES[config.protocol], config.method.facts.label
        lungs = yield from lungs_of(project, trained, config.image_size, device, step, cache)
    return TrainingImages(
        normal=images_of(project, normal, device),
        unlabeled=images_of(project, unlabeled, device),
        trained=images_of(project, trained, device),
        lungs=lungs,
    )


def _score(
    project: Project, peer: Peer, record: RunRecord, device: torch.device
) -> Generator[Event, None, None]:
    """Scores of every test image into the catalog, maps into the run's folder."""
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.stored_images import split_rows

    test = record.inputs.images[Split.TEST]
    if len(test) == 0:
        yield Notice(
            "There is no test image to score; import images with the role 'test'.", Level.WARNING
        )
        return
    found: dict[ScoreKind, list[npt.NDArray[np.float32]]] = {}
    batches = split_rows(len(test), _BATCH)
    done = 0
    with MapWriter(maps_folder(project, record.id), test.ids) as maps:
        for batch in images_of(project, test.store_rows, device).batches(batches):
            rated = peer.score(batch)
            for kind, values in rated.images.items():
                found.setdefault(kind, []).append(values.float().cpu().numpy())
            if rated.maps is not None:
                maps.write({str(ScoreKind.PEER): rated.maps.float().cpu().numpy()})
            done += len(batch)
            yield Progress(f"{peer.config.method.facts.label} · scoring", done, len(test))
    with project.session() as session:
        for kind, parts in found.items():
            scores.save(session, record.id, kind, test.ids, np.concatenate(parts))
