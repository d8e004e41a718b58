"""A window that a self-test uses by a script: its own settings, real acts, and what Qt says meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QSettings, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from amae_app.main_window import MainWindow
from amae_app.pseudo_labels.pseudo_labels_page import PseudoLabelsPage
from amae_app.settings import Settings
from amae_app.theme import apply_theme
from tests.waiting import let_run, wait_until

LONGEST_WAIT_SECONDS = 600.0
_EXPECTED = ("propagateSizeHints",)  # what the offscreen platform says of itself


def scripted_window(settings_folder: Path, reader: str) -> MainWindow:
    """A window with settings of its own, offscreen where there is no display."""
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(settings_folder))
    application = QApplication.instance() or QApplication(sys.argv[:1])
    settings = Settings()
    settings.reader = reader
    apply_theme(application, settings.theme)  # type: ignore[arg-type]
    window = MainWindow(settings)
    window.resize(1366, 768)
    window.show()
    return window


def open_project(window: MainWindow, folder: Path) -> None:
    """Open a project, in place of the one that is open."""
    before = window.context
    window.open_project(folder)
    wait_until(
        lambda: window.context is not None and window.context is not before, LONGEST_WAIT_SECONDS
    )
    let_run(0.3)


def close(window: MainWindow) -> None:
    """Close it, and wait for its projects, and for its settings, which are written a moment later."""
    window.close()
    wait_until(lambda: window.is_closed, LONGEST_WAIT_SECONDS)
    let_run(0.5)


def show(window: MainWindow, page: int) -> None:
    """Show a page for a moment."""
    window.show_page(page)
    let_run(0.15)


def decide(window: MainWindow, key: Qt.Key) -> None:
    """Decide the chosen pseudo-label by its key."""
    show(window, 2)
    page = window.pages[2]
    assert isinstance(page, PseudoLabelsPage)
    QTest.keyClick(page.gallery, key)
    let_run(0.1)


@contextmanager
def said_by_qt(lines: list[str]) -> Iterator[None]:
    """Keep what Qt says, but for what it says of a platform without a screen."""

    def keep(kind: QtMsgType, _context: object, text: str) -> None:
        if kind is not QtMsgType.QtDebugMsg and not any(each in text for each in _EXPECTED):
            lines.append(text)

    before = qInstallMessageHandler(keep)
    try:
        yield
    finally:
        qInstallMessageHandler(before)
