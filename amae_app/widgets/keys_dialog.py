"""The list of a page's keys: looked at by `?`, and changed one at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QKeySequenceEdit,
    QLabel,
    QPushButton,
    QScrollArea,
    QWidget,
)

from amae_app.widgets.building import column_of, named

if TYPE_CHECKING:
    from amae_app.widgets.page_keys import KeyAct, PageKeys

_TALLEST = 600  # logical pixels: it fits any screen


def shown_key(key: str) -> str:
    """A key as readers see it: arrows as such."""
    return {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓"}.get(key, key)


class _KeyEdit(QKeySequenceEdit):
    """Takes one key; Esc gives up and is never taken.

    Signals:
        given_up(): Esc was pressed.
    """

    given_up = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setMaximumSequenceLength(1)

    def event(self, event: QEvent) -> bool:
        """Leave Esc to the dialog."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() is QEvent.Type.KeyPress:
                self.given_up.emit()
            event.accept()
            return True
        return super().event(event)


class KeysDialog(QDialog):
    """A line an act with its key; a key is changed by a button of its own, and Esc closes."""

    def __init__(self, keys: PageKeys, acts: dict[str, KeyAct], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("keysDialog")
        self.setWindowTitle("Keys of this page")
        self._keys, self._acts = keys, acts
        self._labels: dict[str, QLabel] = {}
        self._rows = QGridLayout()
        self._rows.setColumnStretch(0, 1)
        self.edit = named(_KeyEdit(self), "keyEdit", "The new key")
        self.edit.hide()
        self.edit.editingFinished.connect(self._on_changed)
        self.edit.given_up.connect(self._end_change)
        self._changed = ""  # the act whose key is waited for
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        for row, (name, act) in enumerate(acts.items()):
            label = QLabel(act.text[0].upper() + act.text[1:])
            label.setWordWrap(True)
            self._labels[name] = named(QLabel(), f"key_{name}")
            change = named(
                QPushButton("Change"), f"change_{name}", f"Change the key of: {act.text}"
            )
            change.setAutoDefault(False)
            change.clicked.connect(partial(self._begin_change, name))
            for column, widget in enumerate((label, self._labels[name], change)):
                self._rows.addWidget(widget, row, column)
        self._show_keys()
        inside = QWidget()
        inside.setLayout(self._rows)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.RestoreDefaults | QDialogButtonBox.StandardButton.Close
        )
        buttons.rejected.connect(self.reject)
        restore = buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        restore.clicked.connect(self._on_restore)
        column_of((area, 1), self.problem, buttons, into=self)
        self.resize(480, min(_TALLEST, inside.sizeHint().height() + 110))
        buttons.button(QDialogButtonBox.StandardButton.Close).setFocus()

    @Slot()
    def _begin_change(self, name: str) -> None:
        """Wait for the new key of an act, in its row."""
        self._end_change()
        self._changed = name
        self.edit.clear()
        self._rows.replaceWidget(self._labels[name], self.edit)
        self._labels[name].hide()
        self.edit.show()
        self.edit.setFocus()
        self.problem.setText("Press the new key; Esc leaves it as it is.")

    @Slot()
    def _on_changed(self) -> None:
        key, name = self.edit.keySequence().toString(), self._changed
        if not name or not key:
            return
        said = self._keys.change(name, key)
        self._end_change()
        self.problem.setText(said)

    @Slot()
    def _end_change(self) -> None:
        if self._changed:
            label, self._changed = self._labels[self._changed], ""
            self._rows.replaceWidget(self.edit, label)
            label.show()
            self.edit.hide()
        self.problem.clear()
        self._show_keys()

    def _show_keys(self) -> None:
        for name, label in self._labels.items():
            label.setText(f"<b>{' '.join(map(shown_key, self._keys.keys_of(name)))}</b>")

    @Slot()
    def _on_restore(self) -> None:
        for name in self._acts:
            self._keys.change(name, "")
        self._end_change()
