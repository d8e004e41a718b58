"""A model from Results to Studies: exported, dropped, applied, and read in Results under its name."""

import shutil
from pathlib import Path

import pytest
from demo_images import demo_files, finish
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QPushButton
from widgets_by_name import WAIT, click, find

from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.jobs.model_files.read_model import read_model
from amae_engine.jobs.model_files.write_model import write_model
from amae_engine.project import Project


@pytest.fixture
def model(whole_path: Project, tmp_path: Path) -> Path:
    return finish(write_model(whole_path, tmp_path / "chest.amae"))[0]


def test_results_export_a_model(open_window, whole_path: Project, qtbot):
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    page.exports.ask(3, (), 0)
    dialog = page.exports.dialog
    for group in (dialog.tables, dialog.report):
        group.setChecked(False)
    dialog.model.setChecked(True)
    click(qtbot, dialog, "startExportButton")
    path = whole_path.exports_folder / "run-003" / "test.amae"
    qtbot.waitUntil(path.is_file, timeout=WAIT)
    assert read_model(path).facts["name"] == "test"


def test_a_dropped_model_rates_images(
    open_window, whole_path: Project, model: Path, tmp_path: Path, qtbot
):
    folder = tmp_path / "new"
    folder.mkdir()
    for file in demo_files(0, 0, 14)[-8:]:
        shutil.copy(file.path, folder)
    window = open_window(whole_path)
    page = window.pages[0]
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(model))])
    page.dropEvent(
        QDropEvent(
            QPointF(5, 5), Qt.DropAction.CopyAction, dropped, Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )  # fmt: skip
    dialog = page.actions_of_page.apply_dialog
    qtbot.waitUntil(lambda: "leading score" in dialog.said.toPlainText(), timeout=WAIT)
    dialog.images.setText(str(folder))
    click(qtbot, dialog, "startApplyButton")

    def applied() -> bool:
        with whole_path.session() as session:
            row = runs.newest(session, RunKind.MODEL)
        return row is not None and row.state is RunState.FINISHED

    qtbot.waitUntil(applied, timeout=WAIT)
    window.show_page(3)
    results = window.pages[3]
    qtbot.waitUntil(
        lambda: (
            results._state is not None
            and any("Model chest" in title for _, title in results._state.runs)
        ),
        timeout=WAIT,
    )


def test_a_file_that_is_no_model_is_said(open_window, whole_path: Project, tmp_path: Path, qtbot):
    wrong = tmp_path / "wrong.amae"
    wrong.write_bytes(b"PK not a zip")
    page = open_window(whole_path).pages[0]
    page.actions_of_page.ask_apply(str(wrong))
    dialog = page.actions_of_page.apply_dialog
    qtbot.waitUntil(lambda: "no model of AMAE, or is" in dialog.problem.text(), timeout=WAIT)
    assert not find(dialog, QPushButton, "startApplyButton").isEnabled()
    dialog.reject()
