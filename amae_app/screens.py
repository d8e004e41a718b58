"""Keeps a window within the screen that it is on, whatever that screen's size and scale."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSize, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget


class OnScreen(QObject):
    """Keeps a window's least size and its place within the room of its screen.

    Args:
        window: A window that is not shown yet, with the size and place that it would have.
        least: Its least size, in logical pixels, where the screen has that much room.
    """

    def __init__(self, window: QWidget, least: QSize) -> None:
        super().__init__(window)
        self._window, self._least = window, least
        window.winId()  # makes the handle, which knows of screens
        handle = window.windowHandle()
        handle.screenChanged.connect(self.fit)
        handle.visibleChanged.connect(self._fit_soon)  # it has a frame then
        self.fit()

    def fit(self) -> None:
        """Move and shrink the window where it would stand out."""
        window = self._window
        centre = window.geometry().center()
        screen = QGuiApplication.screenAt(centre) or window.screen()
        room, frame = screen.availableGeometry(), window.frameGeometry()
        around = frame.size() - window.size()
        window.setMinimumSize(self._least.boundedTo(room.size() - around))
        if room.contains(frame) or window.isFullScreen() or window.isMaximized():
            return
        window.resize(window.size().boundedTo(room.size() - around))
        size = window.size() + around
        window.move(
            max(room.left(), min(frame.x(), room.right() + 1 - size.width())),
            max(room.top(), min(frame.y(), room.bottom() + 1 - size.height())),
        )

    def _fit_soon(self, is_visible: bool) -> None:
        if is_visible:
            QTimer.singleShot(0, self._window, self.fit)
