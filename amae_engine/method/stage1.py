"""Stage 1: a classifier on frozen features learns to tell AnatPaste anomalies (Eq. 2)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from amae_engine.config import Precision, TrainingConfig
from amae_engine.events import Event
from amae_engine.method.compute_device import random_generator
from amae_engine.method.features import BATCH, encode_batch, whole_images
from amae_engine.method.image_batches import standardise, to_grey
from amae_engine.method.training_loop import Task, train
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.synthesis.anatpaste import anatpaste

STEP = "Stage 1"


@dataclass(frozen=True, slots=True)
class Stage1Data:
    """The normal images of stage 1, on the device.

    Attributes:
        films: (n, S, S) uint8.
        lungs: (n, S, S) bool.
        features: (n, d) float32, f0 of the unchanged films.
        held_out: (n,) bool, True for films of the validation curve.
    """

    films: Tensor
    lungs: Tensor
    features: Tensor
    held_out: Tensor


def held_out_rows(count: int, percent: int, seed: int) -> Tensor:
    """(count,) bool: which films are kept for the validation curve, at most half of them."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    rows = torch.zeros(count, dtype=torch.bool)
    rows[order[: min(count * percent // 100, count // 2)]] = True
    return rows


def train_classifier(
    network: MaskedAutoencoder,
    classifier: AnomalyClassifier,
    data: Stage1Data,
    config: TrainingConfig,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train `classifier` in place; `network` is frozen and sees every patch.

    Features of the unchanged films are constant; each epoch draws its anomalies anew.
    """
    network.eval().requires_grad_(False)
    device = data.films.device
    trained = (~data.held_out).nonzero().squeeze(1).to(device)
    held_out = data.held_out.nonzero().squeeze(1).to(device)
    synthetic = torch.zeros_like(data.features[trained])

    def prepare(random: torch.Generator) -> Iterator[tuple[int, int]]:
        for start in range(0, len(trained), BATCH):
            rows = trained[start : start + BATCH]
            synthetic[start : start + len(rows)] = synthetic_features(
                network, data, rows, random, config.precision
            )
            yield start + len(rows), len(trained)

    def loss(rows: Tensor, random: torch.Generator) -> Tensor:
        return _loss(classifier, data.features[trained[rows]], synthetic[rows])

    unseen = random_generator(device, config.seed, 10**6)
    held_out_synthetic = [
        synthetic_features(network, data, rows, unseen, config.precision)
        for rows in held_out.split(BATCH)
        if len(rows)
    ]

    def validation_loss() -> float:
        anomalous = torch.cat(held_out_synthetic)
        return _loss(classifier, data.features[held_out], anomalous).item()

    task = Task(
        STEP,
        "",
        classifier,
        len(trained),
        loss,
        prepare=prepare,
        validation_loss=validation_loss if len(held_out) else None,
        betas=(0.9, 0.999),
    )
    yield from train(task, config, run_id, checkpoint)


def synthetic_features(
    network: MaskedAutoencoder,
    data: Stage1Data,
    rows: Tensor,
    random: torch.Generator,
    precision: Precision,
) -> Tensor:
    """f0(Aug(x)) (B, d) of fresh anomalies made from the films `rows` (B,)."""
    size = network.config.image_size
    grey = to_grey(whole_images(data.films[rows], size))[:, 0].clamp(0, 1)
    anomalous, _, _ = anatpaste(grey, resize_lungs(data.lungs[rows], size), random)
    return encode_batch(network, standardise(anomalous)[:, None], precision)


def resize_lungs(lungs: Tensor, size: int) -> Tensor:
    """Lung masks (B, S, S) bool at another side; a mask never becomes empty by it."""
    shares = functional.adaptive_max_pool2d(lungs[:, None].float(), size)
    return shares[:, 0] > 0


def anomaly_probability(classifier: AnomalyClassifier, features: Tensor) -> Tensor:
    """P(abnormal | x) (n,) of features (n, d); BatchNorm in evaluation mode."""
    classifier.eval()
    with torch.no_grad():
        return classifier(features).softmax(dim=1)[:, 1]


def _loss(classifier: AnomalyClassifier, normal: Tensor, anomalous: Tensor) -> Tensor:
    logits = classifier(torch.cat((normal, anomalous))).float()
    zeros = torch.zeros(len(normal), dtype=torch.long, device=logits.device)
    truth = torch.cat((zeros, torch.ones_like(zeros)))
    return functional.cross_entropy(logits, truth)
