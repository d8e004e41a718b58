"""How the scoring job's time grows with the number of images: read, compare, write maps, store."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from amae_engine.catalog import runs, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreConfig, require_preset
from amae_engine.images.decode import read_for_store
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage2 import module_file
from amae_engine.models.checkpoint import save_weights
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.project import Project
from amae_engine.resources import required_resource
from tests.benchmarks.process_memory import peak_resident_bytes

_NORMALS = 64
_AT_ONCE = 500  # images added to the project together


@dataclass(frozen=True, slots=True)
class ScoredImages:
    """One point of the line.

    Attributes:
        seconds: Of the whole job.
        map_bytes: On disk.
        resident_bytes: The most memory this process has held so far.
    """

    images: int
    seconds: float
    images_per_second: float
    map_bytes: int
    resident_bytes: int


def scoring_line(counts: list[int], preset: str) -> Iterator[ScoredImages]:
    """Score projects of so many images (the demo's, repeated) with a random network."""
    paths = sorted(required_resource("demo/images").glob("*.jpeg"))
    pixels = [read_for_store(path, 256).image.pixels for path in paths]
    for count in counts:
        folder = Path(tempfile.mkdtemp(prefix="amae-bench-"))
        try:
            project = _project(folder / "project", pixels, count, preset)
            began = time.perf_counter()
            for _ in score_images(project, ScoreConfig()):
                pass
            seconds = time.perf_counter() - began
            maps = (project.run_folder(3) / "maps").glob("*.npy")
            size = sum(path.stat().st_size for path in maps)
            project.close()
        finally:
            shutil.rmtree(folder)
        held = peak_resident_bytes()
        yield ScoredImages(count, seconds, count / seconds, size, held)


def _project(folder: Path, pixels: list[np.ndarray], count: int, preset: str) -> Project:
    project = Project.create(folder)
    for start in range(0, _NORMALS + count, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, _NORMALS + count))
        first = project.pixels.append([pixels[number % len(pixels)] for number in numbers])
        with project.session() as session:
            studies.add_images(session, [_row(n, first + p) for p, n in enumerate(numbers)])
    torch.manual_seed(0)
    with project.session() as session:
        stage1 = runs.start(session, RunKind.STAGE1, {}, None, 0)
        stage2 = runs.start(session, RunKind.STAGE2, {}, stage1, 0)
        runs.finish(session, stage1)
        runs.finish(session, stage2)
    project.run_folder(stage2).mkdir(parents=True)
    for module in "AB":
        network = MaskedAutoencoder(require_preset(preset))
        save_weights(network, project.run_folder(stage2) / module_file(module), {})
    return project


def _row(number: int, store_row: int) -> studies.NewImage:
    split = Split.NORMAL if number < _NORMALS else Split.TEST
    return studies.NewImage(
        patient_key=f"p{number}",
        patient_known=True,
        study_key=f"s{number}",
        split=split,
        truth=0 if split is Split.NORMAL else number % 2,
        source="bench",
        sop_key=None,
        pixel_hash=f"h{number}",
        store_row=store_row,
        rows=256,
        columns=256,
        bits_stored=8,
        photometric="MONOCHROME2",
        modality="DX",
        view="PA",
        body_part="CHEST",
        transfer_syntax="",
        pixel_spacing_mm=None,
        column_spacing_mm=None,
        spacing_tag="",
        flags=(),
    )
