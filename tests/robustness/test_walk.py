"""500 steps of the random walk of two readers, and that it sees what it is there to see."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox

from amae_app.widgets import fields
from amae_engine.catalog import standing
from amae_engine.project import Project
from tests.robustness.own_postgres import PostgresServer
from tests.robustness.walk import Place, walk


@pytest.fixture(autouse=True)
def settings_end() -> Generator[None, None, None]:
    """The account's settings are not this test's afterwards."""
    from PySide6.QtCore import QSettings

    yield
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "")


def test_two_projects_of_one_account(qapp, whole_path: Project, tmp_path: Path):
    whole_path.close()
    other = tmp_path / "other"
    shutil.copytree(whole_path.folder, other)
    found = walk((Place(whole_path.folder), Place(other)), tmp_path / "settings", 250, 21)
    assert found.failures == ()
    assert found.facts["labels"] > 10


def test_two_windows_on_one_server(
    qapp,
    postgres: PostgresServer,
    build_whole_path: Callable[[Project], None],
    tmp_path: Path,
):
    url = postgres.new_url()
    with contextlib.closing(Project.create(tmp_path / "shared", "Shared", url)) as project:
        build_whole_path(project)
    place = Place(tmp_path / "shared", url)
    found = walk((place, place), tmp_path / "settings", 250, 12)
    assert found.failures == ()
    assert found.facts["labels"] > 10


@pytest.mark.slow
def test_a_label_of_another_image_and_a_wheel_that_turns_are_seen(
    qapp, whole_path: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = standing.decide_undisputed

    def other_image(session, image_ids, *more, **named):
        plain(session, [21 + (i + 3) % 10 for i in image_ids], *more, **named)
        return {}

    monkeypatch.setattr(standing, "decide_undisputed", other_image)
    monkeypatch.setattr(fields.ComboBox, "wheelEvent", QComboBox.wheelEvent)
    whole_path.close()
    place = Place(whole_path.folder)
    shutil.copytree(whole_path.folder, tmp_path / "other")
    found = walk((place, Place(tmp_path / "other")), tmp_path / "settings", 150, 13)
    assert any("decisions of" in text and "changed" in text for text in found.failures)
    assert any("the setting" in text for text in found.failures)
