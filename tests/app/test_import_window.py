"""Import in the window as a reader does it: choose, see what would happen, import, put right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from demo_images import DEMO, demo_files, finish
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from widgets_by_name import WAIT, click

from amae_app.studies.import_dialog import ImportDialog
from amae_app.studies.studies_page import StudiesPage
from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.project import Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 images: 8 normal, 4 to test on; one file that is no image."""
    place = tmp_path / "images"
    for name, role in (("normal", "normal"), ("test/abnormal", "test")):
        (place / name).mkdir(parents=True)
        count = 8 if role == "normal" else 4
        files = [f for f in demo_files(8, 0, 8) if f.role == role and (role == "normal" or f.truth)]
        for file in files[:count]:
            (place / name / file.path.name).write_bytes(file.path.read_bytes())
    (place / "normal" / "notes.png").write_text("no image")
    return place


def _page(window) -> StudiesPage:
    return window.pages[0]


def _dialog(page: StudiesPage, qtbot, paths: list[Path]) -> ImportDialog:
    page._ask_import(paths)
    dialog = page._dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: "Taken for" in dialog.preview.summary.text(), timeout=WAIT)
    return dialog


def _splits(project: Project) -> dict[Split, int]:
    with project.session() as session:
        return {s: c.images for s, c in studies.split_counts(session).items() if c.images}


def test_the_dialog_says_what_would_happen_before_it_does(open_window, project, qtbot, folder):
    page = _page(open_window(project))
    dialog = _dialog(page, qtbot, [folder])
    told = dialog.preview.summary.text()
    assert "normal" in told
    assert "1 of 13 files tried would be refused" in told
    assert "notes.png" in dialog.preview.reasons.item(0).text()
    assert _splits(project) == {}
    dialog.accept()
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    assert _splits(project) == {Split.NORMAL: 8, Split.TEST: 4}


def test_a_table_is_mapped_by_the_reader_and_an_unknown_value_asked_for(
    open_window, project, qtbot, tmp_path: Path
):
    table = tmp_path / "list.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("picture", "set", "finding"))
        for number, (image, word) in enumerate(
            zip(demo_files(3, 0, 0), ("clear", "clear", "odd"), strict=True)
        ):
            name = f"{number}.jpeg"
            (tmp_path / name).write_bytes(image.path.read_bytes())
            writer.writerow((name, "unlabeled", word))
    page = _page(open_window(project))
    page._ask_import([table])
    dialog = page._dialog
    for combo, name in zip(dialog.columns, ("picture", "set", "finding", "(none)"), strict=True):
        combo.setCurrentText(name)
    qtbot.waitUntil(lambda: "Say what it means" in dialog.preview.summary.text(), timeout=WAIT)
    assert not dialog.start.isEnabled()
    dialog.values.setText("clear=normal, odd=abnormal")
    qtbot.waitUntil(lambda: "Taken for" in dialog.preview.summary.text(), timeout=WAIT)
    assert dialog.start.isEnabled()
    assert "3 files" in dialog.preview.summary.text()


def test_dropped_folders_open_the_dialog_with_their_preview(open_window, project, qtbot, folder):
    page = _page(open_window(project))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    drop = QDropEvent(
        QPointF(10, 10),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    page.dropEvent(drop)
    dialog = page._dialog
    qtbot.waitUntil(lambda: "13 files" in dialog.preview.summary.text(), timeout=WAIT)


def test_when_every_file_is_refused_the_report_is_shown(open_window, project, qtbot, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_text("no image")
    page = _page(open_window(project))
    page.start_import(ImportPlan((tmp_path,), role="normal"))
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    table = page.reports[0].table
    assert [table.item(row, 1).text() for row in range(3)] == ["refused"] * 3  # they come first
    page.reports[0].filter.setCurrentText("refused")
    assert table.rowCount() == 3
    page.reports[0].search.setText("1.png")
    assert page.reports[0].table.rowCount() == 1


def test_a_image_in_another_format_is_offered_not_taken(open_window, project, qtbot, tmp_path):
    image = demo_files(1, 0, 0)[0]
    finish(import_images(project, [image], "first"))
    twin = tmp_path / "twin.png"
    Image.open(image.path).convert("L").resize((512, 512)).save(twin)
    page = _page(open_window(project))
    page.start_import(ImportPlan((twin,), role="normal"))
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    assert _splits(project) == {Split.NORMAL: 1}
    click(qtbot, page.reports[0], "replaceSmallerButton")  # it is the larger one
    qtbot.waitUntil(lambda: len(page.reports) == 2, timeout=WAIT)
    assert _splits(project) == {Split.NORMAL: 1}
    with project.session() as session:
        assert [row.rows for row in studies.rows(session, [1])] == [512]
    page.start_import(ImportPlan((image.path,), role="normal"))
    qtbot.waitUntil(lambda: len(page.reports) == 3, timeout=WAIT)
    click(qtbot, page.reports[2], "keepSuspectsButton")
    qtbot.waitUntil(lambda: _splits(project) == {Split.NORMAL: 2}, timeout=WAIT)


def test_removing_and_undoing(open_window, small_project, qtbot):
    page = _page(open_window(small_project))
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    page.table.selectRow(0)
    page.actions_of_page.remove()
    qtbot.waitUntil(lambda: page.model.rowCount() == 39, timeout=WAIT)
    page._context.undo()
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)


def test_the_last_import_is_taken_back_from_the_menu(open_window, small_project, qtbot):
    page = _page(open_window(small_project))
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    page.actions_of_page.undo_import()
    qtbot.waitUntil(lambda: page.model.rowCount() == 0, timeout=WAIT)


def test_a_patient_in_two_splits_is_put_right_in_one_act(open_window, project, qtbot):
    paths = sorted((DEMO / "images").glob("normal_*.jpeg"))[:2]
    files = [
        SourceFile(paths[0], "normal", 0, "one"),
        SourceFile(paths[1], "test", 0, "one"),
    ]
    finish(import_images(project, files, "ward"))
    page = _page(open_window(project))
    qtbot.waitUntil(lambda: "no training" in page.leak.text(), timeout=WAIT)
    page.actions_of_page.fix_patients()
    qtbot.waitUntil(lambda: "No patient" in page.leak.text(), timeout=WAIT)
    assert _splits(project) == {Split.TEST: 2}
    page._context.undo()
    qtbot.waitUntil(lambda: _splits(project) == {Split.NORMAL: 1, Split.TEST: 1}, timeout=WAIT)
