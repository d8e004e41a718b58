"""Regions in the window: drawn with a real mouse, judged, edited, noted, undone and filtered."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from widgets_by_name import WAIT, click

from amae_app.results.review_state import Listed
from amae_app.widgets.region_layer import Tool
from amae_engine.catalog import regions
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.evaluation.regions import Shape, box_outline
from amae_engine.project import Project

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(open_window, whole_path, qtbot, monkeypatch):
    """Results with a score that has a map, and the regions' tab open."""
    # so few unlabeled images tell nothing: the score with a map leads all the same
    monkeypatch.setattr("amae_engine.jobs.evaluation.leading_score._CHANCE", 0.4)
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    for row in range(page.score_combo.count()):
        if page.review.map_cut_text:
            break
        page.score_combo.setCurrentIndex(row)
        page._show_score()
        kind = page.kind
        qtbot.waitUntil(lambda kind=kind: page.review._shown.kind is kind, timeout=WAIT)
    page.side.setCurrentIndex(1)
    qtbot.waitUntil(lambda: page.regions._found is not None, timeout=WAIT)
    return page


def _at(page, x: float, y: float) -> QPoint:
    return page.review.main.on_screen(QPointF(x, y))


def _drag(page, *places: tuple[float, float]) -> None:
    target = page.review.main.viewport()
    QTest.mousePress(target, LEFT, pos=_at(page, *places[0]))
    for place in places[1:]:
        QTest.qWait(40)  # pyqtgraph leaves out moves that follow too fast
        QTest.mouseMove(target, _at(page, *place))
    QTest.qWait(40)
    QTest.mouseRelease(target, LEFT, pos=_at(page, *places[-1]))
    QTest.qWait(450)  # what follows is no double click


def _second_click(page, x: float, y: float) -> None:
    """The second half of a double click, as a window system sends it."""
    target, place = page.review.main.viewport(), QPointF(_at(page, x, y))
    where = (place, QPointF(target.mapToGlobal(place.toPoint())), LEFT)
    double = QEvent.Type.MouseButtonDblClick
    QApplication.sendEvent(target, QMouseEvent(double, *where, LEFT, Qt.KeyboardModifier(0)))
    QTest.mouseRelease(target, LEFT, pos=place.toPoint())


def _stored(project):
    with project.session() as session:
        return regions.of_images(session)


def _wait_for(qtbot, project, test):
    qtbot.waitUntil(lambda: test(_stored(project)), timeout=WAIT)
    return _stored(project)


def test_a_polygon_is_drawn_by_its_corners_and_an_ellipse_by_a_drag(page, whole_path, qtbot):
    click(qtbot, page, "polygonRegionButton")
    assert page.regions.layer.tool is Tool.POLYGON
    target = page.review.main.viewport()
    for place in ((0.3, 0.3), (0.6, 0.3), (0.5, 0.6)):
        QTest.mouseClick(target, LEFT, pos=_at(page, *place))
        QTest.qWait(450)  # clicks farther apart than a double click
    QTest.mouseClick(target, LEFT, pos=_at(page, 0.5, 0.6))
    _second_click(page, 0.5, 0.6)
    (drawn,) = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert (drawn.state, drawn.outline.shape, drawn.reader) == ("drawn", Shape.POLYGON, "BB")
    assert drawn.outline.points[0] == pytest.approx((0.3, 0.3), abs=0.02)
    assert len(drawn.outline.points) == 3
    qtbot.keyClick(page.table, Qt.Key.Key_E)
    assert page.regions.layer.tool is Tool.ELLIPSE
    assert not page.regions.panel.buttons["polygon"].isChecked()
    _drag(page, (0.2, 0.2), (0.3, 0.35), (0.4, 0.5))
    rows = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 2)
    assert rows[1].outline.shape is Shape.ELLIPSE
    qtbot.keyClick(page.table, Qt.Key.Key_Escape)
    assert page.regions.layer.tool is Tool.NOTHING
    levels = page.review.main.levels
    _drag(page, (0.2, 0.2), (0.3, 0.35), (0.4, 0.5))
    assert page.review.main.levels != levels  # the left button windows again
    assert len(_stored(whole_path)) == 2


def test_a_freehand_drag_with_the_polygon_s_tool_closes_by_itself(page, whole_path, qtbot):
    page.regions.layer.start(Tool.POLYGON)
    _drag(page, (0.3, 0.3), (0.5, 0.32), (0.6, 0.5), (0.4, 0.6), (0.31, 0.4))
    (drawn,) = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert len(drawn.outline.points) >= 4


