"""A window without a screen, on a real project."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from built_once import OpenCopy
from demo_images import finish
from shiboken6 import isValid
from widgets_by_name import WAIT

from amae_app.main_window import MainWindow
from amae_app.queues import Queues
from amae_app.settings import Settings
from amae_app.theme import ThemeName, apply_theme
from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import (
    PseudoLabelConfig,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.jobs.planning.defaults import choose_label_settings
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from tests.conftest import import_small
from tests.waiting import wait_until


@pytest.fixture(autouse=True, scope="module")
def older_objects_stay() -> None:
    """A collection looks at a module's own objects: at those of every library it takes 0.2 s a test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def garbage_is_collected_here() -> Generator[None, None, None]:
    """In the main thread, when no window is open: elsewhere Qt's objects may not be deleted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of their own for every test."""
    from PySide6.QtCore import QSettings

    scope = QSettings.Scope.UserScope
    QSettings.setPath(QSettings.Format.IniFormat, scope, str(tmp_path / "settings"))


def rate(project: Project, tiny_weights: Path) -> None:
    """Stage 1 finished: probabilities that rise with the image's number."""
    import_small(project)
    with project.session() as session:
        run = runs.start(session, RunKind.STAGE1, Stage1Config().to_dict(), None, 1)
        for split in Split:
            ids = image_tables.images_in(session, split).ids
            spread = np.linspace(0.02, 0.98, len(ids))
            scores.save(session, run, ScoreKind.STAGE1_PROBABILITY, ids, spread)
            scores.save(session, run, ScoreKind.MAHALANOBIS, ids, 10 * spread)
        runs.finish(session, run)
    choose_label_settings(project, PseudoLabelConfig())
    folder = project.run_folder(run)
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(tiny_weights.read_bytes())


@pytest.fixture
def rated_project(open_copy: OpenCopy, tiny_weights: Path) -> Project:
    """Stage 1 finished: probabilities that rise with the image's number."""
    return open_copy("rated", lambda project: rate(project, tiny_weights))


@pytest.fixture
def scored_project(open_copy: OpenCopy, tiny_weights: Path) -> Project:
    """Both stages finished, with real modules and maps of a tiny network."""

    def build(project: Project) -> None:
        rate(project, tiny_weights)
        one_epoch = TrainingConfig(epochs=1, warmup_epochs=0)
        finish(train_stage2(project, Stage2Config(training=one_epoch)))
        finish(score_images(project, ScoreConfig()))

    return open_copy("scored", build)


def close_window(window: MainWindow) -> None:
    """Close a window, which asks nobody about what is not saved; returns when its projects are closed."""
    if window.context is not None:
        acts = window.context.acts
        wait_until(lambda: bool(acts.cause) or not acts.waiting, WAIT / 1000)
        acts.give_up()
    window.asks_at_close = False
    window.close()
    wait_until(lambda: window.is_closed, WAIT / 1000)


@pytest.fixture
def queues(small_project: Project, qtbot) -> Generator[Queues, None, None]:
    """A window's queues, that of a project open."""
    queues = Queues()
    queues.open(small_project)
    yield queues
    is_closed: list[bool] = []
    queues.closed.connect(lambda: is_closed.append(True))
    queues.close_all(goes_on=False)
    wait_until(lambda: bool(is_closed), WAIT / 1000)


@pytest.fixture
def open_window(qtbot, qapp) -> Generator[Callable[[Project], MainWindow], None, None]:
    """Open the main window on a project."""
    windows: list[MainWindow] = []

    def build(project: Project | None) -> MainWindow:
        settings = Settings()
        settings.reader = "BB"
        apply_theme(qapp, ThemeName.DARK)
        window = MainWindow(settings)
        windows.append(window)
        qtbot.addWidget(window, before_close_func=close_window)
        window.resize(1366, 768)
        window.show()
        if project is not None:
            window.open_project(project.folder)
            qtbot.waitUntil(lambda: window.context is not None, timeout=WAIT)
        return window

    yield build
    for window in windows:
        if isValid(window):
            close_window(window)
