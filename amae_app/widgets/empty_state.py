"""What a workspace shows before it has anything: a sentence and the next step."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named


class EmptyState(QWidget):
    """A centred sentence, and a button for the next step where there is one.

    Args:
        text: What is missing and what to do.
        button: The next step, "" for none.
        explanation: The button's tooltip.
        name: Object name of the sentence; the button's is the same with "Button".
    """

    pressed = Signal()

    def __init__(self, text: str, name: str, button: str = "", explanation: str = "") -> None:
        super().__init__()
        self._text = named(quiet(text), name)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = column_of(0, self._text, into=self)
        if button:
            step = named(QPushButton(button), f"{name}Button", tip=explanation)
            step.clicked.connect(self.pressed)
            layout.addWidget(step, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch()

    def say(self, text: str) -> None:
        """Change the sentence."""
        self._text.setText(text)
