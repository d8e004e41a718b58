"""The viewer on real files: full depth, windows, measures, and what stands in for a lost original."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from demo_images import finish
from images_in_dicom import image, write_dicom
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QPushButton
from widgets_by_name import WAIT

from amae_app.widgets.image_viewer import ImageViewer
from amae_app.widgets.measuring import Scale
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project

DEEP = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}


@pytest.fixture
def deep_project(project: Project, tmp_path: Path) -> Project:
    """Three 12-bit images, wider than high, with pixel sizes of two kinds and none."""
    files = []
    for number, spacing in (
        (1, {"PixelSpacing": [0.2, 0.2]}),
        (2, {"ImagerPixelSpacing": [0.4, 0.5]}),
        (3, {}),
    ):
        stored = image(number)[10:200].astype(np.uint16) * 16
        facts = {
            **DEEP, "PixelData": stored.tobytes(), "Rows": stored.shape[0],
            "Columns": stored.shape[1], "WindowCenter": [2000, 800], "WindowWidth": [4000, 400],
            "WindowCenterWidthExplanation": ["NORMAL", "LUNG"], "PatientOrientation": ["L", "F"],
        }  # fmt: skip
        files.append(SourceFile(write_dicom(tmp_path, number, **facts, **spacing), "test"))
    finish(import_images(project, files, "ward"))
    return project


@pytest.fixture
def page(open_window, deep_project, qtbot):
    """Studies with the first image's original on screen."""
    window = open_window(deep_project)
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 3, timeout=WAIT)
    qtbot.waitUntil(lambda: page.selected.viewer.is_original, timeout=WAIT)
    return page


def test_the_original_s_own_values_are_under_the_mouse(page):
    viewer = page.selected.viewer
    stored = image(1)[10:200].astype(np.uint16) * 16
    rows, columns = stored.shape
    viewer._say(QPointF(0.5, 0.5))
    x, y = columns // 2, rows // 2
    assert viewer.state.text() == f"{stored[y, x]} at column {x}, row {y}"
    assert viewer.view._codes.shape == (rows, columns)
    assert viewer.view._place.width() == pytest.approx(columns / rows)
    assert viewer.sides[0].text() == "R"


def test_the_file_s_windows_are_offered_by_name(page):
    viewer = page.selected.viewer
    before = viewer.view.picture.copy()
    menu = viewer.menu()
    windows = menu.actions()[0].menu().actions()
    names = [action.text() for action in windows]
    assert names == ["window 1: normal", "window 2: lung", "robust percentiles", "all values"]
    assert windows[0].isChecked()
    windows[1].trigger()
    lung = viewer.view.picture
    assert (lung != before).any()
    deep = viewer._deep.values[viewer._deep.codes]
    assert (lung[deep > 1001] == 255).all()
    assert (lung[deep < 599] == 0).all()
    viewer.reset()
    assert np.array_equal(viewer.view.picture, before)


def test_window_and_level_reach_values_beyond_the_file_s_window(page):
    viewer = page.selected.viewer
    viewer._choose_window(1)
    assert len(np.unique(viewer.view.picture)) < 60  # 400 of 4096 values lie in it
    viewer.view.set_levels(-3.0, 6.0)
    viewer.view._draw()
    assert len(np.unique(viewer.view.picture)) > 100


def test_lengths_are_in_mm_of_both_axes_where_the_file_says_so(page, qtbot):
    viewer = page.selected.viewer
    width, height = viewer._deep.codes.shape[::-1]
    viewer.measuring.start_length()
    viewer.view.line_dragged.emit(QPointF(0, 0.5), QPointF(1, 0.5), True)
    assert viewer.measured.text().startswith(f"{width * 0.2:.1f} mm · 0.2 mm (PixelSpacing)")
    page.table.selectRow(1)
    qtbot.waitUntil(lambda: "CXR-00002" in page.selected.facts.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: viewer.measuring.scale.row_mm == 0.4, timeout=WAIT)
    assert viewer.view._place.width() == pytest.approx(width * 0.5 / (height * 0.4))
    viewer.measuring.start_length()
    viewer.view.line_dragged.emit(QPointF(0, 0.5), QPointF(1, 0.5), True)
    assert f"{width * 0.5:.1f} mm" in viewer.measured.text()
    viewer.view.line_dragged.emit(QPointF(0.5, 0), QPointF(0.5, 1), True)
    assert f"{height * 0.4:.1f} mm" in viewer.measured.text()
    assert "at the detector" in viewer.measured.text()
    page.table.selectRow(2)
    qtbot.waitUntil(lambda: viewer.measuring.scale.unit == "px", timeout=WAIT)
    qtbot.waitUntil(lambda: viewer.is_original, timeout=WAIT)
    viewer.measuring.start_length()
    viewer.view.line_dragged.emit(QPointF(0, 0), QPointF(1, 0), True)
    assert viewer.measured.text().startswith(f"{width:.1f} px")


def test_the_cardiothoracic_ratio_is_of_widths_alone(page, qtbot):
    viewer = page.selected.viewer
    qtbot.keyClick(page.table, Qt.Key.Key_C)
    assert "heart" in viewer.measured.text()
    viewer.view.line_dragged.emit(QPointF(0.4, 0.6), QPointF(0.6, 0.7), True)
    assert "thorax" in viewer.measured.text()
    viewer.view.line_dragged.emit(QPointF(0.3, 0.8), QPointF(0.7, 0.8), True)
    assert "Cardiothoracic ratio 0.50" in viewer.measured.text()
    assert len(viewer.measuring._drawn) == 2
    qtbot.keyClick(page.table, Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier)
    assert viewer.measuring._drawn == []


