"""The left rail: five workspaces in working order, each with a live count."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QVBoxLayout, QWidget

from amae_app.theme import quiet

_ENTRIES = (
    ("Studies", "railStudies", "Import and look through images"),
    ("Train", "railTrain", "Starting weights, stage 1 and stage 2"),
    ("Pseudo-labels", "railPseudoLabels", "Check what stage 1 believes"),
    ("Results", "railResults", "Test images, maps and curves"),
    ("Compare", "railCompare", "Runs side by side"),
)


class Rail(QFrame):
    """Emits `chosen(number)` when a workspace is clicked."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(150)
        self._group = QButtonGroup(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 10, 0, 10)
        layout.setSpacing(2)
        for number, (title, name, explanation) in enumerate(_ENTRIES):
            button = QPushButton(title)
            button.setObjectName(name)
            button.setCheckable(True)
            button.setProperty("rail", True)
            button.setAccessibleName(title)
            button.setToolTip(f"{explanation} (Ctrl+{number + 1})")
            self._group.addButton(button, number)
            layout.addWidget(button)
            self.set_count(number, "")
        layout.addStretch()
        note = quiet("Research use only.\nNot a medical device.")
        note.setContentsMargins(10, 0, 4, 0)
        layout.addWidget(note)
        self._group.idClicked.connect(self._on_clicked)

    def select(self, number: int) -> None:
        """Mark a workspace as the open one."""
        self._group.button(number).setChecked(True)

    def set_count(self, number: int, text: str) -> None:
        """Show a workspace's live count under its title."""
        self._group.button(number).setText(f"{number + 1}  {_ENTRIES[number][0]}\n    {text}")

    @Slot(int)
    def _on_clicked(self, number: int) -> None:
        self.chosen.emit(number)
