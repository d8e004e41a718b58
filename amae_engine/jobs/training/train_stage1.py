"""Stage 1 as a job: train the classifier, then rate every normal, unlabeled and test image."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine import processes
from amae_engine.atomic_write import write_array, write_arrays
from amae_engine.catalog import decisions, image_tables, scores
from amae_engine.catalog.image_draws import drawn
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind, Stage1Config
from amae_engine.drive import pass_on
from amae_engine.errors import TooFewImages
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.pseudo_labels.unlabeled_scores import rate_against_unlabeled
from amae_engine.jobs.training.image_lungs import LungSearch, lung_seconds
from amae_engine.jobs.training.leakage import require_one_split_a_patient
from amae_engine.jobs.training.normal_grey import keep_grey
from amae_engine.jobs.training.starting_weights import (
    WEIGHTS_FILE,
    encoder_path,
    frozen_encoder,
    weights_path,
)
from amae_engine.pace import EtaEstimator
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest
from amae_engine.runs.record import NewRun, RunRecord, RunStep
from amae_engine.runs.token_files import TokenWriter

if TYPE_CHECKING:
    from torch import Tensor

    from amae_engine.method.stored_images import StoredImages
    from amae_engine.models.anomaly_classifier import AnomalyClassifier
    from amae_engine.models.encoders import FrozenEncoder
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

FEATURES_FILE = "features.npz"
NORMAL_FOLDS = "normal_folds"  # in it; a run of before they were kept rates by one Gaussian of all
VALIDATION_SPLIT_FILE = (
    "is_validation.npy"  # (n,) of the normal images, in the order of the run's inputs
)
CLASSIFIER_FILE = "classifier.safetensors"
FEWEST_NORMALS = 16
_FEW_NORMALS = 30
_RANDOM_VIEWS = 2
_START = "start"


def train_stage1(
    project: Project,
    config: Stage1Config,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, int]:
    """Train h on frozen features (Eq. 2) and store p(x) and the feature distance as scores.

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to resume instead, from its own settings and inputs.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are fewer than 16 normal images.
        BadWeights: The starting weights are missing, have changed, or belong to another preset.
    """

    def new(recorded: RunInputs | None) -> NewRun[Stage1Config]:
        seen = recorded or stage1_inputs(project, config)
        parent = int(config.weights[4:]) if config.weights.startswith("run:") else None
        return NewRun(config, seen, parent, config.training.epochs, _notes(seen, config))

    step = RunStep(RunKind.STAGE1, Stage1Config, _run, "Stage 1")
    return (yield from step.run(project, new, resume, repeats))


def stage1_inputs(project: Project, config: Stage1Config) -> RunInputs:
    """What stage 1 would see now.

    Raises:
        BadInput: A patient has images in more than one split.
        TooFewImages: There are fewer than 16 normal images.
        BadWeights: The starting weights are missing.
    """
    require_one_split_a_patient(project)
    path = weights_path(project, config.weights)
    with project.session() as session:
        tables = {split: image_tables.images_in(session, split) for split in Split}
        decided = decisions.current(session)
    tables[Split.UNLABELED] = drawn(tables[Split.UNLABELED], config.unlabeled)
    images = {str(split): InputImages.of(table) for split, table in tables.items()}
    normals = len(images[Split.NORMAL])
    if normals < FEWEST_NORMALS:
        raise TooFewImages(
            f"Stage 1 learns from normal images and needs at least {FEWEST_NORMALS}; there are "
            f"{normals}. Import images with the role 'normal'."
        )
    return RunInputs(
        images,
        decided,
        {name: file_digest(each) for name, each in _files(project, config, path).items()},
    )


def _files(project: Project, config: Stage1Config, weights: Path) -> dict[str, Path]:
    """The weights files that stage 1 starts from."""
    encoder = encoder_path(project, config.encoder)
    return {_START: weights} if encoder is None else {_START: weights, "encoder": encoder}


def _notes(seen: RunInputs, config: Stage1Config) -> tuple[str, ...]:
    from amae_engine.method.validation_split import validation_split

    patients = seen.images[Split.NORMAL].patient_ids
    normals = len(patients)
    rows = validation_split(patients, config.validation_percent, config.training.seed)
    kept = int(rows.sum())
    few: tuple[str, ...] = ()
    if normals < _FEW_NORMALS:
        few = (
            f"{normals} normal images are few: their distribution is known roughly, so scores "
            f"and maps will vary much from set to set. Import {_FEW_NORMALS} or more.",
        )
    if kept == 0:
        return (
            f"The head is trained on all {normals} normal images; there is no validation curve.",
            *few,
        )
    return (
        f"The head is trained on {normals - kept} of the {normals} normal images; {kept} are the "
        f"validation split (validation_percent; --paper has none).",
        *few,
    )


def _run(project: Project, config: Stage1Config, record: RunRecord) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import be_deterministic, choose_device
    from amae_engine.method.stage1 import STEP
    from amae_engine.models.checkpoint import save_weights
    from amae_engine.models.safetensors_file import write_safetensors

    path = weights_path(project, config.weights)
    record.inputs.require_weights(_files(project, config, path))
    network, notes = _network(path, config)
    for note in notes:
        yield Notice(note)
    device = choose_device(config.training.device)
    be_deterministic(config.training.deterministic)
    encoder: FrozenEncoder = network.to(device)
    if config.encoder:
        encoder = frozen_encoder(project, config, path).to(device)
    eta = _eta(project, record, config)
    with LungSearch(project, record.inputs.images[Split.NORMAL].store_rows) as lungs:
        if device.type != "cpu" and processes.is_rank_zero():
            lungs.start()  # on the cores, while the encoder works
        features = yield from _features(project, encoder, record, config, eta)
        if processes.is_rank_zero():
            # before the classifier, so that the first scores are there at once
            yield from rate_against_unlabeled(project, record, encoder, config, features)
        found = yield from lungs.masks(encoder.image_size, device, STEP, eta.following or 0.0)
    classifier = yield from _classifier(
        project, encoder, record, config, features[Split.NORMAL], found
    )
    if processes.is_rank_zero():
        save_weights(network, record.folder / WEIGHTS_FILE, {"config": config.to_json()})
        write_safetensors(record.folder / CLASSIFIER_FILE, classifier.state_dict())
        yield from keep_grey(project, record.folder, record.inputs.images[Split.NORMAL].store_rows)
        _store(project, record, classifier, features)
        (record.folder / "checkpoint.pt").unlink()


def _network(path: Path, config: Stage1Config) -> tuple[MaskedAutoencoder, tuple[str, ...]]:
    from amae_engine.config import require_preset
    from amae_engine.errors import BadWeights
    from amae_engine.models.checkpoint import load_weights

    loaded = load_weights(path, heads=config.heads)
    if config.preset and loaded.network.config != require_preset(config.preset):
        found = loaded.network.config
        raise BadWeights(
            f"{path.name} holds a network of {found.image_size} px, encoder "
            f"{found.encoder_width}/{found.encoder_depth}; the preset '{config.preset}' needs "
            f"another. Choose weights of that preset, or the preset of these weights."
        )
    return loaded.network, loaded.notes


def _eta(project: Project, record: RunRecord, config: Stage1Config) -> EtaEstimator:
    """Of the encoder's passes: every view of every image now, every new anomaly later."""
    sets = record.inputs.images
    normal = sets[Split.NORMAL]
    total = sum(len(seen) * (2 + _random_views(split)) for split, seen in sets.items())
    later = len(normal) * config.training.epochs / config.redraw_every
    return EtaEstimator(total, later, lung_seconds(project, normal.store_rows))