def test_a_line_is_drawn_by_the_mouse_while_measuring(page, qtbot):
    viewer = page.selected.viewer
    before = viewer.view.levels
    viewer.measuring.start_length()
    port = viewer.view.viewport()
    start, end = QPoint(60, 100), QPoint(160, 100)
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 11):
        qtbot.mouseMove(port, QPoint(60 + 10 * step, 100))
        qtbot.wait(5)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end)
    qtbot.waitUntil(lambda: len(viewer.measuring._drawn) == 1, timeout=WAIT)
    assert viewer.view.levels == before
    assert " mm" in viewer.measured.text()


def test_the_magnifier_shows_what_is_under_the_mouse(page, qtbot):
    viewer = page.selected.viewer
    qtbot.keyClick(page.table, Qt.Key.Key_M)
    viewer.view.hovered.emit(QPointF(0.5, 0.5))
    assert viewer.magnifier.isVisible()
    shown = viewer.magnifier._loupe
    picture = viewer.view.picture
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 2]
    assert shown.pixelColor(shown.width() // 2, shown.height() // 2).red() == middle
    viewer.view.hovered.emit(QPointF(0.999, 0.001))  # at an edge
    qtbot.keyClick(page.table, Qt.Key.Key_M)
    assert not viewer.magnifier.isVisible()


def test_a_lost_original_is_reported_and_found_again(page, deep_project, tmp_path, qtbot):
    viewer = page.selected.viewer
    qtbot.waitUntil(lambda: len(page._context.originals._kept) == 3, timeout=WAIT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in tmp_path.glob("*.dcm"):
        shutil.move(path, elsewhere / path.name)
    page._context.originals._kept.clear()
    page.table.selectRow(2)
    qtbot.waitUntil(lambda: "moved or is gone" in viewer.notice.text(), timeout=WAIT)
    assert not viewer.is_original
    assert viewer.view.picture.shape == (256, 256)
    assert viewer.view._place.width() == pytest.approx(224 / 190)  # true aspect all the same
    assert viewer.relink.isVisible()
    asked = []
    page.actions_of_page.ask_relink = lambda: asked.append(True)
    page._context.navigator.relink_wanted.connect(page.actions_of_page.ask_relink)
    qtbot.mouseClick(page.findChild(QPushButton, "relinkButton"), Qt.MouseButton.LeftButton)
    assert asked
    page.actions_of_page.relink(elsewhere)
    qtbot.waitUntil(lambda: viewer.is_original, timeout=WAIT)
    assert not viewer.notice.isVisible()


def test_neighbours_are_ready_and_memory_is_bounded(page, monkeypatch, qtbot):
    originals = page._context.originals
    qtbot.waitUntil(lambda: len(originals._kept) == 3, timeout=WAIT)
    monkeypatch.setattr("amae_app.original_cache._MOST_BYTES", 1)
    originals.forget_missing()
    first, second, third = originals._kept
    originals.get(first, [second])
    assert list(originals._kept) == [third, second, first]  # the likely ones are dropped late
    one = next(iter(originals._kept))
    kept = originals._kept.pop(one)
    originals._on_read(one, kept)
    assert list(originals._kept) == [one]


def test_a_hidden_pages_wish_does_not_cancel_what_the_visible_one_reads_ahead(page, qtbot):
    originals = page._context.originals
    qtbot.waitUntil(lambda: len(originals._kept) == 3, timeout=WAIT)
    first, second, third = list(originals._kept)
    originals.clear()
    originals.get(first, [second], "studies")
    originals.get(third, [], "results")
    qtbot.waitUntil(lambda: len(originals._kept) == 3, timeout=WAIT)
    originals.clear()
    originals.get(first, [second], "studies")
    originals.get(third, [], "studies")  # the reader has gone on
    qtbot.waitUntil(lambda: not originals.is_busy and originals.has(third), timeout=WAIT)
    assert not originals.has(second)


def test_a_constant_image_a_one_pixel_map_and_nothing_are_shown(qtbot):
    viewer = ImageViewer("An image")
    qtbot.addWidget(viewer)
    viewer.resize(400, 400)
    viewer.show()
    viewer.show_stored(np.full((256, 256), 7, dtype=np.uint8), 1.3)
    viewer.view.show_map(np.full((1, 1, 4), 200, dtype=np.uint8))
    viewer.view.show_image(np.full((16, 16), np.nan, dtype=np.float32))
    viewer.show_stored(None)
    viewer.reset()
    assert viewer.view.picture is None
    assert Scale(100, 50).between(QPointF(0, 0), QPointF(1, 1)) == (100, 50)


def test_a_project_of_one_image_opens_and_shows_it(open_window, project, tmp_path, qtbot):
    finish(import_images(project, [SourceFile(write_dicom(tmp_path, 1), "test")], "ward"))
    window = open_window(project)
    viewer = window.pages[0].selected.viewer
    qtbot.waitUntil(lambda: viewer.is_original, timeout=WAIT)
    for number in range(5):
        window.show_page(number)
        qtbot.wait(100)
    assert window.context is not None
