"""Tell a reader who is elsewhere that the work is done."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

_SHOWN_MS = 10_000


def notify_desktop(window: QWidget, title: str, text: str) -> bool:
    """Say it on the desktop where another window is in front; whether it was said.

    Where the desktop has no tray, the taskbar's entry alone asks for attention.
    """
    if window.isActiveWindow():
        return False
    QApplication.alert(window)
    if not QSystemTrayIcon.isSystemTrayAvailable():
        return False
    icon = window.findChild(QSystemTrayIcon)
    if icon is None:
        icon = QSystemTrayIcon(window.windowIcon(), window)
        icon.messageClicked.connect(window.activateWindow)
        icon.show()
    icon.showMessage(title, text, window.windowIcon(), _SHOWN_MS)
    return True
