"""Stage 1: a classifier on frozen features learns to tell synthetic anomalies (Eq. 1, 2)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from amae_engine import processes
from amae_engine.config import Precision, Stage1Config, Synthesis
from amae_engine.events import Event
from amae_engine.method.compute_device import random_generator
from amae_engine.method.features import BATCH, encode_batch, whole_images
from amae_engine.method.image_batches import standardise, to_grey
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import Task, Update, make_optimizer, train
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.encoders import FrozenEncoder
from amae_engine.synthesis.synthesis import synthesise

STEP = "Stage 1"


@dataclass(frozen=True, slots=True)
class Stage1Data:
    """The normal images of stage 1.

    Attributes:
        stored: (n, S, S).
        lungs: Their lung masks (n, s, s), 0 or 1, at the encoder's image size.
        features: (n, d) float32, f0 of the unchanged images.
        is_validation: (n,) bool, True for images of the validation split.
    """

    stored: StoredImages
    lungs: StoredImages
    features: Tensor
    is_validation: Tensor


def train_classifier(
    encoder: FrozenEncoder,
    classifier: AnomalyClassifier,
    data: Stage1Data,
    config: Stage1Config,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train `classifier` in place; `encoder` is frozen and sees every patch.

    Features of the unchanged images are constant. An image's anomaly is drawn anew every
    `redraw_every` epochs, one part of the images in each epoch.
    """
    encoder.eval().requires_grad_(False)
    device = data.features.device
    trained = (~data.is_validation).nonzero().squeeze(1).to(device)
    validation = data.is_validation.nonzero().squeeze(1).to(device)
    anomalies = _Anomalies(encoder, data, trained, config)
    unseen = random_generator(device, config.training.seed, 10**6)
    validation_synthetic = list(_synthetic(encoder, data, validation, unseen, config))

    def loss(rows: Tensor) -> Tensor:
        return _loss(classifier, data.features[trained[rows]], anomalies.features[rows])

    def validation_loss() -> float:
        anomalous = torch.cat(validation_synthetic)
        return _loss(classifier, data.features[validation], anomalous).item()

    optimizer = make_optimizer(classifier, config.training, betas=(0.9, 0.999))
    task = Task(
        STEP,
        "",
        classifier,
        len(trained),
        inputs=lambda batches: ((rows,) for rows in batches),
        draw=lambda _images, _random: (),
        updates=(Update(loss, optimizer),),
        at_once=None,  # BatchNorm; the head is so small that every process trains it whole
        prepare=anomalies.redraw,
        validation_loss=validation_loss if len(validation) else None,
    )
    yield from train(task, config.training, run_id, checkpoint)


class _Anomalies:
    """Features of each image's synthetic anomaly, drawn anew part by part.

    Attributes:
        features: (n, d) of the trained images.
    """

    def __init__(
        self, encoder: FrozenEncoder, data: Stage1Data, trained: Tensor, config: Stage1Config
    ) -> None:
        self._encoder, self._data, self._trained, self._config = encoder, data, trained, config
        self._drawn: dict[int, int] = {}  # the epoch in which each part was drawn
        self.features = torch.zeros_like(data.features[trained])

    def redraw(self, epoch: int) -> Iterator[tuple[int, int]]:
        """Draw what is due in an epoch, all of it after a resume; yields (done, total) images."""
        every, trained = self._config.redraw_every, self._trained
        due = [epoch - (epoch - part) % every for part in range(every)]  # may be before epoch 0
        parts = range(min(every, len(trained)))  # fewer images than parts leave some empty
        missing = [part for part in parts if self._drawn.get(part) != due[part]]
        total = sum(len(trained[part::every]) for part in missing)
        done = 0
        for part in missing:
            rows = torch.arange(len(trained), device=trained.device)[part::every]
            seed = self._config.training.seed
            random = random_generator(trained.device, seed, part, due[part] + every)
            fresh = _synthetic(self._encoder, self._data, trained[rows], random, self._config)
            for chunk, features in zip(rows.split(BATCH), fresh, strict=True):
                self.features[chunk] = features
                done += len(chunk)
                yield done, total
            self._drawn[part] = due[part]


def _synthetic(
    encoder: FrozenEncoder,
    data: Stage1Data,
    chosen: Tensor,
    random: torch.Generator,
    config: Stage1Config,
) -> Iterator[Tensor]:
    """Features of fresh anomalies of the `chosen` rows, batch by batch."""
    batches = [rows for rows in chosen.split(BATCH) if len(rows)]
    pairs = zip(data.stored.batches(batches), data.lungs.batches(batches), strict=True)
    for stored, lungs in pairs:
        precision, synthesis = config.training.precision, config.synthesis
        yield synthetic_features(encoder, stored, lungs, random, precision, synthesis)


def synthetic_features(
    encoder: FrozenEncoder,
    stored: Tensor,
    lungs: Tensor,
    random: torch.Generator,
    precision: Precision,
    synthesis: Synthesis = Synthesis.ANATPASTE,
) -> Tensor:
    """f0(Aug(x)) (B, d) of fresh anomalies made from images (B, S, S) and their lungs (B, s, s).

    Every process draws and pastes the whole batch, encodes its share and gets the whole result.
    """
    size = encoder.image_size
    grey = to_grey(whole_images(stored, size))[:, 0].clamp(0, 1)
    anomalous = synthesise(synthesis, grey, lungs > 0, random).images
    mine = standardise(anomalous)[processes.share(len(stored)), None]
    return processes.all_rows(encode_batch(encoder, mine, precision), len(stored))


def resize_lungs(lungs: Tensor, size: int) -> Tensor:
    """Lung masks (B, S, S), 0 or 1, at another side, as bool; a mask never becomes empty by it."""
    shares = functional.adaptive_max_pool2d(lungs[:, None].float(), size)
    return shares[:, 0] > 0


def anomaly_probability(classifier: AnomalyClassifier, features: Tensor) -> Tensor:
    """P(abnormal | x) (n,) float64 of features (n, d); BatchNorm in evaluation mode."""
    classifier.eval()
    with torch.no_grad():
        return classifier(features).cpu().double().softmax(dim=1)[:, 1]


def _loss(classifier: AnomalyClassifier, normal: Tensor, anomalous: Tensor) -> Tensor:
    logits = classifier(torch.cat((normal, anomalous))).float()
    zeros = torch.zeros(len(normal), dtype=torch.long, device=logits.device)
    truth = torch.cat((zeros, torch.ones_like(zeros)))
    return functional.cross_entropy(logits, truth)
