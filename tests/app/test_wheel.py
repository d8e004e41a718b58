"""The wheel changes no value by accident: every combo, spin box and slider of every page and dialog."""

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QScrollBar,
    QWidget,
)
from widgets_by_name import WAIT

from amae_engine.project import Project

VALUES = (QComboBox, QAbstractSpinBox, QAbstractSlider)


def _turn(field: QWidget) -> None:
    """One notch of the wheel over a field."""
    at = QPointF(field.rect().center())
    event = QWheelEvent(
        at, field.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, event)


def _value(field: QWidget) -> object:
    if isinstance(field, QComboBox):
        return field.currentIndex()
    return field.text() if hasattr(field, "text") else field.value()


def _fields(window: QWidget) -> list[QWidget]:
    return [
        each
        for each in window.findChildren(QWidget)
        if isinstance(each, VALUES) and not isinstance(each, QScrollBar) and each.isVisible()
    ]


def test_the_wheel_changes_nothing_that_has_no_focus(open_window, whole_path: Project, qtbot):
    window = open_window(whole_path)
    seen = 0
    for number in range(len(window.pages)):
        window.show_page(number)
        qtbot.wait(300)
        window.setFocus()
        for field in _fields(window):
            field.clearFocus()
            before = _value(field)
            _turn(field)
            assert _value(field) == before, (number, field.objectName())
            assert not field.hasFocus()
            seen += 1
    assert seen >= 20


def test_dialogs_too(open_window, whole_path: Project, qtbot):
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    page.exports.ask(3, (1, 2), 1)
    dialog = page.exports.dialog
    dialog.dicom.setChecked(True)
    assert _fields(dialog)
    for field in _fields(dialog):
        field.clearFocus()
        before = _value(field)
        _turn(field)
        assert _value(field) == before
    dialog.reject()


def test_a_field_with_the_focus_takes_the_wheel(qtbot, qapp, open_window):
    open_window(None)
    field = QComboBox()
    field.addItems(["a", "b", "c"])
    qtbot.addWidget(field)
    field.show()
    field.activateWindow()
    field.setFocus()
    qtbot.waitUntil(field.hasFocus, timeout=WAIT)
    _turn(field)
    assert field.currentText() == "b"
