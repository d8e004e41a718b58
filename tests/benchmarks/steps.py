"""Time the program's own steps on images in memory, as training and scoring run them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amae_engine.config import (
    Compile,
    PretrainConfig,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
    of_preset,
    require_preset,
)
from amae_engine.images.decode import read_for_store
from amae_engine.jobs.planning.step_trials import STORED_SIDE, masked_step, stage1_epoch, time_step
from amae_engine.method.compute_device import choose_device, random_generator
from amae_engine.method.discrepancy import compare_modules
from amae_engine.method.features import whole_images
from amae_engine.method.masking import random_masks, visible_count
from amae_engine.method.memory import even_parts, images_at_once, largest_batch
from amae_engine.method.stored_images import free_bytes
from amae_engine.models.anomaly_classifier import AnomalyClassifier
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from tests.benchmarks import plain
from tests.benchmarks.cost import (
    forward_operations,
    matmul_peak,
    peak_memory_bytes,
    training_operations,
)
from tests.benchmarks.training_memory import Memory, training_memory


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
        bytes_per_image=STORED_SIDE**2,
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
    pixels = [read_for_store(path, STORED_SIDE).image.pixels for path in paths]
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
    slow = plain.PublishedAutoencoder(network.config).to(stored.device)
    memory = training_memory(network.train(), masks, mask_ratio)
    return Step(
        masked_step(network, stored, batch, masks, mask_ratio, choice),
        batch,
        training_operations(network.config, mask_ratio, masks),
        lambda: plain.masked_steps(slow, paths[:32], (batch, masks, mask_ratio)),
        memory,
    )


def _stage1(
    network: MaskedAutoencoder, stored: torch.Tensor, paths: list[Path], settings: Settings
) -> Step:
    """A step is a whole epoch."""
    config = of_preset(Stage1Config, settings.preset)
    batch = settings.batch_size or config.training.batch_size
    slow = plain.PublishedAutoencoder(network.config).to(stored.device).eval()
    slow_head = AnomalyClassifier(network.config.encoder_width).to(stored.device)
    operations = forward_operations(network.config, network.config.patches, decoded=False)
    return Step(
        stage1_epoch(network, stored, config, batch),
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


def _plain_rate(epoch: Callable[[], int], seconds: float) -> float:
    seen, spent = 0, 0.0
    while spent < seconds:
        began = time.perf_counter()
        seen += epoch()
        spent += time.perf_counter() - began
    return seen / spent
