"""Stage 1 as a job: train the classifier, then rate every unlabeled and test image."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amae_engine.catalog import runs, scores, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind, Stage1Config
from amae_engine.errors import TooFewImages
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.leakage import require_one_split_a_patient
from amae_engine.jobs.run_record import RunRecord
from amae_engine.jobs.stage1_probe import rate_by_probe
from amae_engine.jobs.starting_weights import WEIGHTS_FILE, weights_path
from amae_engine.method import processes
from amae_engine.project import Project

if TYPE_CHECKING:
    from torch import Tensor

    from amae_engine.models.anomaly_classifier import AnomalyClassifier
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

FEATURES_FILE = "features.npz"
CLASSIFIER_FILE = "classifier.safetensors"
FEWEST_NORMALS = 16
_RANDOM_VIEWS = 2


def train_stage1(
    project: Project, config: Stage1Config, resume: int | None = None
) -> Generator[Event, None, int]:
    """Train h on frozen features (Eq. 2) and store p(x) and the feature distance as scores.

    Returns:
        The run's number.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are fewer than 16 normal images.
        BadWeights: The starting weights are missing or belong to another preset.
    """
    if resume is not None:
        with project.session() as session:
            config = Stage1Config.from_dict(runs.get(session, resume).config)
    require_one_split_a_patient(project)
    path = weights_path(project, config.weights)
    with project.session() as session:
        tables = {split: studies.images_in(session, split) for split in Split}
    normals = len(tables[Split.NORMAL].ids)
    if normals < FEWEST_NORMALS:
        raise TooFewImages(
            f"Stage 1 learns from normal images and needs at least {FEWEST_NORMALS}; there are "
            f"{normals}. Import images with the role 'normal'."
        )
    parent = int(config.weights[4:]) if config.weights.startswith("run:") else None
    record = RunRecord(project, RunKind.STAGE1, config, parent, config.training.epochs, resume)
    yield from record.follow("Stage 1", _run(project, config, path, tables, record))
    return record.id


def _run(
    project: Project,
    config: Stage1Config,
    path: Path,
    tables: dict[Split, studies.ImageTable],
    record: RunRecord,
) -> Generator[Event, None, None]:
    import torch

    from amae_engine.jobs.image_access import images_of
    from amae_engine.jobs.image_lungs import lungs_of
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.stage1 import STEP, Stage1Data, held_out_rows, train_classifier
    from amae_engine.models.anomaly_classifier import AnomalyClassifier
    from amae_engine.models.checkpoint import save_weights

    device = choose_device(config.training.device)
    network, notes = _network(path, config)
    for note in notes:
        yield Notice(note)
    network = network.to(device)
    normals = tables[Split.NORMAL].store_rows
    side = network.config.image_size
    lungs = yield from lungs_of(project, normals, side, device, STEP)
    features = yield from _features(project, network, tables, config)
    torch.manual_seed(config.training.seed)
    classifier = AnomalyClassifier(network.config.encoder_width).to(device)
    held_out = held_out_rows(len(normals), config.validation_percent, config.training.seed)
    images = images_of(project, normals, device)
    data = Stage1Data(images, lungs, features[Split.NORMAL][:, 0].contiguous(), held_out)
    checkpoint = record.folder / "checkpoint.pt"
    yield from train_classifier(network, classifier, data, config, record.id, checkpoint)
    if processes.leads():
        save_weights(network, record.folder / WEIGHTS_FILE, {"config": config.to_json()})
        _save_classifier(classifier, record.folder / CLASSIFIER_FILE)
        _store(project, record, classifier, tables, features)
        yield from rate_by_probe(project, record, network, config, tables, features)
        checkpoint.unlink()


def _network(path: Path, config: Stage1Config) -> tuple[MaskedAutoencoder, tuple[str, ...]]:
    from amae_engine.config import require_preset
    from amae_engine.errors import BadWeights
    from amae_engine.models.checkpoint import load_weights

    loaded = load_weights(path)
    if config.preset and loaded.network.config != require_preset(config.preset):
        found = loaded.network.config
        raise BadWeights(
            f"{path.name} holds a network of {found.image_size} px, encoder "
            f"{found.encoder_width}/{found.encoder_depth}; the preset '{config.preset}' needs "
            f"another. Choose weights of that preset, or the preset of these weights."
        )
    return loaded.network, loaded.notes


def _features(
    project: Project,
    network: MaskedAutoencoder,
    tables: dict[Split, studies.ImageTable],
    config: Stage1Config,
) -> Generator[Event, None, dict[Split, Tensor]]:
    """Frozen features (n, V, d) of every image's views, split by split."""
    from amae_engine.jobs.image_access import images_of
    from amae_engine.method.features import extract_features

    device, seed = next(network.parameters()).device, config.training.seed
    features = {}
    for split, table in tables.items():
        images = images_of(project, table.store_rows, device)
        views = 0 if split is Split.TEST else _RANDOM_VIEWS
        job = extract_features(network, images, config.training.precision, views, seed)
        while True:
            try:
                done = next(job)
            except StopIteration as stop:
                features[split] = stop.value
                break
            yield Progress(f"Stage 1 · features of {split} images", done, len(table.ids))
    return features


def _save_classifier(classifier: AnomalyClassifier, path: Path) -> None:
    from safetensors.torch import save_file

    beside = path.with_suffix(".part")
    save_file({k: v.cpu().contiguous() for k, v in classifier.state_dict().items()}, beside)
    beside.replace(path)


def _store(
    project: Project,
    record: RunRecord,
    classifier: AnomalyClassifier,
    tables: dict[Split, studies.ImageTable],
    features: dict[Split, Tensor],
) -> None:
    from amae_engine.method.features import cross_fitted_mahalanobis, mahalanobis
    from amae_engine.method.stage1 import anomaly_probability

    arrays = {split: values[:, 0].cpu().numpy() for split, values in features.items()}
    normal = arrays[Split.NORMAL]
    with project.session() as session:
        for split, table in tables.items():
            if len(table.ids) == 0:
                continue
            whole = features[split][:, 0]
            probability = anomaly_probability(classifier, whole).cpu().numpy()
            distance = (
                cross_fitted_mahalanobis(normal)
                if split is Split.NORMAL
                else mahalanobis(normal, arrays[split])
            )
            for kind, values in (
                (ScoreKind.STAGE1_PROBABILITY, probability),
                (ScoreKind.MAHALANOBIS, distance),
            ):
                scores.save(session, record.id, kind, table.ids, values)
    beside = record.folder / "features.part.npz"
    ids = {f"{split}_ids": table.ids for split, table in tables.items()}
    np.savez(beside, **ids, **{str(split): values for split, values in arrays.items()})  # type: ignore[arg-type]
    beside.replace(record.folder / FEATURES_FILE)
