"""Tells of an error: what, where, what to do, and a button that copies it."""

from __future__ import annotations

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
