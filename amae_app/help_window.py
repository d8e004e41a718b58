"""F1: the help text of a workspace; every page of it can be searched."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from amae_app.palette_entries import TITLES
from amae_engine.resources import resource


class HelpWindow(QDialog):
    """The help pages beside the work.

    Args:
        name: The workspace's page, such as "results".
        topic: Words to go to.
        parent: The window.
    """

    def __init__(self, name: str, topic: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("AMAE help")
        self.setObjectName("helpWindow")
        self.resize(600, 620)
        self.pages = QComboBox()
        self.pages.setAccessibleName("Help page")
        for key, title in TITLES.items():
            self.pages.addItem(title, key)
        self.search = QLineEdit()
        self.search.setObjectName("helpSearch")
        self.search.setAccessibleName("Search the help")
        self.search.setPlaceholderText("Search all pages; Return goes on")
        self.browser = QTextBrowser()
        self.browser.setAccessibleName("Help text")
        self.browser.setOpenExternalLinks(True)
        row = QHBoxLayout()
        row.addWidget(self.pages)
        row.addWidget(self.search, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.browser)
        self.pages.currentIndexChanged.connect(self._show_page)
        self.search.returnPressed.connect(self.find_next)
        self.pages.setCurrentIndex(max(self.pages.findData(name), 0))
        self._show_page()
        if topic:
            self.browser.find(topic)

    @Slot()
    def find_next(self) -> None:
        """Go to the next place with the words, on this page or on the next one that has them."""
        words = self.search.text().strip()
        if not words or self.browser.find(words):
            return
        count, here = self.pages.count(), self.pages.currentIndex()
        for step in range(1, count + 1):
            self.pages.setCurrentIndex((here + step) % count)
            self.browser.moveCursor(QTextCursor.MoveOperation.Start)
            if self.browser.find(words):
                return

    @Slot()
    def _show_page(self) -> None:
        page = resource(f"help/{self.pages.currentData()}.md")
        text = page.read_text(encoding="utf-8") if page.is_file() else "There is no help page here."
        self.browser.setMarkdown(text)


def show_help(parent: QWidget, name: str, topic: str = "") -> HelpWindow:
    """Open the help at a page."""
    window = HelpWindow(name, topic, parent)
    window.show()
    return window