def _random_views(split: str) -> int:
    return 0 if split == Split.TEST else _RANDOM_VIEWS


def _features(
    project: Project,
    encoder: FrozenEncoder,
    record: RunRecord,
    config: Stage1Config,
    eta: EtaEstimator,
) -> Generator[Event, None, dict[str, Tensor]]:
    """Frozen features (n, V, d) of every image's views, split by split; tokens go to the run."""
    sets = record.inputs.images
    if not processes.is_rank_zero():
        features = yield from _all_features(project, encoder, sets, config, eta, lambda _: None)
        return features
    ids = np.concatenate([seen.ids for seen in sets.values()])
    width = encoder.groups[encoder.map_group].width
    with TokenWriter(record.folder, ids, (encoder.grid**2, width)) as tokens:
        features = yield from _all_features(project, encoder, sets, config, eta, tokens.write)
    return features


def _all_features(
    project: Project,
    encoder: FrozenEncoder,
    sets: Mapping[str, InputImages],
    config: Stage1Config,
    eta: EtaEstimator,
    keep: Callable[[npt.NDArray[np.float16]], None],
) -> Generator[Event, None, dict[str, Tensor]]:
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.features import extract_features

    device, seed = next(encoder.parameters()).device, config.training.seed
    features: dict[str, Tensor] = {}
    passed = 0

    def tell(split: str, total: int, before: int, views: int, done: int) -> Progress:
        left = eta.seconds_left(before + done * (2 + views))
        return Progress(f"Stage 1 · features of {split} images", done, total, seconds_left=left)

    for split, seen in sets.items():
        images = images_of(project, seen.store_rows, device)
        views = _random_views(split)
        job = extract_features(encoder, images, config.training.precision, views, seed, keep)
        features[split] = yield from pass_on(job, partial(tell, split, len(seen), passed, views))
        passed += len(seen) * (2 + views)
    return features


