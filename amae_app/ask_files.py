"""Dialogs for files and folders: they begin in the user's documents, then where the last one ended."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from amae_app.widgets.building import fill, row_of

_last: list[Path] = []


def ask_folder(parent: QWidget, title: str) -> str:
    """A folder; "" where the reader cancels."""
    return _kept(QFileDialog.getExistingDirectory(parent, title, str(_start())))


def ask_file(parent: QWidget, title: str, kinds: str = "") -> str:
    """A file that is there."""
    return _kept(QFileDialog.getOpenFileName(parent, title, str(_start()), kinds)[0])


def ask_files(parent: QWidget, title: str) -> list[str]:
    """Files that are there."""
    found = QFileDialog.getOpenFileNames(parent, title, str(_start()))[0]
    for name in found[:1]:
        _kept(name)
    return found


def ask_target(parent: QWidget, title: str, name: str, kinds: str) -> str:
    """A file to write."""
    return _kept(QFileDialog.getSaveFileName(parent, title, str(_start() / name), kinds)[0])


def path_row(edit: QLineEdit, title: str, is_folder: bool = False) -> QWidget:
    """An entry for a path with a button that asks for it."""
    row = QWidget()
    layout = row_of(into=row, margins=0)
    button = QPushButton("Folder…" if is_folder else "File…")

    def pick() -> None:
        chosen = ask_folder(row, title) if is_folder else ask_file(row, title)
        if chosen:
            edit.setText(chosen)

    button.clicked.connect(pick)
    fill(layout, (edit, 1), button)
    return row


def _start() -> Path:
    if _last and _last[0].is_dir():
        return _last[0]
    places = QStandardPaths.standardLocations(QStandardPaths.StandardLocation.DocumentsLocation)
    return next((Path(place) for place in places if Path(place).is_dir()), Path.home())


def _kept(name: str) -> str:
    if name:
        path = Path(name)
        _last[:] = [path if path.is_dir() else path.parent]
    return name
