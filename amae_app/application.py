"""Start Qt, open the window."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from PySide6.QtWidgets import QApplication

from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_app.theme import apply_theme


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
    window = MainWindow(settings)
    window.show()
    if demo is not None:
        window.open_demo(demo)
    else:
        folder = project or settings.last_project
        if folder is not None:
            window.open_project(folder)
    return application.exec()
