"""Boxes over the window: tell of an error (what, where, what to do), ask before an act."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget


def show_error(parent: QWidget, message: str) -> QMessageBox:
    """Open the box without stopping the window."""
    box = QMessageBox(QMessageBox.Icon.Warning, "AMAE", message, parent=parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    copy = box.addButton("Copy details", QMessageBox.ButtonRole.ActionRole)
    copy.setObjectName("copyDetailsButton")
    copy.clicked.disconnect()  # the box stays open
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(message))
    box.addButton(QMessageBox.StandardButton.Ok)
    box.open()
    return box


def ask(parent: QWidget, name: str, text: str, yes: str, act: Callable[[], object]) -> QMessageBox:
    """Ask once before an act, without stopping the window; Cancel is the default.

    Args:
        parent: Over which it opens.
        name: Its object name.
        text: What the act does.
        yes: The word for doing it.
        act: Done then.
    """
    box = QMessageBox(QMessageBox.Icon.Question, "AMAE", text, parent=parent)
    box.setObjectName(name)
    button = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    button.setObjectName(f"{name}Yes")
    button.clicked.connect(act)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box
