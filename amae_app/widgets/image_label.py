"""One image, as large as its place allows, on the dark image ground."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from amae_app.theme import IMAGE_GROUND
from amae_app.widgets.thumbnails import image_image


class ImageLabel(QWidget):
    """Draws one image (H, W) uint8 with its aspect ratio kept; nothing to click."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(120, 120)
        self.setAccessibleName("Image")
        self._image: QImage | None = None

    def show_image(self, image: npt.NDArray[np.uint8] | None) -> None:
        """Show another image, or none."""
        self._image = None if image is None else image_image(image)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the image in the middle."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(IMAGE_GROUND))
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
