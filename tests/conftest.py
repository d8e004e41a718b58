"""Fixtures: real films, small networks, projects."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")

from amae_engine.config import ModelConfig
from amae_engine.events import Event
from amae_engine.images.sources import CsvColumns, from_csv
from amae_engine.jobs.import_images import import_images
from amae_engine.project import Project

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "resources" / "demo"
SHARED = ROOT.parent / "shared"
TINY = ModelConfig(
    image_size=64,
    encoder_width=48,
    encoder_depth=2,
    encoder_heads=3,
    decoder_width=32,
    decoder_depth=1,
    decoder_heads=2,
)


def finish(job: Generator[Event, None, object]) -> tuple[object, list[Event]]:
    """Run a job to its end: its result and its events."""
    events = []
    while True:
        try:
            events.append(next(job))
        except StopIteration as stop:
            return stop.value, events


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data, where the checkout has it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (development films and reference numbers), absent here")
    return SHARED


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project, None, None]:
    """An empty project."""
    made = Project.create(tmp_path / "project", "Test")
    yield made
    made.close()


def demo_files(normal: int, unlabeled: int, test: int) -> list:
    """The first films of each role of the demo set, both truths in turn."""
    every = from_csv(DEMO / "manifest.csv", CsvColumns())
    chosen = []
    for role, count in (("normal", normal), ("unlabeled", unlabeled), ("test", test)):
        films = [f for f in every if f.role == role]
        normals = [f for f in films if not f.truth]
        abnormals = [f for f in films if f.truth]
        if not abnormals:
            chosen += normals[:count]
            continue
        chosen += normals[: count // 2] + abnormals[: count - count // 2]
    return chosen


@pytest.fixture
def small_project(project: Project) -> Project:
    """40 real films: 20 normal, 10 unlabeled, 10 test."""
    finish(import_images(project, demo_files(20, 10, 10), "demo"))
    return project


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny network."""
    import torch

    from amae_engine.models.checkpoint import save_weights
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(MaskedAutoencoder(TINY), path, {})
    return path
