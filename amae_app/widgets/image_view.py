"""A film with window/level, zoom, pan, inversion, and an optional map over it.

Left drag: window/level (across contrast, up brightness). Middle drag: pan. Right drag or wheel:
zoom. Views can be linked, so that they zoom and pan together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtWidgets import QWidget

from amae_app.theme import FILM_GROUND

Picture = npt.NDArray[np.floating] | npt.NDArray[np.uint8]
FULL = (0.0, 1.0)
_LEVELS_PER_PIXEL = 1 / 400  # of the full range


class _FilmBox(pg.ViewBox):
    """pyqtgraph's view box with a reading room's mouse."""

    levels_dragged = Signal(float, float)

    def __init__(self) -> None:
        super().__init__(lockAspect=True, enableMenu=False, invertY=True)
        self.setBackgroundColor(FILM_GROUND)

    def mouseDragEvent(self, event: pg.GraphicsScene.mouseEvents.MouseDragEvent, axis=None) -> None:  # type: ignore[no-untyped-def]
        event.accept()
        moved: QPointF = event.pos() - event.lastPos()
        if event.button() is Qt.MouseButton.LeftButton:
            self.levels_dragged.emit(moved.x(), moved.y())
        elif event.button() is Qt.MouseButton.MiddleButton:
            start, end = self.mapToView(event.lastPos()), self.mapToView(event.pos())
            self.translateBy(start - end)
        else:
            self.scaleBy((1 + moved.y() / 200, 1 + moved.y() / 200))


class ImageView(pg.GraphicsView):
    """Shows one film; pictures of any size share the coordinates 0…1.

    Args:
        name: For screen readers.
    """

    levels_changed = Signal(float, float)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=FILM_GROUND)
        self.setAccessibleName(name)
        self.setMinimumSize(90, 90)
        self._levels = FULL
        self._inverted = False
        self._shape = (1, 1)
        self.box = _FilmBox()
        self.setCentralItem(self.box)
        self._film = pg.ImageItem()
        self._overlay = pg.ImageItem()
        self._overlay.setZValue(1)
        self.box.addItem(self._film)
        self.box.addItem(self._overlay)
        self.box.levels_dragged.connect(self._on_drag)

    def show_film(self, film: Picture | None, aspect: float = 1.0) -> None:
        """Show a film.

        Args:
            film: (H, W), uint8 or float in [0, 1]; None shows nothing.
            aspect: Width over height of the original film.
        """
        if film is None:
            self._film.clear()
            self._overlay.clear()
            return
        values = film.astype(np.float32) / 255 if film.dtype == np.uint8 else film
        self._film.setImage(np.nan_to_num(values), autoLevels=False)
        self._place = QRectF(0, 0, aspect, 1)
        self._film.setRect(self._place)
        self._apply_levels()

    def show_map(self, colours: npt.NDArray[np.uint8] | None) -> None:
        """Lay a picture (H, W, 4) uint8 over the film; None takes it away."""
        if colours is None:
            self._overlay.clear()
            return
        self._overlay.setImage(colours, autoLevels=False, levels=(0, 255))
        self._overlay.setRect(self._place)

    def fit(self) -> None:
        """Show the whole film."""
        self.box.autoRange(padding=0.01)

    def zoom(self, factor: float) -> None:
        """Zoom about the middle; above 1 comes closer."""
        self.box.scaleBy((1 / factor, 1 / factor))

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
        """Grey values shown as black and as white, in 0…1 of the film's range."""
        return self._levels

    def set_levels(self, low: float, high: float) -> None:
        """Choose which grey values are black and white."""
        self._levels = (low, max(high, low + 0.01))
        self._apply_levels()

    def link(self, other: ImageView) -> None:
        """Zoom and pan together with another view."""
        self.box.setXLink(other.box)
        self.box.setYLink(other.box)

    def _apply_levels(self) -> None:
        low, high = self._levels
        self._film.setLevels((high, low) if self._inverted else (low, high))

    def _on_drag(self, across: float, down: float) -> None:
        low, high = self._levels
        centre, width = (low + high) / 2, high - low
        width = float(np.clip(width * (1 + across / 250), 0.02, 3.0))
        centre += down * _LEVELS_PER_PIXEL
        self.set_levels(centre - width / 2, centre + width / 2)
        self.levels_changed.emit(*self._levels)
