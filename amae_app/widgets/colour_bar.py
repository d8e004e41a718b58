"""The colours of a map with the values at both ends."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from amae_app.widgets.map_colours import colour_bar


class ColourBar(QWidget):
    """The overlay's colours with the values at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(150, 26)
        self.setAccessibleName("Colour scale of the map")
        self._picture = QImage()
        self._ends = ("", "")

    def show_scale(self, name: str, low: float, high: float, signed: bool) -> None:
        """Show a colour map from `low` to `high`."""
        table = np.ascontiguousarray(colour_bar(name, signed)[None])  # (1, 256, 4)
        self._picture = QImage(table.data, 256, 1, QImage.Format.Format_RGBA8888).copy()
        self._ends = (f"{low:.2g}", f"{high:.2g}")
        self.setToolTip(
            f"{low:.3g} to {high:.3g} in the map's own units; one scale for all images of this run"
        )
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw bar and ends."""
        painter = QPainter(self)
        painter.drawImage(self.rect().adjusted(0, 0, 0, -15), self._picture)
        line = self.rect().adjusted(0, 11, 0, 0)
        painter.setPen(self.palette().text().color())
        bottom = Qt.AlignmentFlag.AlignBottom
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | bottom, self._ends[0])
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | bottom, self._ends[1])
