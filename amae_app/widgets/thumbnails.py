"""Small pictures of stored images, read off the event thread and kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, QRunnable, QSize, Qt, QThreadPool, QTimer, Signal, Slot
from PySide6.QtGui import QIcon, QImage, QPixmap

_KEPT = 4000
_BATCH = 64
_ICON = 96  # pixels of the longer side of an icon in a list

ReadImages = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]


class ThumbnailCache(QObject):
    """Pixmaps by the image's row in the pixel store.

    Args:
        read: Maps rows (B,) to images (B, S, S) uint8.

    Signals:
        loaded(): some pixmaps that were asked for are there now.
    """

    loaded = Signal()
    _read_done = Signal(object, object)

    def __init__(self, read: ReadImages, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._read = read
        self._pixmaps: OrderedDict[int, QPixmap] = OrderedDict()
        self._icons: OrderedDict[int, QIcon] = OrderedDict()
        self._wanted: list[int] = []
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._start)
        self._busy = False
        self._read_done.connect(self._on_read)

    def get(self, row: int) -> QPixmap | None:
        """The image's picture, or None until `loaded` says that it came."""
        found = self._pixmaps.get(row)
        if found is not None:
            self._pixmaps.move_to_end(row)
            return found
        if row not in self._wanted:
            self._wanted.append(row)
            self._timer.start()
        return None

    def icon(self, row: int, aspect: float) -> QIcon | None:
        """The picture for a list, in its own shape; a selected line does not tint it.

        Args:
            row: Of the pixel store.
            aspect: Width over height of the original: the store squashes it into a square.
        """
        if row in self._icons:
            return self._icons[row]
        pixmap = self.get(row)
        if pixmap is None:
            return None
        size = shape_within(QSize(_ICON, _ICON), aspect)
        ratio, mode = Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode
        small = pixmap.scaled(size, ratio, mode.SmoothTransformation)
        icon = QIcon(small)
        icon.addPixmap(small, QIcon.Mode.Selected)
        self._icons[row] = icon
        while len(self._icons) > _KEPT:
            self._icons.popitem(last=False)
        return icon

    def close(self) -> None:
        """Wait for the reading thread."""
        self._wanted.clear()
        self._pool.waitForDone()

    @Slot()
    def _start(self) -> None:
        if self._busy or not self._wanted:
            return
        # the newest wishes first: they are what is on screen now
        rows, self._wanted = self._wanted[-_BATCH:], self._wanted[:-_BATCH][-4 * _BATCH :]
        self._busy = True
        self._pool.start(_Read(self._read, rows, self._read_done.emit))

    @Slot(object, object)
    def _on_read(self, rows: list[int], images: list[QImage]) -> None:
        for row, image in zip(rows, images, strict=False):
            self._pixmaps[row] = QPixmap.fromImage(image)
        while len(self._pixmaps) > _KEPT:
            self._pixmaps.popitem(last=False)
        self._busy = False
        self.loaded.emit()
        if self._wanted:
            self._timer.start()


class _Read(QRunnable):
    def __init__(
        self, read: ReadImages, rows: list[int], answer: Callable[[object, object], object]
    ) -> None:
        super().__init__()
        self._read, self._rows, self._answer = read, rows, answer

    def run(self) -> None:
        """Read and convert on a pool thread."""
        try:
            images = self._read(np.array(self._rows, dtype=np.int64))
        except OSError:
            images = np.zeros((0, 1, 1), dtype=np.uint8)
        self._answer(self._rows, [image_image(image) for image in images])


def shape_within(room: QSize, aspect: float) -> QSize:
    """The largest size of an aspect (width over height) that fits into a room."""
    width = min(room.width(), room.height() * aspect)
    return QSize(max(1, round(width)), max(1, round(width / aspect)))


def image_image(image: npt.NDArray[np.uint8]) -> QImage:
    """An image (H, W) uint8 as a grey picture that owns its pixels."""
    image = np.ascontiguousarray(image)
    height, width = image.shape
    return QImage(image.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
