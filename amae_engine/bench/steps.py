"""Time the program's own steps on images in memory, as training and scoring run them."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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
from amae_engine.bench.training_memory import Memory, training_memory
from amae_engine.config import (
    Compile,
    PretrainConfig,
    ScoreConfig,
    Stage2Config,
    TrainingConfig,
    require_preset,
    stage1_preset,
)
from amae_engine.images.decode import read_for_store
from amae_engine.method.compilation import compiled
from amae_engine.method.compute_device import autocast, choose_device, random_generator
from amae_engine.method.discrepancy import compare_modules
from amae_engine.method.features import BATCH, extract_features, whole_images
from amae_engine.method.masking import random_masks, visible_count
from amae_engine.method.memory import (
    even_parts,
    images_at_once,
    largest_batch,
)
from amae_engine.method.reconstruction import MaskedObjective
from amae_engine.method.stage1 import resize_lungs, synthetic_features
from amae_engine.method.stored_images import StoredImages, free_bytes
from amae_engine.method.training_loop import make_optimizer
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.synthesis.lung_mask import lungs_alone, together

T = TypeVar("T")
_STORED_SIDE = 256


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure.

    Attributes:
        preset: The network.
        seconds: How long to measure each path.
        device: As in a training's settings.
        batch_size: Images of a training step; 0 for the step's own.
        compile: Whether training steps are compiled.
        against_plain: Measure the plain loop too, in this process, on the same images.
    """

    preset: str = "compact"
    seconds: float = 10.0
    device: str = "auto"
    batch_size: int = 0
    compile: Compile = Compile.AUTO
    against_plain: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One benchmark's result.

    Attributes:
        batch_size: Images of a step.
        images_per_second: Of the program's own path.
        ms_per_step: A step is a batch.
        operations_per_second: Counted operations over measured time.
        peak_operations_per_second: Measured matrix-product peak in the same number format.
        floor_images_per_second: Peak over operations an image: no program can be faster.
        bytes_per_image: Moved from the image store for one image.
        needed_memory_bytes: Counted: training state and what a step keeps for its backward pass;
            None where nothing is trained.
        peak_memory_bytes: Measured: on a GPU allocated, else this process's resident memory.
        suggested_batch_size: The largest batch that the free memory holds; None as above.
        plain_images_per_second: The plain loop's, None where it was not run.
    """

    name: str
    preset: str
    device: str
    batch_size: int
    images_per_second: float
    ms_per_step: float
    operations_per_second: float
    peak_operations_per_second: float
    floor_images_per_second: float
    bytes_per_image: int
    needed_memory_bytes: int | None
    peak_memory_bytes: int
    suggested_batch_size: int | None
    plain_images_per_second: float | None

    @property
    def ratio(self) -> float | None:
        """How many times faster than the plain loop."""
        if self.plain_images_per_second is None:
            return None
        return self.images_per_second / self.plain_images_per_second


@dataclass(frozen=True, slots=True)
class Step:
    """One step to time.

    Attributes:
        run: Does it once.
        images: It works on so many.
        operations: For one image.
        plain: One epoch of the plain loop; returns the images seen.
        memory: None where nothing is trained.
    """

    run: Callable[[], Any]
    images: int
    operations: float
    plain: Callable[[], int]
    memory: Memory | None = None


def bench_step(name: str, paths: list[Path], settings: Settings) -> Measured:
    """Measure "stage0", "stage1", "stage2" or "score".

    Args:
        name: Which step.
        paths: Real images as files; the plain loop decodes them, ours keeps them in memory.
        settings: How to measure.
    """
    device = choose_device(settings.device)
    step = make_step(name, paths, settings)
    precision = TrainingConfig().precision
    peak = matmul_peak(device, precision)
    per_step = time_step(step.run, device, settings.seconds)
    peak = max(peak, matmul_peak(device, precision))  # what else runs here slows a trial down
    needed = suggested = None
    if step.memory is not None:
        needed = step.memory.state + step.images * step.memory.per_image
        free = free_bytes(device)
        suggested = largest_batch(free, step.memory.state, step.memory.per_image)
    return Measured(
        name=name,
        preset=settings.preset,
        device=device.type,
        batch_size=step.images,
        images_per_second=step.images / per_step,
        ms_per_step=1000 * per_step,
        operations_per_second=step.operations * step.images / per_step,
        peak_operations_per_second=peak,
        floor_images_per_second=peak / step.operations,
        bytes_per_image=_STORED_SIDE**2,
        needed_memory_bytes=needed,
        peak_memory_bytes=peak_memory_bytes(device),
        suggested_batch_size=suggested,
        plain_images_per_second=(
            _plain_rate(step.plain, settings.seconds) if settings.against_plain else None
        ),
    )


def make_step(name: str, paths: list[Path], settings: Settings) -> Step:
    """The step behind `bench_step`, with a new network."""
    torch.manual_seed(0)
    device = choose_device(settings.device)
    network = MaskedAutoencoder(require_preset(settings.preset)).to(device)
    pixels = [read_for_store(path, _STORED_SIDE).image.pixels for path in paths]
    make = {"stage0": _stage0, "stage1": _stage1, "stage2": _stage2, "score": _score}[name]
    return make(network, torch.from_numpy(np.stack(pixels)).to(device), paths, settings)


def _stage0(
    network: MaskedAutoencoder, stored: torch.Tensor, paths: list[Path], settings: Settings
) -> Step:
    config = PretrainConfig()
    batch = settings.batch_size or config.training.batch_size
    return _masked_step(network, stored, paths, (batch, 1, config.mask_ratio, settings.compile))


def _stage2(
    network: MaskedAutoencoder, stored: torch.Tensor, paths: list[Path], settings: Settings
) -> Step:
    config = Stage2Config()
    batch = settings.batch_size or config.training.batch_size
    masks, ratio = config.masks_per_image, config.mask_ratio
    return _masked_step(network, stored, paths, (batch, masks, ratio, settings.compile))


def _masked_step(
    network: MaskedAutoencoder,
    stored: torch.Tensor,
    paths: list[Path],
    kind: tuple[int, int, float, Compile],
) -> Step:
    batch, masks, mask_ratio, choice = kind
    device, config = stored.device, TrainingConfig()
    slow = plain.PublishedAutoencoder(network.config).to(device)
    network.train()
    memory = training_memory(network, masks, mask_ratio)
    objective = MaskedObjective(network, 0.5, mask_ratio)
    fast = compiled(objective, choice, device)
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

    return Step(
        step,
        batch,
        training_operations(network.config, mask_ratio, masks),
        lambda: plain.masked_steps(slow, paths[:32], (batch, masks, mask_ratio)),
        memory,
    )


def _stage1(
    network: MaskedAutoencoder, stored: torch.Tensor, paths: list[Path], settings: Settings
) -> Step:
    """A step is a whole epoch: fresh anomalies where they are due, frozen features, the head."""
    config = stage1_preset(settings.preset)
    precision, batch = config.training.precision, settings.batch_size or config.training.batch_size
    slow = plain.PublishedAutoencoder(network.config).to(stored.device).eval()
    network.eval().requires_grad_(False)
    arrays = stored.cpu().numpy()
    packed = together([lungs_alone(arrays)], arrays.shape[-1]).packed
    found = np.unpackbits(packed, axis=-1, count=arrays.shape[-1])
    lungs = resize_lungs(torch.from_numpy(found), network.config.image_size).to(stored.device)
    features = _end(extract_features(network, StoredImages.of(stored), precision))[:, 0]
    synthetic = features.clone()
    classifier = AnomalyClassifier(network.config.encoder_width).to(stored.device)
    optimizer = make_optimizer(classifier, config.training, (0.9, 0.999))
    random = random_generator(stored.device, 0)
    parts = itertools.cycle(range(config.redraw_every))

    def step() -> None:
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

    operations = forward_operations(network.config, network.config.patches, decoded=False)
    slow_head = AnomalyClassifier(network.config.encoder_width).to(stored.device)
    return Step(
        step,
        len(stored),
        operations / config.redraw_every,
        lambda: plain.stage1_steps(slow, slow_head, paths[:32], batch),
    )


def _score(
    network: MaskedAutoencoder, stored: torch.Tensor, paths: list[Path], settings: Settings
) -> Step:
    config = ScoreConfig()
    other = copy.deepcopy(network).eval()
    network.eval()
    published = plain.PublishedAutoencoder(network.config).to(stored.device).eval()
    slow = (published, copy.deepcopy(published))
    random = random_generator(stored.device, 0)
    batch = settings.batch_size or config.batch_size
    rows = torch.arange(batch, device=stored.device) % len(stored)
    at_once = images_at_once(network.config, config.masks_per_image, stored.device)
    parts = even_parts(batch, at_once)

    def step() -> None:
        masks = random_masks(
            1, config.masks_per_image, network.config.patches, config.mask_ratio, random
        )
        for part in parts:
            images = whole_images(stored[rows[part]], network.config.image_size)
            compare_modules(network, other, images, masks, config.precision)

    visible = visible_count(network.config.patches, config.mask_ratio)
    operations = 2 * config.masks_per_image * forward_operations(network.config, visible)
    paths = paths[:32]
    return Step(
        step, batch, operations, lambda: plain.score_images(slow, paths, config.masks_per_image)
    )


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


def _plain_rate(epoch: Callable[[], int], seconds: float) -> float:
    seen, spent = 0, 0.0
    while spent < seconds:
        began = time.perf_counter()
        seen += epoch()
        spent += time.perf_counter() - began
    return seen / spent


def _end(job: Generator[Any, None, T]) -> T:
    while True:
        try:
            next(job)
        except StopIteration as stop:
            result: T = stop.value
            return result
