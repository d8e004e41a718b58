"""After a click anywhere the page's keys still act; they can be changed and are kept."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)
from widgets_by_name import WAIT, click

from amae_app.settings import Settings
from amae_app.widgets.page_keys import PageKeys
from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split


def _clickable(page: QWidget) -> list[QWidget]:
    """Every widget that a reader can click on, but a button: that acts, and is pressed apart."""
    kinds = (QAbstractButton, QComboBox, QLineEdit)
    return [w for w in page.findChildren(QWidget) if w.isVisible() and not isinstance(w, kinds)]


def _press(key: Qt.Key) -> None:
    """As the keyboard does: to whatever has the focus, else the window."""
    QTest.keyClick(QApplication.focusWidget() or QApplication.activeWindow(), key)


@pytest.fixture
def labels_page(open_window, rated_project, qtbot):
    window = open_window(rated_project)
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def test_labels_keys_act_after_a_click_on_every_widget(labels_page, rated_project, qtbot):
    page = labels_page
    with rated_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()

    def decided(image_id: int) -> Label:
        with rated_project.session() as session:
            return decisions.current(session).get(image_id, Label.NONE)

    widgets = _clickable(page)
    assert len(widgets) > 20
    keys = (
        (Qt.Key.Key_N, Label.NORMAL),
        (Qt.Key.Key_A, Label.ABNORMAL),
        (Qt.Key.Key_X, Label.EXCLUDE),
    )
    for number, widget in enumerate(widgets):
        qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
        key, label = keys[number % 3]
        page.gallery.select(number % 9)
        tile = page.gallery.gallery.tile(number % 9)
        _press(key)
        where = f"{type(widget).__name__} {widget.objectName()}"
        qtbot.waitUntil(lambda i=tile.image_id, v=label: decided(i) is v, timeout=WAIT), where
        row = page.gallery.currentIndex().row()
        if not isinstance(widget.parentWidget(), QAbstractSpinBox) and not isinstance(
            widget, QAbstractSpinBox
        ):
            _press(Qt.Key.Key_Left)
            assert page.gallery.currentIndex().row() == max(row - 1, 0), where
        before = page.large.is_inverted
        _press(Qt.Key.Key_I)
        assert page.large.is_inverted is not before, where
    assert set(ids) >= {tile.image_id}


def test_space_confirms_and_never_presses_a_button(labels_page, rated_project, qtbot):
    page = labels_page
    button = page.labels.buttons[Label.ABNORMAL]
    page.gallery.select(0)  # rated normal, P = 0.02
    tile = page.gallery.gallery.tile(0)
    button.setFocus(Qt.FocusReason.TabFocusReason)
    assert button.hasFocus()
    _press(Qt.Key.Key_Space)

    def label() -> Label:
        with rated_project.session() as session:
            return decisions.current(session).get(tile.image_id, Label.NONE)

    expected = Label.ABNORMAL if tile.probability >= 0.5 else Label.NORMAL
    qtbot.waitUntil(lambda: label() is expected, timeout=WAIT)
    page.gallery.select(1)
    second = page.gallery.gallery.tile(1).image_id
    button.setFocus(Qt.FocusReason.TabFocusReason)
    _press(Qt.Key.Key_Return)  # presses what has the focus

    def abnormal() -> bool:
        with rated_project.session() as session:
            return decisions.current(session).get(second) is Label.ABNORMAL

    qtbot.waitUntil(abnormal, timeout=WAIT)


def test_no_button_takes_the_focus_by_a_click(open_window, scored_project, qtbot):
    window = open_window(scored_project)
    for number, page in enumerate(window.pages):
        window.show_page(number)
        for button in window.findChildren(QAbstractButton):
            if window.isAncestorOf(button) and button.window() is window:
                assert not button.focusPolicy() & Qt.FocusPolicy.ClickFocus, button.objectName()
        assert page is window.stack.currentWidget()


def test_results_keys_act_after_a_click_on_every_widget(open_window, scored_project, qtbot):
    window = open_window(scored_project)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    for widget in _clickable(page):
        if widget is page.table.horizontalHeader().viewport():
            continue
        qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
        where = f"{type(widget).__name__} {widget.objectName()}"
        inverted, overlay = page.review.main.is_inverted, page.review.overlay_on
        _press(Qt.Key.Key_I)
        _press(Qt.Key.Key_G)
        assert page.review.main.is_inverted is not inverted, where
        assert page.review.overlay_on is not overlay, where
        page.table.selectRow(2)
        _press(Qt.Key.Key_Space)
        assert page.table.currentIndex().row() == 3, where
        if page.table.hasFocus() or QApplication.focusWidget() is None:
            _press(Qt.Key.Key_Down)
            assert page.table.currentIndex().row() == 4, where


def test_keys_are_changed_kept_and_refused_where_taken(labels_page, qtbot):
    page = labels_page
    assert page.keys.change("normal", "A") == "A is the key of “abnormal”."
    assert page.keys.change("normal", "B") == ""
    assert "B normal" in page.keys.line.text()
    assert page.labels.buttons[Label.NORMAL].text() == "B  Normal"
    row = page.gallery.gallery.tile(0)
    page.gallery.select(0)
    _press(Qt.Key.Key_N)  # no longer anything
    _press(Qt.Key.Key_B)
    qtbot.waitUntil(lambda: page.gallery.gallery.tile(0).checked, timeout=WAIT)
    assert row.image_id == page.gallery.gallery.tile(0).image_id
    again = PageKeys(QWidget(), "pseudoLabels", Settings())
    again.add("normal", "normal", "N", lambda: None)
    assert again.keys_of("normal") == ("B",)
    assert "B normal" in again.text()
    again.change("normal", "")
    assert again.keys_of("normal") == ("N",)
    assert Settings().keys("pseudoLabels") == {}


def test_the_question_mark_lists_the_keys(labels_page, qtbot):
    page = labels_page
    QTest.keyClicks(page.gallery, "?")
    dialog = QApplication.activeModalWidget() or QApplication.activeWindow()
    assert dialog.objectName() == "keysDialog"
    assert dialog.height() <= 640
    click(qtbot, dialog, "change_exclude")
    QTest.keyClick(dialog.edit, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: "is the key of “abnormal”" in dialog.problem.text(), timeout=WAIT)
    assert dialog.findChild(QLabel, "key_exclude").text() == "<b>X</b>"
    dialog.close()


def test_esc_closes_the_list_of_keys_and_is_never_a_key(labels_page, qtbot):
    page = labels_page
    QTest.keyClicks(page.gallery, "?")
    dialog = QApplication.activeModalWidget() or QApplication.activeWindow()
    click(qtbot, dialog, "change_normal")
    QTest.keyClick(dialog.edit, Qt.Key.Key_Escape)  # leaves the key as it is
    assert dialog.isVisible()
    assert dialog.findChild(QLabel, "key_normal").text() == "<b>N</b>"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert Settings().keys("pseudoLabels") == {}
    keys = PageKeys(QWidget(), "pseudoLabels", Settings())
    keys.add("normal", "normal", "N", lambda: None)
    assert "can be no key" in keys.change("normal", "Esc")
    assert keys.keys_of("normal") == ("N",)
    Settings().set_keys("pseudoLabels", {"normal": ("Esc",)})  # as an earlier version kept it
    again = PageKeys(QWidget(), "pseudoLabels", Settings())
    again.add("normal", "normal", "N", lambda: None)
    assert again.keys_of("normal") == ("N",)


@pytest.mark.parametrize("number", range(5))
def test_tab_goes_through_a_page_and_comes_back(open_window, scored_project, qtbot, number):
    """No table keeps the Tab key to itself, and every control that takes part is reached."""
    window = open_window(scored_project)
    window.show_page(number)
    page = window.pages[number]
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None, timeout=WAIT)
    seen: list[QWidget] = []
    while (here := QApplication.focusWidget()) not in seen and len(seen) < 300:
        seen.append(here)
        QTest.keyClick(here, Qt.Key.Key_Tab)
    buttons = [b for b in page.findChildren(QPushButton) if b.isVisible() and b.isEnabled()]
    assert [b.objectName() for b in buttons if b not in seen] == []
