"""Nothing is labelled, renamed or set by accident: by real events."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox, QWidget
from sqlalchemy import text
from widgets_by_name import WAIT, click, find, saved

from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_engine.catalog import blind_readings, decisions, standing
from amae_engine.catalog.tables import Label
from amae_engine.events import Changed
from amae_engine.project import Project


@pytest.fixture
def labels_page(open_window, rated_project: Project, qtbot):
    window = open_window(rated_project)
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def test_an_act_carries_the_name_that_its_window_shows(labels_page, rated_project, qtbot):
    page = labels_page
    other = MainWindow(Settings())  # of the same account
    qtbot.addWidget(other)
    other.show()
    field = find(other, QLineEdit, "readerEdit")
    field.selectAll()
    QTest.keyClicks(field, "ZZ")
    assert Settings().reader == "ZZ"  # where the next window begins
    assert find(page.window(), QLineEdit, "readerEdit").text() == "BB"
    page.gallery.select(0)
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    saved(page)
    with rated_project.session() as session:
        assert [row.reader for row in decisions.history(session)] == ["BB"]
    other.close()


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Escape])
def test_the_reader_s_field_is_left_by_return_and_esc(labels_page, rated_project, qtbot, key):
    page = labels_page
    window = page.window()
    window.activateWindow()
    field = find(window, QLineEdit, "readerEdit")
    field.setFocus()
    qtbot.waitUntil(field.hasFocus, timeout=WAIT)
    field.selectAll()
    QTest.keyClicks(field, "CC")
    QTest.keyClick(field, key)
    assert not field.hasFocus()
    shown = "CC" if key == Qt.Key.Key_Return else "BB"
    assert field.text() == shown
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_N)
    saved(page)
    assert field.text() == shown  # the letter is the page's
    with rated_project.session() as session:
        assert [row.reader for row in decisions.history(session)] == [shown]


@pytest.fixture
def studies_page(open_window, small_project: Project, qtbot):
    page = open_window(small_project).pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    return page


def test_delete_goes_on_to_the_next_image(studies_page, qtbot):
    page = studies_page
    ids = page.model.ids.tolist()
    page.table.selectRow(7)
    for gone in (1, 2):
        QTest.keyClick(page.table, Qt.Key.Key_Delete)
        qtbot.waitUntil(lambda gone=gone: page.model.rowCount() == 40 - gone, timeout=WAIT)
        assert page._selected() == [ids[7 + gone]]
        assert page.table.currentIndex().row() == 7
    assert page.model.ids.tolist() == ids[:7] + ids[9:]


def test_a_selection_outlives_an_act(studies_page, qtbot):
    page = studies_page
    ids = page.model.ids.tolist()
    page.table.selectRow(5)
    for _ in range(3):
        QTest.keyClick(page.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert page._selected() == ids[5:9]
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.actions_of_page.of_images.tag("later")
    qtbot.waitUntil(lambda: bool(notices), timeout=WAIT)
    saved(page)
    qtbot.wait(300)
    assert page._selected() == ids[5:9]
    assert page.table.currentIndex().row() == 8
    page.filter.setText("split:test")  # another list begins at its top
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    assert page.table.currentIndex().row() == 0


def _decide(project: Project, ids: list[int], label: Label, reader: str) -> None:
    with project.session() as session:
        decisions.decide(session, ids, label, reader)


def _labels(project: Project, page) -> dict[int, tuple[str, str]]:
    saved(page)
    with project.session() as session:
        ids = [tile.image_id for tile in page.gallery.selected_tiles()]
        ids += list(decisions.current(session))
        found = standing.standing(session, ids)
    return {image: (str(each.label), each.reader) for image, each in found.items()}


def test_one_key_does_not_change_another_reader_s_decision(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(2)
    image = page.gallery.gallery.tile(2).image_id
    _decide(rated_project, [image], Label.ABNORMAL, "AA")
    page.refresh(Changed.DECISIONS)
    qtbot.waitUntil(lambda: page.gallery.gallery.tile(2).checked, timeout=WAIT)
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    qtbot.waitUntil(
        lambda: page.disputes.line.text() == "Abnormal by AA. Again: normal by BB.", timeout=WAIT
    )
    assert page.gallery.currentIndex().row() == 2
    assert _labels(rated_project, page) == {image: ("abnormal", "AA")}
    QTest.keyClick(page.gallery, Qt.Key.Key_Right)  # leaving is no answer
    QTest.keyClick(page.gallery, Qt.Key.Key_Left)
    assert page.disputes.line.isHidden()
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    assert _labels(rated_project, page) == {image: ("abnormal", "AA")}
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    assert _labels(rated_project, page) == {image: ("normal", "BB")}
    assert page.gallery.currentIndex().row() == 3


@pytest.mark.parametrize("wants_all", [False, True])
def test_several_decisions_of_others_stay_unless_all_are_meant(
    labels_page, rated_project, qtbot, wants_all: bool
):
    page = labels_page
    ids = [page.gallery.gallery.tile(row).image_id for row in range(10)]
    _decide(rated_project, ids[:3], Label.ABNORMAL, "AA")
    _decide(rated_project, ids[3:4], Label.EXCLUDE, "CC")
    page.refresh(Changed.DECISIONS)
    page.gallery.selectAll()
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: page.disputes.dialog is not None, timeout=WAIT)
    dialog = page.disputes.dialog
    assert dialog.text() == (
        "6 images of 10 are normal now. 4 had another decision, which stays: 3 abnormal by AA, "
        "1 excluded by CC."
    )
    assert dialog.defaultButton().text() == "Only the undecided 6"
    if wants_all:
        click(qtbot, dialog, "decideAllButton")
    else:
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
    found = _labels(rated_project, page)
    theirs = {ids[0]: ("abnormal", "AA"), ids[3]: ("excluded", "CC")}
    for image in (ids[0], ids[3]):
        expected = ("normal", "BB") if wants_all else theirs[image]
        assert found[image] == (expected[0].replace("excluded", "exclude"), expected[1])
    assert all(found[image] == ("normal", "BB") for image in ids[4:])


def test_a_decision_that_came_meanwhile_stays(labels_page, rated_project, qtbot):
    page = labels_page
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.gallery.select(0)
    image = page.gallery.gallery.tile(0).image_id
    _decide(rated_project, [image], Label.EXCLUDE, "AA")  # the page has not seen it
    QTest.keyClick(page.gallery, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: any("AA decided meanwhile" in n for n in notices), timeout=WAIT)
    assert _labels(rated_project, page)[image] == ("exclude", "AA")
    # an own decision is taken back at once
    _decide(rated_project, [image], Label.EXCLUDE, "BB")
    with rated_project.session() as session:
        assert standing.decide_undisputed(session, [image], Label.NONE, "BB") == {}
        assert decisions.current(session) == {}


def test_undo_says_what_it_undid_and_shows_the_image(labels_page, rated_project, qtbot):
    page = labels_page
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.gallery.select(4)
    tile = page.gallery.gallery.tile(4)
    QTest.keyClick(page.gallery, Qt.Key.Key_A)
    saved(page)
    page.gallery.select(8)
    QTest.keyClick(page.gallery, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: f"Undone: {tile.name} is undecided again." in notices, timeout=WAIT)
    here = page.gallery.gallery.tile(page.gallery.currentIndex().row())
    assert here.image_id == tile.image_id


def test_ctrl_that_is_still_held_after_an_undo_selects_nothing_more(
    labels_page, rated_project, qtbot
):
    page = labels_page
    page.gallery.select(2)
    first = page.gallery.current_tile().image_id
    QTest.keyClick(page.gallery, Qt.Key.Key_A)
    saved(page)
    page.gallery.select(8)
    held = Qt.KeyboardModifier.ControlModifier
    QTest.keyPress(page.gallery, Qt.Key.Key_Control)
    QTest.keyPress(page.gallery, Qt.Key.Key_Z, held)  # and neither key is let go
    qtbot.waitUntil(lambda: page.gallery.current_tile().image_id == first, timeout=WAIT)
    assert [tile.image_id for tile in page.gallery.selected_tiles()] == [first]
    QTest.keyRelease(page.gallery, Qt.Key.Key_Z, held)
    QTest.keyRelease(page.gallery, Qt.Key.Key_Control)
    qtbot.waitUntil(lambda: not page.gallery.current_tile().checked, timeout=WAIT)
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    saved(page)
    with rated_project.session() as session:
        assert decisions.current(session) == {first: Label.NORMAL}


def _press_undo(widget: QWidget) -> None:
    QTest.keyClick(widget, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)


def test_one_undo_goes_through_all_pages_to_the_images(labels_page, rated_project, qtbot):
    page, window = labels_page, labels_page.window()
    studies_page = window.pages[0]
    window.show_page(0)
    qtbot.waitUntil(lambda: studies_page.model.rowCount() > 0, timeout=WAIT)
    studies_page.table.select_lines(3, np.array([3]))  # `selectRow` heeds Ctrl of a test before
    removed = studies_page._selected()
    before = studies_page.model.rowCount()
    QTest.keyClick(studies_page.table, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: studies_page.model.rowCount() == before - 1, timeout=WAIT)
    window.show_page(2)
    page.gallery.select(1)
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    saved(page)
    window.show_page(0)
    studies_page.table.selectRow(0)
    _press_undo(studies_page.table)  # the newest act is the decision
    qtbot.waitUntil(lambda: window.stack.currentWidget() is page, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.currentIndex().row() == 1, timeout=WAIT)
    with rated_project.session() as session:
        assert decisions.current(session) == {}
    _press_undo(page.gallery)  # and now the image that was removed before
    qtbot.waitUntil(lambda: window.stack.currentWidget() is studies_page, timeout=WAIT)
    qtbot.waitUntil(lambda: studies_page.model.rowCount() == before, timeout=WAIT)
    qtbot.waitUntil(lambda: studies_page._selected() == removed, timeout=WAIT)


def test_a_second_reading_is_undone_and_space_skips_nothing(labels_page, rated_project, qtbot):
    page, context = labels_page, labels_page._context
    ids = [page.gallery.gallery.tile(row).image_id for row in range(4)]
    with rated_project.session() as session:
        decisions.decide(session, ids, Label.ABNORMAL, "AA")
        number = blind_readings.begin(session, ids, context.reader, "random")

    def read() -> list[Label]:
        with rated_project.session() as session:
            return [item.second for item in blind_readings.items(session, number)]

    page.read_blind(number)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 4, timeout=WAIT)
    page.gallery.select(0)
    QTest.keyClick(page.gallery, Qt.Key.Key_Space)
    assert page.gallery.currentIndex().row() == 0
    QTest.keyClick(page.gallery, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: read()[0] is Label.NORMAL, timeout=WAIT)
    assert page.gallery.currentIndex().row() == 1
    page.end_blind()
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    _press_undo(page.gallery)
    qtbot.waitUntil(lambda: read() == [Label.NONE] * 4, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 4, timeout=WAIT)  # where it was done
    qtbot.waitUntil(lambda: page.gallery.currentIndex().row() == 0, timeout=WAIT)
    assert page.blind.progress.text() == "0 of 4 images read, 4 left."


def test_undo_after_an_import_asks_first(open_window, small_project, qtbot):
    window = open_window(small_project)
    with small_project.session() as session:
        session.execute(text("UPDATE act SET reader = :name"), {"name": window.context.reader})
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    _press_undo(page.table)
    qtbot.waitUntil(lambda: page.findChild(QMessageBox, "undoImport") is not None, timeout=WAIT)
    box = page.findChild(QMessageBox, "undoImport")
    assert "Your last act was the import of 40 images. Undo it?" in box.text()
    QTest.keyClick(box, Qt.Key.Key_Return)  # the default is to leave it
    qtbot.waitUntil(lambda: page.findChild(QMessageBox, "undoImport") is None, timeout=WAIT)
    assert page.model.rowCount() == 40
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WAIT)
    _press_undo(page.table)
    qtbot.waitUntil(lambda: page.findChild(QMessageBox, "undoImport") is not None, timeout=WAIT)
    box = page.findChild(QMessageBox, "undoImport")
    next(b for b in box.buttons() if b.text() == "Undo the import").click()
    qtbot.waitUntil(lambda: page.model.rowCount() == 0, timeout=WAIT)
