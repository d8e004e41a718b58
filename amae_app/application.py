"""Start Qt, open the window."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QApplication

from amae_app.crash import CrashGuard
from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_app.theme import DARK, apply_theme
from amae_engine.jobs.child_process import start_server

_UNTIL_SERVER_MS = 1500  # the window's own start comes first


def run_application(project: Path | None = None, demo: Path | None = None) -> int:
    """Open the window and run until it closes.

    Args:
        project: A project folder to open; the last one by default.
        demo: Where to make or open the demo project instead.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    application = QApplication(sys.argv[:1])
    application.setApplicationName("AMAE")
    application.setOrganizationName("AMAE")
    settings = Settings()
    apply_theme(application, settings.theme)
    application.setWindowIcon(app_icon())
    gc.freeze()  # modules stay: a collection, which holds the window up, need not look at them
    window = MainWindow(settings)
    window.asks_at_close = True
    application.setQuitOnLastWindowClosed(False)  # what the project still does may take a while
    window.closed.connect(application.quit)
    CrashGuard(window).install()
    window.show()
    QTimer.singleShot(_UNTIL_SERVER_MS, start_server)
    if not settings.has_seen_tour:
        window.project_shown.connect(
            window.finder.start_tour, Qt.ConnectionType.SingleShotConnection
        )
    if demo is not None:
        window.open_demo(demo)
    else:
        folder = project or settings.last_project
        if folder is not None:
            window.open_project(folder)
    return application.exec()


def app_icon() -> QIcon:
    """Two lungs, one in the colour of normal and one in that of abnormal."""
    icon = QIcon()
    for side in (16, 32, 64, 256):
        picture = QPixmap(side, side)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(side / 64, side / 64)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.card))
        painter.drawRoundedRect(QRectF(0, 0, 64, 64), 12, 12)
        for left, tint in ((9, DARK.normal), (35, DARK.abnormal)):
            painter.setBrush(QColor(tint))
            painter.drawEllipse(QRectF(left, 14, 20, 38))
        painter.setPen(QPen(QColor(DARK.text), 4))
        painter.drawLine(32, 8, 32, 26)
        painter.end()
        icon.addPixmap(picture)
    return icon
