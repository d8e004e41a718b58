"""An image with window/level, zoom, pan, inversion, and an optional map over it.

Left drag: window/level (across contrast, up brightness). Middle drag: pan. Right drag or wheel:
zoom. Views can be linked, so that they zoom and pan together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from amae_app.theme import IMAGE_GROUND

Picture = npt.NDArray[np.floating] | npt.NDArray[np.uint8]
FULL = (0.0, 1.0)
_LEVELS_PER_PIXEL = 1 / 400  # of the full range


class _ImageBox(pg.ViewBox):
    """pyqtgraph's view box with a reading room's mouse."""

    levels_dragged = Signal(float, float)
    moved = Signal()

    def __init__(self) -> None:
        super().__init__(lockAspect=True, enableMenu=False, invertY=True)
        self.setBackgroundColor(IMAGE_GROUND)

    def mouseDragEvent(self, event: pg.GraphicsScene.mouseEvents.MouseDragEvent, axis=None) -> None:  # type: ignore[no-untyped-def]
        event.accept()
        moved: QPointF = event.pos() - event.lastPos()
        if event.button() is Qt.MouseButton.LeftButton:
            self.levels_dragged.emit(moved.x(), moved.y())
        elif event.button() is Qt.MouseButton.MiddleButton:
            start, end = self.mapToView(event.lastPos()), self.mapToView(event.pos())
            self.translateBy(start - end)
            self.moved.emit()
        else:
            self.scaleBy((1 + moved.y() / 200, 1 + moved.y() / 200))
            self.moved.emit()

    def wheelEvent(self, event, axis=None) -> None:  # type: ignore[no-untyped-def]
        super().wheelEvent(event, axis)
        self.moved.emit()


class ImageView(pg.GraphicsView):
    """Shows one image; pictures of any size share the coordinates 0…1.

    Args:
        name: For screen readers.
    """

    levels_changed = Signal(float, float)
    moved = Signal()
    _is_fitted = False  # pyqtgraph's constructor already resizes

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=IMAGE_GROUND)
        self.setAccessibleName(name)
        self.setMinimumSize(90, 90)
        self._levels = FULL
        self._inverted = False
        self._place = QRectF(0, 0, 1, 1)
        self._is_fitted = True
        self.box = _ImageBox()
        self.setCentralItem(self.box)
        self._image = pg.ImageItem()
        self._overlay = pg.ImageItem()
        self._overlay.setZValue(1)
        self.box.addItem(self._image)
        self.box.addItem(self._overlay)
        self.box.levels_dragged.connect(self._on_drag)
        self.box.moved.connect(self._on_moved)

    def show_image(self, image: Picture | None, aspect: float = 1.0) -> None:
        """Show an image.

        Args:
            image: (H, W), uint8 or float in [0, 1]; None shows nothing.
            aspect: Width over height of the original image.
        """
        if image is None:
            self._image.clear()
            self._overlay.clear()
            return
        values = image.astype(np.float32) / 255 if image.dtype == np.uint8 else image
        self._image.setImage(np.nan_to_num(values), autoLevels=False)
        self._place = QRectF(0, 0, aspect, 1)
        self._image.setRect(self._place)
        if self._is_fitted:
            self.box.setRange(self._place, padding=0.0)
        self._apply_levels()

    def show_map(self, colours: npt.NDArray[np.uint8] | None) -> None:
        """Lay a picture (H, W, 4) uint8 over the image; None takes it away."""
        if colours is None:
            self._overlay.clear()
            return
        self._overlay.setImage(colours, autoLevels=False, levels=(0, 255))
        self._overlay.setRect(self._place)

    def fit(self) -> None:
        """Show the whole image."""
        self._is_fitted = True
        self.box.setRange(self._place, padding=0.0)
        self.moved.emit()

    def zoom(self, factor: float) -> None:
        """Zoom about the middle; above 1 comes closer."""
        self.box.scaleBy((1 / factor, 1 / factor))
        self._on_moved()

    def invert(self) -> None:
        """Swap black and white."""
        self._inverted = not self._inverted
        self._apply_levels()

    @property
    def is_inverted(self) -> bool:
        """Whether black and white are swapped."""
        return self._inverted

    @property
    def levels(self) -> tuple[float, float]:
        """Grey values shown as black and as white, in 0…1 of the image's range."""
        return self._levels

    def set_levels(self, low: float, high: float) -> None:
        """Choose which grey values are black and white."""
        self._levels = (low, max(high, low + 0.01))
        self._apply_levels()

    def follow(self, other: ImageView) -> None:
        """Show the part of the image that another view shows."""
        if other._is_fitted:
            self._is_fitted = True
            self.box.setRange(self._place, padding=0.0)
            return
        self._is_fitted = False
        self.box.setRange(other.box.viewRect(), padding=0.0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep a whole image whole."""
        super().resizeEvent(event)
        if self._is_fitted:
            self.box.setRange(self._place, padding=0.0)

    def _apply_levels(self) -> None:
        low, high = self._levels
        self._image.setLevels((high, low) if self._inverted else (low, high))

    def _on_moved(self) -> None:
        self._is_fitted = False
        self.moved.emit()

    def _on_drag(self, across: float, down: float) -> None:
        low, high = self._levels
        centre, width = (low + high) / 2, high - low
        width = float(np.clip(width * (1 + across / 250), 0.02, 3.0))
        centre += down * _LEVELS_PER_PIXEL
        self.set_levels(centre - width / 2, centre + width / 2)
        self.levels_changed.emit(*self._levels)
