"""F1: the help text of a workspace."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget

from amae_engine.resources import resource


def show_help(parent: QWidget, name: str) -> QDialog:
    """Open the help page `resources/help/<name>.md` beside the work."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("AMAE help")
    dialog.setObjectName("helpWindow")
    dialog.resize(560, 620)
    browser = QTextBrowser()
    browser.setOpenExternalLinks(True)
    page = resource(f"help/{name}.md")
    text = page.read_text(encoding="utf-8") if page.is_file() else "There is no help page here."
    browser.setMarkdown(text)
    QVBoxLayout(dialog).addWidget(browser)
    dialog.show()
    return dialog
