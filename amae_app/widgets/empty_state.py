"""What a workspace shows before it has anything: a sentence and the next step."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from amae_app.theme import quiet


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
        self._text = quiet(text)
        self._text.setObjectName(name)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.addStretch()
        layout.addWidget(self._text)
        if button:
            step = QPushButton(button)
            step.setObjectName(f"{name}Button")
            step.setToolTip(explanation)
            step.clicked.connect(self.pressed)
            layout.addWidget(step, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch()

    def say(self, text: str) -> None:
        """Change the sentence."""
        self._text.setText(text)
