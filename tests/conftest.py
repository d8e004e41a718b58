"""Fixtures: development data, projects of real images, weights of a tiny network."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from demo_images import SHARED, TINY, demo_files, finish

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ScoreConfig, Stage1Config, Stage2Config, TrainingConfig
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project
from tests.robustness.own_postgres import PostgresServer, programs


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data, where the checkout has it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (development images and reference numbers), absent here")
    return SHARED


@pytest.fixture
def project(tmp_path: Path) -> Generator[Project, None, None]:
    """An empty project."""
    made = Project.create(tmp_path / "project", "Test")
    yield made
    made.close()


@pytest.fixture
def small_project(project: Project) -> Project:
    """40 real images: 20 normal, 10 unlabeled, 10 test."""
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


@pytest.fixture
def whole_path(small_project: Project, tiny_weights: Path) -> Project:
    """Both stages and scoring, by a tiny network; five unlabeled images decided."""
    from amae_engine.jobs.judging.score_images import score_images
    from amae_engine.jobs.training.train_stage1 import train_stage1
    from amae_engine.jobs.training.train_stage2 import train_stage2

    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=short)))
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
    finish(train_stage2(small_project, Stage2Config(training=short)))
    finish(score_images(small_project, ScoreConfig()))
    return small_project


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer, None, None]:
    """A running server."""
    binaries = programs()
    if binaries is None:
        pytest.skip("needs PostgreSQL's server programs (Debian: postgresql), absent here")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.stop()
