"""`amae bench` as a whole: run the chosen benchmarks, print text or JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from amae_engine.errors import BadSetting
from amae_engine.resources import required_resource
from tests.benchmarks.steps import Measured, Settings, bench_step

STEPS = ("stage0", "stage1", "stage2", "score")


def run_benchmarks(names: list[str], settings: Settings) -> Iterator[Measured]:
    """Measure one step after another on the demo's images.

    Raises:
        BadSetting: A name is no benchmark.
    """
    chosen = list(STEPS) if "all" in names or not names else names
    for name in chosen:
        if name not in STEPS:
            raise BadSetting(f"There is no benchmark '{name}'; choose all or {', '.join(STEPS)}.")
    folder = required_resource("demo/images")
    paths = sorted(folder.glob("*.jpeg"))
    for name in chosen:
        yield bench_step(name, paths, settings)


def as_json(measured: Measured) -> dict[str, Any]:
    """All numbers, with the shares that a reader asks for."""
    return {
        **dataclasses.asdict(measured),
        "share_of_peak": measured.operations_per_second / measured.peak_operations_per_second,
        "ratio_to_plain": measured.ratio,
    }


def as_text(measured: Measured) -> str:
    """A few lines for a terminal."""
    share = 100 * measured.operations_per_second / measured.peak_operations_per_second
    lines = [
        f"{measured.name} · {measured.preset} · {measured.device} · "
        f"{measured.batch_size} images a step",
        f"  {measured.images_per_second:.1f} images/s, {measured.ms_per_step:.1f} ms a step; "
        f"floor {measured.floor_images_per_second:.1f} images/s",
        f"  {measured.operations_per_second / 1e9:.1f} of {measured.peak_operations_per_second / 1e9:.1f} "
        f"GFLOP/s measured peak ({share:.0f} %)",
        f"  {measured.bytes_per_image} bytes moved an image; peak memory of this process "
        f"{measured.peak_memory_bytes / 1e9:.2f} GB",
    ]
    if measured.needed_memory_bytes is not None:
        lines.append(
            f"  the step itself needs {measured.needed_memory_bytes / 1e9:.2f} GB; the free memory "
            f"holds batches of up to {measured.suggested_batch_size} images"
        )
    if measured.ratio is not None and measured.plain_images_per_second is not None:
        lines.append(
            f"  plain loop {measured.plain_images_per_second:.2f} images/s: "
            f"{measured.ratio:.1f} times faster"
        )
    return "\n".join(lines)
