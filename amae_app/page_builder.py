"""Builds a project's pages, one an event: between two of them the window still answers."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from amae_app.widgets.page_keys import keep_focus
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_app.workspaces import WORKSPACES


class PageBuilder(QObject):
    """Of several projects only the newest one's pages are built.

    Args:
        close: Closes a project that is not shown after all.
        parent: The window.

    Signals:
        built(context, pages, is_demo): a `WindowContext` and its `Workspace`s, in their order.
    """

    built = Signal(object, object, bool)

    def __init__(self, close: Callable[[WindowContext], None], parent: QObject) -> None:
        super().__init__(parent)
        self._close = close
        self._context: WindowContext | None = None
        self._pages: list[Workspace] = []
        self._is_demo = False
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.timeout.connect(self._build_next)

    def build(self, context: WindowContext, is_demo: bool) -> None:
        """Begin with a project, in place of one whose pages are not built yet."""
        self.drop()
        self._context, self._is_demo = context, is_demo
        self._next.start(0)

    def drop(self) -> None:
        """Close the project whose pages are not built yet."""
        self._next.stop()
        context, pages = self._take()
        for page in pages:
            page.deleteLater()
        if context is not None:
            self._close(context)

    @Slot()
    def _build_next(self) -> None:
        if self._context is None:
            return
        page = WORKSPACES[len(self._pages)].page(self._context)
        keep_focus(page)
        self._pages.append(page)
        if len(self._pages) < len(WORKSPACES):
            self._next.start(0)
        else:
            self.built.emit(*self._take(), self._is_demo)

    def _take(self) -> tuple[WindowContext | None, list[Workspace]]:
        found = self._context, self._pages
        self._context, self._pages = None, []
        return found
