"""How long both stages will take on this machine, from two seconds of each one's own step."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from amae_engine.config import (
    Compile,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
    of_preset,
    require_preset,
)
from amae_engine.drive import drive
from amae_engine.images.decode import read_for_store
from amae_engine.method.compilation import compiled
from amae_engine.method.compute_device import autocast, choose_device, random_generator
from amae_engine.method.features import BATCH, extract_features
from amae_engine.method.memory import even_parts, images_at_once
from amae_engine.method.reconstruction import MaskedObjective
from amae_engine.method.stage1 import resize_lungs, synthetic_features
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.training_loop import make_optimizer
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.resources import required_resource
from amae_engine.synthesis.lung_mask import lungs_alone, together

STORED_SIDE = 256
_TRIAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Expected durations in seconds.

    Attributes:
        normals, unlabeled: Images that they are for.
        preset: Network and schedule.
        stage1: Features of every image once, and the epochs over N.
        stage2: The epochs of modules A and B.
    """

    normals: int
    unlabeled: int
    preset: str
    stage1: float
    stage2: float


def estimate_stages(normals: int, unlabeled: int, preset: str) -> StageTimes:
    """Time stage 1's and stage 2's steps on the demo's images for two seconds each; scale them up."""
    one, two = of_preset(Stage1Config, preset), of_preset(Stage2Config, preset)
    device = choose_device("auto")
    torch.manual_seed(0)
    network = MaskedAutoencoder(require_preset(preset)).to(device)
    stored = demo_pixels(device)
    batch = two.training.batch_size
    masked = masked_step(network, stored, batch, two.masks_per_image, two.mask_ratio)
    second = time_step(masked, device, _TRIAL_SECONDS) / batch
    epoch = stage1_epoch(network, stored, one)
    first = time_step(epoch, device, _TRIAL_SECONDS) / len(stored)
    passes = normals * (one.training.epochs + 1) + unlabeled
    kept = normals + stage2_images(unlabeled, two)
    return StageTimes(
        normals, unlabeled, preset, passes * first, two.training.epochs * kept * second
    )


def stage2_images(unlabeled: int, config: Stage2Config) -> int:
    """Unlabeled images that get a pseudo-label and train module A or B."""
    return round(unlabeled * config.pseudo_labels.keep_percent / 100)


def demo_pixels(device: torch.device) -> torch.Tensor:
    """The demo's images as the pixel store keeps them: (n, 256, 256) uint8."""
    paths = sorted(required_resource("demo/images").glob("*.jpeg"))
    return torch.from_numpy(
        np.stack([read_for_store(path, STORED_SIDE).image.pixels for path in paths])
    ).to(device)


def masked_step(
    network: MaskedAutoencoder,
    stored: torch.Tensor,
    batch: int,
    masks: int,
    mask_ratio: float,
    compile: Compile = Compile.AUTO,
) -> Callable[[], None]:
    """One optimizer step of stages 0 and 2 (Eq. 3): `batch` random images, each under `masks` masks."""
    device, config = stored.device, TrainingConfig()
    network.train()
    objective = MaskedObjective(network, 0.5, mask_ratio)
    fast = compiled(objective, compile, device)
    optimizer = make_optimizer(network, config, (0.9, 0.95))
    random = random_generator(device, 0)
    parts = even_parts(batch, images_at_once(network.config, masks, device))

    def step() -> None:
        rows = torch.randint(0, len(stored), (batch,), generator=random, device=device)
        draws = objective.draw(batch, masks, stored.shape[-1], random)
        optimizer.zero_grad(set_to_none=True)
        for part in parts:
            with autocast(device, config.precision):
                loss = fast(stored[rows[part]], *(values[part] for values in draws))
            (loss * (len(rows[part]) / batch)).backward()
        optimizer.step()

    return step


def stage1_epoch(
    network: MaskedAutoencoder, stored: torch.Tensor, config: Stage1Config, batch: int = 0
) -> Callable[[], None]:
    """An epoch of stage 1 (Eq. 2): fresh anomalies where they are due, frozen features, the head."""
    precision, batch = config.training.precision, batch or config.training.batch_size
    network.eval().requires_grad_(False)
    arrays = stored.cpu().numpy()
    packed = together([lungs_alone(arrays)], arrays.shape[-1]).packed
    found = np.unpackbits(packed, axis=-1, count=arrays.shape[-1])
    lungs = resize_lungs(torch.from_numpy(found), network.config.image_size).to(stored.device)
    features = drive(extract_features(network, StoredImages.of(stored), precision))[:, 0]
    synthetic = features.clone()
    classifier = AnomalyClassifier(network.config.encoder_width).to(stored.device)
    optimizer = make_optimizer(classifier, config.training, (0.9, 0.999))
    random = random_generator(stored.device, 0)
    parts = itertools.cycle(range(config.redraw_every))

    def epoch() -> None:
        due = torch.arange(len(stored), device=stored.device)[next(parts) :: config.redraw_every]
        for rows in due.split(BATCH):
            synthetic[rows] = synthetic_features(
                network, stored[rows], lungs[rows], random, precision
            )
        for start in range(0, len(stored), batch):
            part = slice(start, start + batch)
            logits = classifier(torch.cat((features[part], synthetic[part])))
            truth = torch.arange(len(logits), device=logits.device) >= len(logits) // 2
            loss = torch.nn.functional.cross_entropy(logits, truth.long())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return epoch


def time_step(step: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Seconds of one step: the median after two to warm up."""
    for _ in range(2):
        step()
    synchronise(device)
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        began = time.perf_counter()
        step()
        synchronise(device)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
