"""The left rail: the workspaces in working order, each with a live count."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QWidget

from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named
from amae_app.workspaces import WORKSPACES

_WIDE, _NARROW = 150, 38


class Rail(QFrame):
    """Emits `chosen(number)` when a workspace is clicked."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(_WIDE)
        self._counts = [""] * len(WORKSPACES)
        self._is_narrow = False
        self._group = QButtonGroup(self)
        layout = column_of(into=self, margins=(0, 10, 0, 10), spacing=2)
        for number, row in enumerate(WORKSPACES):
            button = named(QPushButton(row.title), row.rail_name)
            button.setCheckable(True)
            button.setProperty("rail", True)
            button.setAccessibleName(row.title)
            self._group.addButton(button, number)
            layout.addWidget(button)
            self.set_count(number, "")
        layout.addStretch()
        self._note = quiet("Research use only.\nNot a medical device.")
        self._note.setContentsMargins(10, 0, 4, 0)
        layout.addWidget(self._note)
        self._group.idClicked.connect(self._on_clicked)

    def select(self, number: int) -> None:
        """Mark a workspace as the open one."""
        self._group.button(number).setChecked(True)

    def set_count(self, number: int, text: str) -> None:
        """Show a workspace's live count under its title."""
        self._counts[number] = text
        title, explanation = WORKSPACES[number].title, WORKSPACES[number].explanation
        button = self._group.button(number)
        button.setText(f"{number + 1}" if self._is_narrow else f"{number + 1}  {title}\n    {text}")
        counted = f"{title}: {text}" if text else title
        button.setToolTip(f"{counted}. {explanation} (Ctrl+{number + 1})")

    def set_narrow(self, is_narrow: bool) -> None:
        """Numbers alone, where the window is small."""
        if is_narrow == self._is_narrow:
            return
        self._is_narrow = is_narrow
        self.setFixedWidth(_NARROW if is_narrow else _WIDE)
        self._note.setVisible(not is_narrow)
        for number, text in enumerate(self._counts):
            self.set_count(number, text)

    @Slot(int)
    def _on_clicked(self, number: int) -> None:
        self.chosen.emit(number)
