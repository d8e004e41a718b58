"""What a GPU should do, in one command: each bar beside what was measured, and the plain loop's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from amae_engine.config import Precision
from amae_engine.errors import NotReady
from amae_engine.images.decode import read_for_store
from amae_engine.jobs.planning.step_trials import synchronise, time_step
from amae_engine.method.compute_device import be_deterministic, choose_device
from amae_engine.method.features import BATCH, encode_batch, whole_images
from amae_engine.models.encoders import load_encoder
from amae_engine.resources import required_resource
from tests.benchmarks.cost import matmul_peak
from tests.benchmarks.steps import Measured, Settings, Step, bench_step, make_step

_PAPER = "paper"
_PAPER_STEPS = 75_000  # of 16 images × 2 masks, for each module
_MODULE_SECONDS, _TIMES_PLAIN = 120.0, 8.0  # the bars; the first is an H200's
_FEATURES, _SCORED = 5000.0, 2000.0  # images/s


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing that was measured.

    Attributes:
        value: In `unit`.
        bar: What it should be at least (at most, where `smaller_is_better`); None where nobody said.
        share_of_peak: Of this device's measured matrix products; None where it is not counted.
    """

    name: str
    unit: str
    value: float
    bar: float | None = None
    smaller_is_better: bool = False
    share_of_peak: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; None without one."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.smaller_is_better else self.value >= self.bar


def bench_gpu(settings: Settings) -> Iterator[Bar]:
    """Stage 2 at the paper's scale, both modules at once, features, scoring, determinism's price.

    Args:
        settings: The device and how long to measure each; preset and plain loop are this command's.

    Raises:
        NotReady: There is no GPU, and no other device was asked for.
    """
    device = choose_device(settings.device)
    if settings.device == "auto" and device.type == "cpu":
        raise NotReady(
            "There is no GPU on this machine; --device cpu tries the same measurements on the CPU."
        )
    paths = sorted(required_resource("demo/images").glob("*.jpeg"))
    chosen = replace(settings, preset=_PAPER)
    trained = bench_step("stage2", paths, replace(chosen, against_plain=True))
    name, seconds = "stage 2, one module of the paper", _PAPER_STEPS * trained.ms_per_step / 1000
    yield Bar(f"{name}, 75,000 steps", "s", seconds, _MODULE_SECONDS, True, _share(trained))
    yield Bar(f"{name}, against the plain loop", "times", trained.ratio or 0.0, _TIMES_PLAIN)
    yield Bar(
        "stage 2, modules A and B at the same time, against one after the other",
        "times",
        _side_by_side(paths, chosen),
    )
    yield Bar(
        "stage 2, deterministic: time of a step against any kernels",
        "times",
        _deterministic(paths, chosen) / trained.ms_per_step,
    )
    yield _features(paths, device, settings.seconds)
    scored = bench_step("score", paths, chosen)
    yield Bar(
        "scoring with maps", "images/s", scored.images_per_second, _SCORED, False, _share(scored)
    )


def _share(measured: Measured) -> float:
    return measured.operations_per_second / measured.peak_operations_per_second


def _side_by_side(paths: list[Path], settings: Settings) -> float:
    """How many times faster two modules train in two threads than one after the other."""
    steps = [make_step("stage2", paths, settings) for _ in "AB"]
    device = choose_device(settings.device)
    alone = sum(time_step(step.run, device, settings.seconds) for step in steps)
    count = max(3, int(settings.seconds / alone))
    threads = [threading.Thread(target=_repeat, args=(step, count)) for step in steps]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    synchronise(device)
    return alone / ((time.perf_counter() - began) / count)


def _repeat(step: Step, count: int) -> None:
    for _ in range(count):
        step.run()


def _deterministic(paths: list[Path], settings: Settings) -> float:
    """Milliseconds of a step of stage 2 with deterministic kernels alone."""
    be_deterministic(True)
    try:
        return bench_step("stage2", paths, settings).ms_per_step
    finally:
        be_deterministic(False)


def _features(paths: list[Path], device: torch.device, seconds: float) -> Bar:
    """The bundled frozen encoder over whole images, a batch at once."""
    encoder: Any = load_encoder(required_resource("weights/foundation.safetensors"))
    encoder = encoder.to(device).eval()
    pixels = np.stack([read_for_store(path, 256).image.pixels for path in paths[:BATCH]])
    stored = torch.from_numpy(pixels).to(device)

    def step() -> None:
        encode_batch(encoder, whole_images(stored, encoder.image_size), Precision.AUTO)

    with FlopCounterMode(display=False) as counter:
        step()
    spent = time_step(step, device, seconds)
    share = counter.get_total_flops() / spent / matmul_peak(device, Precision.AUTO)
    name = "features of the frozen encoder (foundation)"
    return Bar(name, "images/s", len(stored) / spent, _FEATURES, False, share)


def line(found: Bar) -> str:
    """For a terminal."""
    text = f"{found.name}: {found.value:.4g} {found.unit}"
    if found.bar is not None:
        limit = "at most" if found.smaller_is_better else "at least"
        text += f" ({limit} {found.bar:.4g}: {'met' if found.is_met else 'NOT met'})"
    if found.share_of_peak is not None:
        text += f"; {100 * found.share_of_peak:.0f} % of the measured peak"
    return text
