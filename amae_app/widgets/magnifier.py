"""A loupe over an image: what lies under the mouse, larger."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRect, Qt, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from amae_app.widgets.image_view import ImageView

_SIDE = 220
_SHARE = 0.42  # of a small view
_GAP = 20  # pixels from the mouse
_TIMES = 2.5  # larger than the view draws it


class Magnifier(QWidget):
    """Follows the mouse over a view; off until `toggle`."""

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._view = view
        self.is_on = False
        self._loupe = QImage()
        self.setAccessibleName("Magnifier")
        self.setFixedSize(_SIDE, _SIDE)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        view.hovered.connect(self._on_hover)

    @Slot()
    def toggle(self) -> None:
        """Switch on or off."""
        self.is_on = not self.is_on
        self.setVisible(False)

    @Slot(object)
    def _on_hover(self, point: QPointF | None) -> None:
        picture = self._view.picture
        if not self.is_on or point is None or picture is None:
            self.hide()
            return
        height, width = picture.shape
        shown = self._view.box.viewRect().height()  # in heights of the image
        room = round(min(self._view.width(), self._view.height()) * _SHARE)
        self.setFixedSize(min(room, _SIDE), min(room, _SIDE))
        scale = shown * height / max(self._view.height(), 1)  # pixels of the image in one here
        half = max(4, round(self.width() / _TIMES * scale / 2))
        x, y = int(point.x() * width), int(point.y() * height)
        padded = np.zeros((2 * half, 2 * half), dtype=np.uint8)
        top, left = max(y - half, 0), max(x - half, 0)
        part = picture[top : y + half, left : x + half]
        padded[
            top - (y - half) : top - (y - half) + part.shape[0],
            left - (x - half) : left - (x - half) + part.shape[1],
        ] = part
        side = 2 * half
        self._loupe = QImage(padded.data, side, side, side, QImage.Format.Format_Grayscale8).copy()
        place = self._view.on_screen(point)
        at = QRect(place.x() + _GAP, place.y() - self.height() - _GAP, self.width(), self.height())
        if at.right() > self._view.width():
            at.moveRight(place.x() - _GAP)
        if at.top() < 0:
            at.moveTop(place.y() + _GAP)
        self.move(max(at.left(), 0), at.top())
        self.show()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the part."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.rect(), self._loupe)
        painter.setPen(QPen(QColor("#c3c8d0"), 2))
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