def _classifier(
    project: Project,
    encoder: FrozenEncoder,
    record: RunRecord,
    config: Stage1Config,
    features: Tensor,
    lungs: StoredImages,
) -> Generator[Event, None, AnomalyClassifier]:
    """The trained head; `features` (n, V, d) are those of the normal images."""
    import torch

    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.stage1 import Stage1Data, train_classifier
    from amae_engine.method.validation_split import validation_split
    from amae_engine.models.anomaly_classifier import AnomalyClassifier

    device, seed = features.device, config.training.seed
    normal = record.inputs.images[Split.NORMAL]
    rows = normal.store_rows
    torch.manual_seed(seed)
    classifier = AnomalyClassifier(encoder.token_width).to(device)
    is_validation = validation_split(normal.patient_ids, config.validation_percent, seed)
    if processes.is_rank_zero():
        write_array(record.folder / VALIDATION_SPLIT_FILE, is_validation)
    images = images_of(project, rows, device)
    data = Stage1Data(images, lungs, features[:, 0].contiguous(), torch.from_numpy(is_validation))
    checkpoint = record.folder / "checkpoint.pt"
    yield from train_classifier(encoder, classifier, data, config, record.id, checkpoint)
    return classifier


def _store(
    project: Project,
    record: RunRecord,
    classifier: AnomalyClassifier,
    features: dict[str, Tensor],
) -> None:
    from amae_engine.method.features import normal_density, normal_folds, unseen_distances
    from amae_engine.method.stage1 import anomaly_probability

    whole = {split: values[:, 0] for split, values in features.items()}
    arrays = {split: values.cpu().numpy() for split, values in whole.items()}
    normal = arrays[Split.NORMAL]
    folds = normal_folds(record.inputs.images[Split.NORMAL].patient_ids)
    density = normal_density(normal, folds)
    for split, seen in record.inputs.images.items():
        if len(seen) == 0:
            continue
        rated: dict[ScoreKind, npt.NDArray[np.floating]] = {
            ScoreKind.STAGE1_PROBABILITY: anomaly_probability(classifier, whole[split]).numpy(),
            ScoreKind.MAHALANOBIS: unseen_distances(density, normal, folds)
            if split == Split.NORMAL
            else density.distance(arrays[split]),
        }
        with project.session() as session:
            for kind, values in rated.items():
                scores.save(session, record.id, kind, seen.ids, values)
    ids = {f"{split}_ids": seen.ids for split, seen in record.inputs.images.items()}
    write_arrays(record.folder / FEATURES_FILE, {**ids, **arrays, NORMAL_FOLDS: folds})
