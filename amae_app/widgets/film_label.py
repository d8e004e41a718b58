"""One film, as large as its place allows, on the dark film ground."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from amae_app.theme import FILM_GROUND
from amae_app.widgets.thumbnails import film_image


class FilmLabel(QWidget):
    """Draws one film (H, W) uint8 with its aspect ratio kept; nothing to click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(120, 120)
        self.setAccessibleName("Film")
        self._image: QImage | None = None

    def show_film(self, film: npt.NDArray[np.uint8] | None) -> None:
        """Show another film, or none."""
        self._image = None if film is None else film_image(film)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the film in the middle."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(FILM_GROUND))
        if self._image is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(
            (self.width() - size.width()) // 2,
            (self.height() - size.height()) // 2,
            size.width(),
            size.height(),
        )
        painter.drawImage(place, self._image)
