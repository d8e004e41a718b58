"""An image with window/level, zoom, pan, inversion, and an optional map over it.

Left drag: window/level (across contrast, up brightness), or what is being measured or drawn.
Middle drag: pan. Right drag or wheel: zoom. Right click: menu. Views can be linked.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QObject, QPoint, QPointF, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from amae_app.theme import IMAGE_GROUND

Picture = npt.NDArray[np.floating] | npt.NDArray[np.uint8]
FULL = (0.0, 1.0)
_LEVELS_PER_PIXEL = 1 / 400  # of the full range
_DEPTH = 1 << 16


class _ImageBox(pg.ViewBox):
    """pyqtgraph's view box with a reading room's mouse."""

    levels_dragged = Signal(float, float)
    line_dragged = Signal(object, object, bool)  # both ends, and whether the button was let go
    clicked = Signal(object, bool)  # where, and whether twice
    menu_wanted = Signal(object)
    reset_wanted = Signal()
    moved = Signal()
    draws = False

    def __init__(self) -> None:
        super().__init__(lockAspect=True, enableMenu=False, invertY=True)
        self.setBackgroundColor(IMAGE_GROUND)

    def mouseDragEvent(self, event: pg.GraphicsScene.mouseEvents.MouseDragEvent, axis=None) -> None:  # type: ignore[no-untyped-def]
        event.accept()
        moved: QPointF = event.pos() - event.lastPos()
        if event.button() is Qt.MouseButton.LeftButton and self.draws:
            start, end = self.mapToView(event.buttonDownPos()), self.mapToView(event.pos())
            self.line_dragged.emit(start, end, event.isFinish())
        elif event.button() is Qt.MouseButton.LeftButton:
            self.levels_dragged.emit(moved.x(), moved.y())
        elif event.button() is Qt.MouseButton.MiddleButton:
            start, end = self.mapToView(event.lastPos()), self.mapToView(event.pos())
            self.translateBy(start - end)
            self.moved.emit()
        else:
            self.scaleBy((1 + moved.y() / 200, 1 + moved.y() / 200))
            self.moved.emit()

    def mouseClickEvent(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        if event.button() is Qt.MouseButton.RightButton:
            event.accept()
            self.menu_wanted.emit(event.screenPos())
        elif event.double() and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            event.accept()
            self.reset_wanted.emit()
        elif event.button() is Qt.MouseButton.LeftButton:
            event.accept()
            self.clicked.emit(self.mapToView(event.pos()), event.double())

    def wheelEvent(self, event, axis=None) -> None:  # type: ignore[no-untyped-def]
        super().wheelEvent(event, axis)
        self.moved.emit()


class ImageView(pg.GraphicsView):
    """Shows one image; pictures of any size share the coordinates 0…aspect, 0…1.

    Args:
        name: For screen readers.

    Signals:
        levels_changed(low, high): by dragging.
        moved(): zoomed or panned.
        hovered(point or None): the mouse is at a place of the image, in 0…1 of width and height.
        line_dragged(start, end, is_finished): a line is drawn, in the same units.
        clicked(place, is_double): by the left button, in the same units.
        mouse_given(): left drags draw for another owner now, or for none.
        menu_wanted(place on the screen); reset_wanted(): Ctrl + double click.
    """

    levels_changed = Signal(float, float)
    moved = Signal()
    hovered = Signal(object)
    line_dragged = Signal(object, object, bool)
    clicked = Signal(object, bool)
    mouse_given = Signal()
    menu_wanted = Signal(object)
    reset_wanted = Signal()
    _is_fitted = False  # pyqtgraph's constructor already resizes

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=IMAGE_GROUND)
        self.setAccessibleName(name)
        self.setMinimumSize(90, 90)
        self.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self._levels = FULL
        self._inverted = False
        self._codes: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | None = None
        self._shades = np.zeros(0, dtype=np.float32)
        self._black: npt.NDArray[np.bool_] | None = None
        self._place = QRectF(0, 0, 1, 1)
        self._is_fitted = True
        self.mouse_owner: QObject | None = None
        self.box = _ImageBox()
        self.setCentralItem(self.box)
        self._image = pg.ImageItem()
        self._overlay = pg.ImageItem()
        self._overlay.setZValue(1)
        self.box.addItem(self._image)
        self.box.addItem(self._overlay)
        self._drawing = QTimer(self)  # several moves of the mouse are drawn once
        self._drawing.setSingleShot(True)
        self._drawing.timeout.connect(self._draw)
        self.box.levels_dragged.connect(self._on_drag)
        self.box.moved.connect(self._on_moved)
        self.box.line_dragged.connect(self._on_line)
        self.box.clicked.connect(self._on_click)
        self.box.menu_wanted.connect(self.menu_wanted)
        self.box.reset_wanted.connect(self.reset_wanted)
        self.scene().sigMouseMoved.connect(self._on_hover)

    def show_image(self, image: Picture | None, aspect: float = 1.0) -> None:
        """Show an image.

        Args:
            image: (H, W), uint8, or float in [0, 1]; None shows nothing.
            aspect: Width over height of the original image.
        """
        if image is None:
            self._codes = None
            self._image.clear()
            self._overlay.clear()
            return
        if image.dtype == np.uint8:
            self.show_codes(image.view(np.uint8), _shades(256), aspect)
            return
        clean = np.nan_to_num(image.astype(np.float32)).clip(0, 1)
        self.show_codes((clean * (_DEPTH - 1)).astype(np.uint16), _shades(_DEPTH), aspect)

    def show_codes(
        self,
        codes: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
        shades: npt.NDArray[np.float32],
        aspect: float,
        black: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Show an image at its full depth.

        Args:
            codes: (H, W) places in `shades`.
            shades: (n,) 0 black and 1 white at the full window; others lie beyond it.
            aspect: Width over height of the original image.
            black: (n,) codes that are black in every window.
        """
        self._codes, self._shades, self._black = codes, shades, black
        self._place = QRectF(0, 0, aspect, 1)
        self._draw()
        self._image.setRect(self._place)
        if self._is_fitted:
            self.box.setRange(self._place, padding=0.0)

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

    def zoom_to_pixels(self) -> None:
        """One pixel of the image on one pixel of the screen."""
        if self._codes is None:
            return
        height = self.height() * self.devicePixelRatioF() / self._codes.shape[0]
        self.zoom(self.box.viewRect().height() / height)

    def invert(self) -> None:
        """Swap black and white."""
        self._inverted = not self._inverted
        self._draw()

    @property
    def is_inverted(self) -> bool:
        """Whether black and white are swapped."""
        return self._inverted

    @property
    def levels(self) -> tuple[float, float]:
        """Shades shown as black and as white; (0, 1) is the window as it is."""
        return self._levels

    @property
    def picture(self) -> npt.NDArray[np.uint8] | None:
        """What is drawn, (H, W)."""
        return None if self._codes is None else self._image.image

    @property
    def map_shown(self) -> npt.NDArray[np.uint8] | None:
        """The map that lies over it, (H, W, 4); None where there is none."""
        found: npt.NDArray[np.uint8] | None = self._overlay.image
        return found

    def set_levels(self, low: float, high: float) -> None:
        """Choose which shades are black and white."""
        self._levels = (low, max(high, low + 0.01))
        self._drawing.start(0)

    def give_mouse(self, owner: QObject | None) -> None:
        """Let left drags draw for an owner in place of window/level; None gives them back."""
        self.mouse_owner = owner
        self.box.draws = owner is not None
        shape = Qt.CursorShape.CrossCursor if self.box.draws else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)
        self.mouse_given.emit()

    def follow(self, other: ImageView) -> None:
        """Show the part of the image that another view shows."""
        if other._is_fitted:
            self._is_fitted = True
            self.box.setRange(self._place, padding=0.0)
            return
        self._is_fitted = False
        self.box.setRange(other.box.viewRect(), padding=0.0)

    def to_view(self, point: QPointF) -> QPointF:
        """A place of the image (0…1 of width and height) in the box's coordinates."""
        return QPointF(point.x() * self._place.width(), point.y())

    def on_screen(self, point: QPointF) -> QPoint:
        """A place of the image (0…1) in this widget's pixels."""
        return self.mapFromScene(self.box.mapViewToScene(self.to_view(point)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep a whole image whole."""
        super().resizeEvent(event)
        if self._is_fitted:
            self.box.setRange(self._place, padding=0.0)

    @Slot()
    def _draw(self) -> None:
        """Shades to grey levels by a table, as the image has far fewer shades than pixels."""
        self._drawing.stop()
        if self._codes is None:
            return
        low, high = self._levels
        table = ((self._shades - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        if self._inverted:
            table = 255 - table
        if self._black is not None:
            table[self._black] = 0
        self._image.setImage(table.take(self._codes), autoLevels=False, levels=(0, 255))

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

    def _on_line(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        self.line_dragged.emit(self._share(start), self._share(end), is_finished)

    def _on_click(self, place: QPointF, is_double: bool) -> None:
        self.clicked.emit(self._share(place), is_double)

    def _on_hover(self, place: QPointF) -> None:
        point = self._share(self.box.mapSceneToView(place))
        inside = 0 <= point.x() < 1 and 0 <= point.y() < 1 and self._codes is not None
        self.hovered.emit(point if inside else None)

    def _share(self, point: QPointF) -> QPointF:
        return QPointF(point.x() / self._place.width(), point.y())


def _shades(count: int) -> npt.NDArray[np.float32]:
    return np.linspace(0, 1, count, dtype=np.float32)
