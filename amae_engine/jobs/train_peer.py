"""A peer method as a job: train it on a project's images, then score the test images."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs, scores, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.errors import TooFewImages, TrainingFailed
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.jobs.image_lungs import NORMAL_CACHE, lungs_of
from amae_engine.jobs.leakage import require_one_split_a_patient
from amae_engine.jobs.peer_maps import PeerMapWriter
from amae_engine.jobs.run_record import RunRecord
from amae_engine.jobs.starting_weights import WEIGHTS_FILE, weights_path
from amae_engine.jobs.train_stage1 import FEWEST_NORMALS
from amae_engine.peers.methods import PeerConfig, Protocol
from amae_engine.project import Project

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from amae_engine.config import ScoreKind
    from amae_engine.peers.contract import Peer, TrainingImages

_FEWEST_UNLABELED = 2
_BATCH = 32
_LARGEST = 65504.0  # of a float16
_LUNG_CACHES = {Protocol.N: NORMAL_CACHE, Protocol.Y: "lungs_of_all.npz"}

Tables = dict[Split, studies.ImageTable]


def train_peer(
    project: Project, config: PeerConfig, resume: int | None = None
) -> Generator[Event, None, int]:
    """Train a peer on N, or on N ∪ U under protocol Y, and store its scores and maps.

    Returns:
        The run's number; `evaluate_run` judges it.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are fewer than 16 normal images, or none to use under protocol Y.
        BadWeights: The starting weights cannot be had.
        TrainingFailed: A loss is not a number; the message names the batch.
    """
    if resume is not None:
        with project.session() as session:
            config = PeerConfig.from_dict(runs.get(session, resume).config)
    config = config.completed
    require_one_split_a_patient(project)
    with project.session() as session:
        tables = {split: studies.images_in(session, split) for split in Split}
    _require_enough(config, tables)
    record = RunRecord(project, RunKind.PEER, config, None, config.all_epochs, resume)
    yield from record.follow(config.title, _run(project, config, tables, record))
    return record.id


def _require_enough(config: PeerConfig, tables: Tables) -> None:
    normals, unlabeled = len(tables[Split.NORMAL].ids), len(tables[Split.UNLABELED].ids)
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


def _run(
    project: Project, config: PeerConfig, tables: Tables, record: RunRecord
) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import choose_device
    from amae_engine.peers.making import save_peer

    device = choose_device(config.device)
    peer = _peer(project, config).to(device)
    images = yield from _images(project, peer, tables, device)
    yield from peer.fit(images, record.id, record.folder / "checkpoint.pt")
    save_peer(peer, record.folder / WEIGHTS_FILE)
    yield from _score(project, peer.eval(), tables[Split.TEST], record, device)
    for checkpoint in record.folder.glob("checkpoint*.pt"):
        checkpoint.unlink()


def _peer(project: Project, config: PeerConfig) -> Peer:
    from amae_engine.models.checkpoint import load_weights
    from amae_engine.peers.making import make_peer, starts_from_mae

    if not starts_from_mae(config.method):
        return make_peer(config)
    return make_peer(config, load_weights(weights_path(project, config.weights)).network)


def _images(
    project: Project, peer: Peer, tables: Tables, device: torch.device
) -> Generator[Event, None, TrainingImages]:
    from amae_engine.jobs.image_access import images_of
    from amae_engine.peers.contract import TrainingImages

    config = peer.config
    normal, unlabeled = tables[Split.NORMAL].store_rows, tables[Split.UNLABELED].store_rows
    if config.protocol is Protocol.N:
        unlabeled = unlabeled[:0]
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
    project: Project,
    peer: Peer,
    table: studies.ImageTable,
    record: RunRecord,
    device: torch.device,
) -> Generator[Event, None, None]:
    """Scores of every test image into the catalog, maps into the run's folder."""
    from amae_engine.jobs.image_access import images_of
    from amae_engine.method.stored_images import split_rows

    if len(table.ids) == 0:
        yield Notice(
            "There is no test image to score; import images with the role 'test'.", Level.WARNING
        )
        return
    found: dict[ScoreKind, list[npt.NDArray[np.float32]]] = {}
    maps = PeerMapWriter(record.folder / "maps", table.ids)
    done = 0
    for batch in images_of(project, table.store_rows, device).batches(
        split_rows(len(table.ids), _BATCH)
    ):
        rated = peer.score(batch)
        for kind, values in rated.images.items():
            _require_numbers(values, kind, table.names[done : done + len(batch)])
            found.setdefault(kind, []).append(values.float().cpu().numpy())
        if rated.maps is not None:
            maps.write(rated.maps.clamp(-_LARGEST, _LARGEST).half().cpu().numpy())
        done += len(batch)
        yield Progress(f"{peer.config.method.facts.label} · scoring", done, len(table.ids))
    maps.close()
    with project.session() as session:
        for kind, parts in found.items():
            scores.save(session, record.id, kind, table.ids, np.concatenate(parts))


def _require_numbers(values: Tensor, kind: ScoreKind, names: tuple[str, ...]) -> None:
    wrong = (~values.isfinite()).nonzero()
    if len(wrong):
        raise TrainingFailed(
            f"The score '{kind}' of {names[int(wrong[0])]} is not a number: the training went "
            f"astray. Lower learning_rate and start a new run."
        )
