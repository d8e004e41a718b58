"""F1: the help text of a workspace, and the documents; every page can be searched."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QTextCursor
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QTextBrowser,
    QWidget,
)

from amae_app.palette_entries import help_pages
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_app.workspaces import WORKSPACES
from amae_engine.resources import resource


class HelpWindow(QDialog):
    """The help pages and documents, in a window of their own.

    Args:
        page: Its file in resources, such as "help/results.md".
        topic: Words to go to.
        parent: The window.
    """

    def __init__(self, page: str, topic: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("AMAE help")
        self.setObjectName("helpWindow")
        self.resize(600, 620)
        self.pages = named(ComboBox(), label="Help page")
        for path, title in help_pages().items():
            self.pages.addItem(title, path)
        self.pages.insertSeparator(len(WORKSPACES))
        self.search = named(QLineEdit(), "helpSearch", "Search the help")
        self.search.setPlaceholderText("Search all pages; Return goes on")
        self.browser = named(QTextBrowser(), label="Help text")
        self.browser.setOpenLinks(False)
        self.browser.anchorClicked.connect(self._follow)
        row = row_of(self.pages, (self.search, 1))
        column_of(row, self.browser, into=self)
        self.pages.currentIndexChanged.connect(self._show_page)
        self.search.returnPressed.connect(self.find_next)
        self.pages.setCurrentIndex(max(self.pages.findData(page), 0))
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
            if self.pages.itemData((here + step) % count) is None:
                continue  # the line between help and documents
            self.pages.setCurrentIndex((here + step) % count)
            self.browser.moveCursor(QTextCursor.MoveOperation.Start)
            if self.browser.find(words):
                return

    @Slot()
    def _show_page(self) -> None:
        page = resource(str(self.pages.currentData()))
        text = page.read_text(encoding="utf-8") if page.is_file() else "There is no help page here."
        self.browser.setMarkdown(text)

    @Slot(QUrl)
    def _follow(self, url: QUrl) -> None:
        """Another document is shown here, an address by the browser; a file of a checkout stays shut."""
        found = self.pages.findData(f"docs/{url.fileName()}")
        if found >= 0:
            self.pages.setCurrentIndex(found)
        elif url.scheme() == "https":
            QDesktopServices.openUrl(url)


def show_help(parent: QWidget, page: str, topic: str = "") -> HelpWindow:
    """Open the help at a page, such as "help/results.md" or "docs/method.md"."""
    window = HelpWindow(page, topic, parent)
    window.show()
    return window