def test_the_ruler_takes_the_mouse_from_drawing(page, whole_path, qtbot):
    page.regions.layer.start(Tool.ELLIPSE)
    page.review.viewer.measuring.start_length()
    assert page.regions.layer.tool is Tool.NOTHING
    _drag(page, (0.2, 0.2), (0.3, 0.35), (0.4, 0.5))
    assert _stored(whole_path) == []
    assert page.review.viewer.measured.text()
    page.regions.layer.start(Tool.ELLIPSE)
    _drag(page, (0.2, 0.2), (0.3, 0.35), (0.4, 0.5))
    _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert page.review.viewer.measuring.now == ""


def test_parts_of_the_map_are_agreed_with_and_rejected(page, whole_path, qtbot):
    panel = page.regions.panel
    for share in (50, 30, 15, 5):
        page.review.threshold.setValue(share)
        qtbot.waitUntil(lambda s=share: f"{s} %" in panel.agreement.text(), timeout=WAIT)
        if panel.model.rowCount() >= 2:
            break
    assert panel.model.rowCount() >= 2
    assert panel.model.data(panel.model.index(0, 1)) == "to judge"
    panel.choose(0)
    qtbot.keyClick(page.table, Qt.Key.Key_A)
    (agreed,) = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert (agreed.state, agreed.run_id) == (RegionState.AGREED, page._state.run_id)
    assert agreed.threshold == pytest.approx(page.review.map_threshold)
    qtbot.waitUntil(lambda: panel.current is not None and panel.current.region > 0, timeout=WAIT)
    assert "began as parts of a map, which agrees with itself" in panel.agreement.text()
    panel.choose(panel.model.rowCount() - 1)
    click(qtbot, page, "rejectRegionButton")
    rows = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 2)
    assert rows[1].state is RegionState.REJECTED
    qtbot.keyClick(page.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    shift = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(page.table, Qt.Key.Key_Z, shift)
    _wait_for(qtbot, whole_path, lambda rows: len(rows) == 2)


def _add(page, whole_path, qtbot, reader: str, left: float) -> None:
    outline = box_outline(left, 0.3, 0.2, 0.2)
    with whole_path.session() as session:
        new = NewRegion(page.regions.image_id, outline, RegionState.DRAWN)
        regions.add(session, [new], reader)
    page.regions._read()
    qtbot.waitUntil(
        lambda: any(each.reader == reader for each in page.regions._found.listed), timeout=WAIT
    )


def test_an_own_region_is_edited_and_another_s_becomes_one_s_own(page, whole_path, qtbot):
    _add(page, whole_path, qtbot, "BB", 0.2)
    _add(page, whole_path, qtbot, "CC", 0.6)
    panel = page.regions.panel
    panel.choose(0)
    page.regions.layer.start(Tool.EDIT)
    _drag(page, (0.3, 0.4), (0.32, 0.5), (0.35, 0.55))  # from inside: the whole moves
    rows = _wait_for(qtbot, whole_path, lambda rows: rows[0].outline.points[0][1] > 0.4)
    assert rows[0].outline.points[0] == pytest.approx((0.25, 0.45), abs=0.02)
    qtbot.waitUntil(lambda: page.regions._found.listed[0].outline == rows[0].outline, timeout=WAIT)
    corner = rows[0].outline.points[2]
    _drag(page, corner, (corner[0] + 0.02, corner[1] + 0.05), (corner[0] + 0.03, corner[1] + 0.1))
    rows = _wait_for(qtbot, whole_path, lambda r: r[0].outline.points[2] != corner)
    assert rows[0].outline.points[2][1] == pytest.approx(corner[1] + 0.1, abs=0.02)
    assert len(rows) == 2
    qtbot.waitUntil(lambda: page.regions._found.listed[0].outline == rows[0].outline, timeout=WAIT)
    panel.choose(1)
    assert not panel.buttons["remove"].isEnabled()
    assert not panel.region_note.isEnabled()
    _drag(page, (0.7, 0.4), (0.72, 0.3), (0.7, 0.2))
    rows = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 3)
    assert rows[1].outline.points[0] == pytest.approx((0.6, 0.3))  # CC's stays as it was
    assert (rows[2].reader, rows[2].state) == ("BB", RegionState.AGREED)


def test_a_click_on_the_image_chooses_the_region_under_it(page, whole_path, qtbot):
    page.review.threshold.setValue(100)
    _add(page, whole_path, qtbot, "BB", 0.1)
    _add(page, whole_path, qtbot, "BB", 0.6)
    qtbot.waitUntil(lambda: len(page.regions._found.listed) >= 2, timeout=WAIT)
    place = page.regions.panel.table.currentIndex().row()
    QTest.mouseClick(page.review.main.viewport(), LEFT, pos=_at(page, 0.7, 0.4))
    qtbot.waitUntil(lambda: page.regions.panel.current.outline.points[0][0] > 0.5, timeout=WAIT)
    QTest.qWait(450)
    QTest.mouseClick(page.review.main.viewport(), LEFT, pos=_at(page, 0.2, 0.4))
    qtbot.waitUntil(lambda: page.regions.panel.current.outline.points[0][0] < 0.5, timeout=WAIT)
    assert place >= 0
    qtbot.keyClick(page.table, Qt.Key.Key_Delete)
    rows = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert rows[0].outline.points[0][0] == pytest.approx(0.6)


