"""The top bar: project, device, theme, reader."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QMenu, QPushButton, QWidget

from amae_app.settings import Settings
from amae_app.theme import ThemeName
from amae_app.widgets.building import fill, named, row_of
from amae_engine.catalog.audit import LONGEST_READER
from amae_engine.jobs.planning.machine import cpu_text

_SECONDS_BETWEEN_READINGS = 5


class TopBar(QFrame):
    """Project menu, free memory, theme and the reader's name."""

    demo_wanted = Signal()
    new_wanted = Signal()
    open_wanted = Signal()
    help_wanted = Signal()
    tour_wanted = Signal()
    palette_wanted = Signal()
    recent_wanted = Signal(object)
    theme_chosen = Signal(str)
    reader_given = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setProperty("bar", True)
        name = QLabel("AMAE")
        name.setStyleSheet("font-weight: 700; font-size: 12pt;")
        self.project_button = named(
            QPushButton("No project"), "projectButton", tip="Open or make a project"
        )
        self.project_button.setMenu(self._project_menu())
        self.device = named(
            QLabel(), "deviceLabel", tip="Where training runs, and the memory that is free"
        )
        self.reader = named(
            _ReaderEdit(settings.reader),
            "readerEdit",
            "Reader's name or initials",
            "Your name or initials; every decision is signed with it",
        )
        self.reader.setPlaceholderText("your initials")
        self.reader.setMaximumWidth(110)
        self.reader.setMaxLength(LONGEST_READER)
        self.reader.textChanged.connect(self._on_reader)
        self.reader.given.connect(self.reader_given)
        look = named(
            QPushButton("View"), "viewButton", tip="Theme, tour, help; Ctrl+K finds everything"
        )
        look.setMenu(self._view_menu())
        layout = row_of(
            name, self.project_button, 0, self.device, into=self, margins=(12, 6, 12, 6)
        )
        layout.addSpacing(12)
        fill(layout, look, QLabel("Reader"), self.reader)
        timer = QTimer(self)
        timer.timeout.connect(self._show_device)
        timer.start(1000 * _SECONDS_BETWEEN_READINGS)
        self._show_device()

    def show_project(self, name: str) -> None:
        """Name the open project."""
        self.project_button.setText(name)

    def _project_menu(self) -> QMenu:
        menu = QMenu(self)
        for text, signal in (
            ("Demo project", self.demo_wanted),
            ("New project…", self.new_wanted),
            ("Open project…", self.open_wanted),
        ):
            menu.addAction(text).triggered.connect(signal)
        self._recent = menu.addMenu("Recent projects")
        menu.aboutToShow.connect(self._fill_recent)
        return menu

    @Slot()
    def _fill_recent(self) -> None:
        self._recent.clear()
        folders = self._settings.recent_projects
        self._recent.setEnabled(bool(folders))
        for folder in folders:
            act = partial(self.recent_wanted.emit, folder)
            self._recent.addAction(f"{folder.name}  ({folder.parent})", act)

    def _view_menu(self) -> QMenu:
        menu = QMenu(self)
        for theme in ThemeName:
            action = menu.addAction(f"{theme.capitalize()} theme")
            action.setData(str(theme))
            action.triggered.connect(self._on_theme)
        menu.addSeparator()
        for text, signal in (
            ("Find anything (Ctrl+K)", self.palette_wanted),
            ("Tour", self.tour_wanted),
            ("Help for this workspace (F1)", self.help_wanted),
        ):
            menu.addAction(text).triggered.connect(signal)
        return menu

    @Slot()
    def _on_theme(self) -> None:
        sender = self.sender()
        if isinstance(sender, QAction):
            self.theme_chosen.emit(str(sender.data()))

    @Slot(str)
    def _on_reader(self, name: str) -> None:
        self._settings.reader = name.strip()

    @Slot()
    def _show_device(self) -> None:
        self.device.setText(device_text())


class _ReaderEdit(QLineEdit):
    """The reader's name: Return takes it, Esc takes back what was typed; both leave the field.

    Signals:
        given(): the field is left.
    """

    given = Signal()

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._before = name

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Remember the name that Esc brings back."""
        self._before = self.text()
        super().focusInEvent(event)

    def event(self, event: QEvent) -> bool:
        """Keep Esc from being the page's key while the field has the focus."""
        is_override = event.type() is QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave the field by Return and Esc: the next letters are the page's keys."""
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._before)
        elif event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
            return
        self.clearFocus()
        self.given.emit()


def device_text() -> str:
    """The device and its free memory, without loading torch."""
    return "CUDA GPU" if Path("/proc/driver/nvidia/version").exists() else cpu_text()
