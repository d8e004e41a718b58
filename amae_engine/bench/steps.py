"""Time the program's own steps on films in memory, as training and scoring run them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from amae_engine.bench import plain
from amae_engine.bench.cost import (
    forward_operations,
    matmul_peak,
    peak_memory_bytes,
    synchronise,
    training_operations,
)
from amae_engine.config import Precision, ScoreConfig, Stage2Config, TrainingConfig, require_preset
from amae_engine.images.decode import read_for_store
from amae_engine.method.compute_device import autocast, choose_device, random_generator
from amae_engine.method.discrepancy import compare_modules
from amae_engine.method.features import extract_features, whole_images
from amae_engine.method.masking import random_masks, visible_count
from amae_engine.method.reconstruction import augmented, masked_loss
from amae_engine.method.stage1 import Stage1Data, synthetic_features
from amae_engine.method.training_loop import make_optimizer
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.synthesis.lung_mask import lung_masks


@dataclass(frozen=True, slots=True)
class Measured:
    """One benchmark's result.

    Attributes:
        images_per_second: Of the program's own path.
        ms_per_step: A step is a batch.
        operations_per_second: Counted operations over measured time.
        peak_operations_per_second: Measured matrix-product peak in the same number format.
        floor_images_per_second: Peak over operations an image: no program can be faster.
        bytes_per_image: Moved from the film store for one image.
        plain_images_per_second: The plain loop's, None where it was not run.
    """

    name: str
    preset: str
    device: str
    images_per_second: float
    ms_per_step: float
    operations_per_second: float
    peak_operations_per_second: float
    floor_images_per_second: float
    bytes_per_image: int
    peak_memory_bytes: int
    plain_images_per_second: float | None

    @property
    def ratio(self) -> float | None:
        """How many times faster than the plain loop."""
        if self.plain_images_per_second is None:
            return None
        return self.images_per_second / self.plain_images_per_second


def bench_step(
    name: str, paths: list[Path], preset: str, seconds: float, against_plain: bool
) -> Measured:
    """Measure "stage1", "stage2" or "score".

    Args:
        name: Which step.
        paths: Real films as files; the plain loop decodes them, ours keeps them in memory.
        preset: The network.
        seconds: How long to measure each path.
        against_plain: Measure the plain loop too, in this process, on the same films.
    """
    torch.manual_seed(0)
    device = choose_device("auto")
    network = MaskedAutoencoder(require_preset(preset)).to(device)
    films = torch.from_numpy(np.stack([read_for_store(p, 256).film.pixels for p in paths]))
    make = {"stage1": _stage1, "stage2": _stage2, "score": _score}[name]
    step, batch, operations, plain_epoch = make(network, films.to(device), paths)
    per_step = _time(step, device, seconds)
    peak = matmul_peak(device, Precision.AUTO)
    plain_rate = _plain_rate(plain_epoch, seconds) if against_plain else None
    return Measured(
        name=name,
        preset=preset,
        device=device.type,
        images_per_second=batch / per_step,
        ms_per_step=1000 * per_step,
        operations_per_second=operations * batch / per_step,
        peak_operations_per_second=peak,
        floor_images_per_second=peak / operations,
        bytes_per_image=int(films[0].numel()),
        peak_memory_bytes=peak_memory_bytes(device),
        plain_images_per_second=plain_rate,
    )


Made = tuple[Callable[[], None], int, float, Callable[[], int]]


def _stage2(network: MaskedAutoencoder, films: torch.Tensor, paths: list[Path]) -> Made:
    config = Stage2Config()
    slow = copy.deepcopy(network).cpu()
    network.choose_attention(films.device.type)
    network.train()
    optimizer = make_optimizer(network, config.training, (0.9, 0.95))
    random = random_generator(films.device, 0)
    batch, masks = config.training.batch_size, config.masks_per_image

    def step() -> None:
        rows = torch.randint(0, len(films), (batch,), generator=random, device=films.device)
        with autocast(films.device, Precision.AUTO):
            images = augmented(films[rows], network.config.image_size, 0.5, random)
            drawn = random_masks(batch, masks, network.config.patches, config.mask_ratio, random)
            loss = masked_loss(network, images, drawn)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    operations = training_operations(network.config, config.mask_ratio, masks)
    return step, batch, operations, lambda: plain.stage2_steps(slow, paths[:32], batch, masks)


def _stage1(network: MaskedAutoencoder, films: torch.Tensor, paths: list[Path]) -> Made:
    """A step is a whole epoch of one batch of 64: synthesis, frozen features, head updates."""
    config = TrainingConfig()
    slow = copy.deepcopy(network).cpu().eval()
    network.eval().requires_grad_(False)
    films = films[:64]
    lungs = torch.from_numpy(_end(lung_masks(films.cpu().numpy())).masks).to(films.device)
    features = _end(extract_features(network, films, Precision.AUTO))
    nobody = torch.zeros(len(films), dtype=torch.bool)
    data = Stage1Data(films, lungs, features, nobody)
    classifier = AnomalyClassifier(network.config.encoder_width).to(films.device)
    optimizer = make_optimizer(classifier, config, (0.9, 0.999))
    random = random_generator(films.device, 0)
    rows = torch.arange(len(films), device=films.device)

    def step() -> None:
        anomalous = synthetic_features(network, data, rows, random, Precision.AUTO)
        for part in rows.split(config.batch_size):
            logits = classifier(torch.cat((features[part], anomalous[part])))
            truth = torch.arange(len(logits), device=logits.device) >= len(part)
            loss = torch.nn.functional.cross_entropy(logits, truth.long())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    operations = forward_operations(network.config, network.config.patches, decoded=False)
    slow_head = AnomalyClassifier(network.config.encoder_width)
    return (
        step,
        len(films),
        operations,
        lambda: plain.stage1_steps(slow, slow_head, paths[:32], config.batch_size),
    )


def _score(network: MaskedAutoencoder, films: torch.Tensor, paths: list[Path]) -> Made:
    config = ScoreConfig()
    other = copy.deepcopy(network).eval()
    network.eval()
    slow = (copy.deepcopy(network).cpu(), copy.deepcopy(other).cpu())
    random = random_generator(films.device, 0)
    batch = config.batch_size

    def step() -> None:
        images = whole_images(films[:batch], network.config.image_size)
        masks = random_masks(
            1, config.masks_per_image, network.config.patches, config.mask_ratio, random
        )
        compare_modules(network, other, images, masks, Precision.AUTO)

    visible = visible_count(network.config.patches, config.mask_ratio)
    operations = 2 * config.masks_per_image * forward_operations(network.config, visible)
    paths = paths[:32]
    return step, batch, operations, lambda: plain.score_films(slow, paths, config.masks_per_image)


def _time(step: Callable[[], None], device: torch.device, seconds: float) -> float:
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


def _plain_rate(epoch: Callable[[], int], seconds: float) -> float:
    films, spent = 0, 0.0
    while spent < seconds:
        began = time.perf_counter()
        films += epoch()
        spent += time.perf_counter() - began
    return films / spent


def _end(job):  # type: ignore[no-untyped-def]
    while True:
        try:
            next(job)
        except StopIteration as stop:
            return stop.value