def test_notes_are_kept_when_another_image_follows_and_filter_the_list(page, whole_path, qtbot):
    panel = page.regions.panel
    first = page.regions.image_id
    panel.image_note.setFocus()
    qtbot.keyClicks(panel.image_note, "old scar")
    page.table.selectRow(1)  # without Return
    qtbot.waitUntil(lambda: page.regions.image_id != first, timeout=WAIT)
    (note,) = _wait_for(qtbot, whole_path, lambda rows: len(rows) == 1)
    assert (note.image_id, note.note, note.reader) == (first, "old scar", "BB")
    qtbot.waitUntil(lambda: panel.image_note.text() == "", timeout=WAIT)
    _add(page, whole_path, qtbot, "BB", 0.3)
    panel.choose(0)
    qtbot.waitUntil(panel.region_note.isEnabled, timeout=WAIT)
    qtbot.keyClicks(panel.region_note, "nodule?")
    qtbot.keyClick(panel.region_note, Qt.Key.Key_Return)
    _wait_for(qtbot, whole_path, lambda rows: any(row.note == "nodule?" for row in rows))
    qtbot.waitUntil(lambda: len(page._marked.get(Listed.NOTES, ())) == 2, timeout=WAIT)
    page.listed_combo.setCurrentText(str(Listed.NOTES))
    assert page.model.rowCount() == 2
    page.listed_combo.setCurrentText(str(Listed.REGIONS))
    assert page.model.rowCount() == 1


def test_a_note_that_is_being_typed_survives_what_is_read_meanwhile(page, whole_path, qtbot):
    _add(page, whole_path, qtbot, "BB", 0.3)
    panel = page.regions.panel
    panel.choose(0)
    qtbot.waitUntil(panel.region_note.isEnabled, timeout=WAIT)
    panel.region_note.setFocus()
    qtbot.keyClicks(panel.region_note, "half a")
    _add(page, whole_path, qtbot, "CC", 0.6)  # another reader draws; the list is read anew
    assert panel.region_note.text() == "half a"
    assert all(row.note == "" for row in _stored(whole_path))
    qtbot.keyClicks(panel.region_note, " note")
    qtbot.keyClick(panel.region_note, Qt.Key.Key_Return)
    rows = _wait_for(qtbot, whole_path, lambda rows: any(row.note for row in rows))
    assert [row.note for row in rows] == ["half a note", ""]


def test_a_typed_note_is_kept_when_the_window_closes(page, whole_path, qtbot):
    page.regions.panel.image_note.setFocus()
    qtbot.keyClicks(page.regions.panel.image_note, "seen late")
    window = page.window()
    window.close()
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    with Project.open(whole_path.folder).session() as session:
        assert [row.note for row in regions.of_images(session)] == ["seen late"]


def test_without_a_name_nothing_is_drawn_and_the_reader_is_reported(page, whole_path, qtbot):
    page._context.settings.reader = ""
    told = []
    page._context.announcer.noticed.connect(lambda text, _: told.append(text))
    page.regions.layer.start(Tool.ELLIPSE)
    _drag(page, (0.2, 0.2), (0.3, 0.35), (0.4, 0.5))
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT)
    assert "name" in told[0]
    assert _stored(whole_path) == []


def test_thousands_of_regions_are_drawn_as_a_few_items(page, whole_path, qtbot):
    outlines = [box_outline(n % 100 / 101, n // 100 / 101, 0.008, 0.008) for n in range(3000)]
    with whole_path.session() as session:
        new = [NewRegion(page.regions.image_id, o, RegionState.IMPORTED) for o in outlines]
        regions.add(session, new, "boxes.csv", "import")
    page.regions._read()
    qtbot.waitUntil(lambda: len(page.regions._found.listed) >= 3000, timeout=WAIT)
    assert len(page.regions.layer._items) == 4
    assert page.regions.panel.model.rowCount() >= 3000


def test_every_control_of_the_tab_is_reached_by_tab_alone_and_named(page):
    for button in page.regions.panel.findChildren(QPushButton):
        assert not button.focusPolicy() & Qt.FocusPolicy.ClickFocus
        assert button.text()
        assert button.toolTip()
