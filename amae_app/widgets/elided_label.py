"""A label of one line: what does not fit ends in an ellipsis, and stands whole in the tooltip."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy

from amae_app.widgets.building import named


class ElidedLabel(QLabel):
    """Never wider than its place."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setMinimumWidth(1)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.say(text)

    @property
    def whole(self) -> str:
        """The text, also where it is cut."""
        return self._whole

    def say(self, text: str) -> None:
        """Show a text."""
        self._whole = text
        named(self, label=text, tip=text)
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As much as fits."""
        super().resizeEvent(event)
        self._show()

    def _show(self) -> None:
        mode = Qt.TextElideMode.ElideRight
        self.setText(self.fontMetrics().elidedText(self._whole, mode, max(self.width(), 20)))
