"""Nothing is labelled, renamed or set by accident: by real events."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from widgets_by_name import WAIT, find, saved

from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_engine.catalog import decisions
from amae_engine.project import Project


@pytest.fixture
def labels_page(open_window, rated_project: Project, qtbot):
    window = open_window(rated_project)
    window.show_page(2)
    page = window._pages[2]
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
    page = open_window(small_project)._pages[0]
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
    page._context.noticed.connect(lambda text, _level: notices.append(text))
    page.actions_of_page.of_images.tag("later")
    qtbot.waitUntil(lambda: bool(notices), timeout=WAIT)
    saved(page)
    qtbot.wait(300)
    assert page._selected() == ids[5:9]
    assert page.table.currentIndex().row() == 8
    page.filter.setText("split:test")  # another list begins at its top
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    assert page.table.currentIndex().row() == 0
