"""Fixtures: development data, projects of real images, weights of a tiny network."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core
# two screens: a large one, and 1366 × 768 pixels at scale 1.5
os.environ.setdefault(
    "QT_QPA_PLATFORM", f"offscreen:configfile={Path(__file__).parent / 'screens.json'}"
)

from built_once import BuiltOnce, OpenCopy
from demo_images import SHARED, demo_files, finish

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ScoreConfig, Stage1Config, Stage2Config, TrainingConfig
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project
from tests.robustness.own_postgres import PostgresServer, programs
from tests.robustness.small_project import write_tiny_weights


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data, where the checkout has it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (development images and reference numbers), absent here")
    return SHARED


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """Folders that take a while to make: built by the first worker that needs one, copied by all."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    return BuiltOnce(root / "built_once")


@pytest.fixture(scope="session")
def tiny_weights(built_once: BuiltOnce) -> Path:
    """Random weights of a tiny network."""

    def build(folder: Path) -> None:
        folder.mkdir()
        write_tiny_weights(folder / "tiny.safetensors")

    return built_once.folder("weights", build) / "tiny.safetensors"


@pytest.fixture
def open_copy(built_once: BuiltOnce, tmp_path: Path) -> Generator[OpenCopy, None, None]:
    """Opens this test's own copy of a project that is built once: by its name and its builder."""
    opened: list[Project] = []

    def copy(name: str, build: Callable[[Project], None]) -> Project:
        def make(folder: Path) -> None:
            with contextlib.closing(Project.create(folder, "Test")) as project:
                build(project)
            shutil.rmtree(folder / "backups", ignore_errors=True)  # of closing it

        folder = tmp_path / ("project" if not opened else f"project-{len(opened) + 1}")
        shutil.copytree(built_once.folder(name, make), folder)
        opened.append(Project.open(folder))
        return opened[-1]

    yield copy
    for project in opened:
        project.close()


@pytest.fixture
def project(open_copy: OpenCopy) -> Project:
    """An empty project."""
    return open_copy("empty", lambda _project: None)


def import_small(project: Project) -> None:
    """40 real images: 20 normal, 10 unlabeled, 10 test."""
    finish(import_images(project, demo_files(20, 10, 10), "demo"))


@pytest.fixture
def small_project(open_copy: OpenCopy) -> Project:
    """40 real images: 20 normal, 10 unlabeled, 10 test."""
    return open_copy("small", import_small)


@pytest.fixture
def train_and_score(tiny_weights: Path) -> Callable[[Project], None]:
    """Both stages and scoring, by a tiny network; five unlabeled images decided."""

    def run(project: Project) -> None:
        from amae_engine.jobs.scoring.score_images import score_images
        from amae_engine.jobs.training.train_stage1 import train_stage1
        from amae_engine.jobs.training.train_stage2 import train_stage2

        short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
        finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=short)))
        with project.session() as session:
            ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
            decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
        finish(train_stage2(project, Stage2Config(training=short)))
        finish(score_images(project, ScoreConfig()))

    return run


@pytest.fixture
def build_whole_path(train_and_score: Callable[[Project], None]) -> Callable[[Project], None]:
    """40 real images, trained on and scored."""

    def build(project: Project) -> None:
        import_small(project)
        train_and_score(project)

    return build


@pytest.fixture
def whole_path(open_copy: OpenCopy, build_whole_path: Callable[[Project], None]) -> Project:
    """Both stages and scoring, by a tiny network; five unlabeled images decided."""
    return open_copy("whole", build_whole_path)


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
