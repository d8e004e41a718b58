"""The default pipeline end to end on so many images: seconds of each step, beside its floor.

More images than there are are seeded variants of them: turned, enlarged, cut out, mirrored, another
gamma, noise. So import takes them for other images, and not for copies that it leaves out.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.config import Precision, Stage1Config
from amae_engine.events import Event
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.jobs.planning.resource_estimate import VIEWS
from amae_engine.jobs.run_pipeline import run_pipeline
from amae_engine.jobs.training.starting_weights import frozen_encoder, weights_path
from amae_engine.method.compute_device import choose_device
from amae_engine.project import Project
from amae_engine.resources import required_resource
from tests.benchmarks.cost import matmul_peak, peak_memory_bytes
from tests.benchmarks.variants import variant

_IMPORT, _PREPARING = "Import", "Settings and inputs"
_DECODED = 200  # files that the floor of import is measured on, at most
_GAMMAS, _NOISE = (0.8, 1.25), 6  # of the variants; noise in grey values of 255


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """A step of the pipeline.

    Attributes:
        floor: Seconds that it cannot be faster than: decoding alone on every core, or the
            encoder's products at the measured peak; None where no one number bounds it.
    """

    name: str
    seconds: float
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All steps of one run.

    Attributes:
        images: By role, in the catalog: what import left out is not among them.
        variants: How many of them are variants of others.
        encoder: Stage 1's frozen one; "" is that of the starting weights alone.
    """

    images: dict[str, int]
    variants: int
    encoder: str
    steps: tuple[PipelineStep, ...]
    peak_memory_bytes: int

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)


def bench_pipeline(
    count: int | None = None, table: Path | None = None, epochs: int | None = None
) -> Pipeline:
    """Import, stage 1, pseudo-labels, stage 2, scores and maps.

    Args:
        count: Images in all; None takes all that there are.
        table: Of the images (columns file, split, truth, patient) in place of the demo's.
        epochs: Of both stages, in place of the default.
    """
    with TemporaryDirectory(prefix="amae-bench-") as text:
        place = Path(text)
        files, variants = _files(place / "images", count, table)
        with closing(Project.create(place / "project", "Bench")) as project:
            taken = {_IMPORT: sum(_seconds(import_images(project, files, "bench")).values())}
            config = default_config(project, Stage1Config).config
            assert isinstance(config, Stage1Config)
            taken |= _seconds(run_pipeline(project, epochs))
            with project.session() as session:
                counts = studies.split_counts(session)
            images = {str(role): counts[role].images for role in Split}
            floors = {_IMPORT: _decoding(files), **_encoding(project, config, images)}
        steps = tuple(
            PipelineStep(name, round(seconds, 2), floors.get(name))
            for name, seconds in taken.items()
        )
    memory = peak_memory_bytes(choose_device("auto"))
    return Pipeline(images, variants, config.encoder, steps, memory)


def _seconds(job: Generator[Event, None, Any]) -> dict[str, float]:
    """Of a job's steps: what passes before an event is of the step that it names, else of the last."""
    taken: defaultdict[str, float] = defaultdict(float)
    step, began = _PREPARING, time.perf_counter()
    for event in job:
        step = getattr(event, "step", "") or step
        now = time.perf_counter()
        taken[step] += now - began
        began = now
    taken[step] += time.perf_counter() - began
    return taken


def _files(
    folder: Path, count: int | None, table: Path | None = None
) -> tuple[list[SourceFile], int]:
    """The demo's or a table's images, then so many variants of them with their roles and truths."""
    real = list(from_csv(table or required_resource("demo/manifest.csv"), CsvColumns()))
    count = count or len(real)
    if count <= len(real):
        step = len(real) / count  # spread over roles and truths
        return [real[int(number * step)] for number in range(count)], 0
    folder.mkdir()
    table = folder / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(("file", "split", "truth", "patient"))
        for number in range(count - len(real)):
            source = real[number % len(real)]
            name = f"{number:06d}.jpeg"
            _variant(source.path, number).save(folder / name, quality=90)
            truth = "" if source.truth is None else source.truth
            writer.writerow((name, source.role, truth, f"v{number}"))
    return [*real, *from_csv(table, CsvColumns())], count - len(real)


def _variant(path: Path, number: int) -> Image.Image:
    random = np.random.default_rng(number)
    grey = np.asarray(variant(Image.open(path).convert("L"), number), dtype=np.float32) / 255
    noisy = 255 * grey ** random.uniform(*_GAMMAS) + random.normal(0, _NOISE, grey.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _decoding(files: list[SourceFile]) -> float:
    """Seconds to decode the files and nothing else, on every core."""

    def decode(file: SourceFile) -> None:
        with Image.open(file.path) as picture:
            picture.convert("L").load()

    chosen = files[:: max(1, len(files) // _DECODED)]
    began = time.perf_counter()
    with ThreadPoolExecutor() as threads:
        list(threads.map(decode, chosen))
    return (time.perf_counter() - began) * len(files) / len(chosen)


def _encoding(project: Project, config: Stage1Config, images: dict[str, int]) -> dict[str, float]:
    """Seconds of the frozen encoder's products at this machine's measured peak, by step."""
    device = choose_device(config.training.device)
    encoder: Any = frozen_encoder(project, config, weights_path(project, config.weights))
    image = torch.zeros(1, 1, encoder.image_size, encoder.image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.patch_tokens(image)
    seconds = counter.get_total_flops() / matmul_peak(device, Precision.AUTO)
    return {
        f"Stage 1 · features of {role} images": seconds * VIEWS[Split(role)] * number
        for role, number in images.items()
    }


def lines(found: Pipeline) -> Iterator[str]:
    """The table for a terminal."""
    roles = ", ".join(f"{number} {role}" for role, number in found.images.items())
    variants = f"; {found.variants} are variants of the others" if found.variants else ""
    yield f"pipeline of {roles} images, encoder {found.encoder or 'of the weights'}{variants}"
    yield f"  {'step':<44} {'seconds':>8}  {'floor':>7}  times floor"
    for step in found.steps:
        floor, times = "–", "–"
        if step.floor is not None:
            floor, times = f"{step.floor:.2f}", f"{step.seconds / max(step.floor, 1e-9):.1f}"
        yield f"  {step.name:<44} {step.seconds:8.1f}  {floor:>7}  {times:>11}"
    yield f"  {'all':<44} {found.seconds:8.1f}"
    yield f"  peak memory of this process {found.peak_memory_bytes / 1e9:.2f} GB"
