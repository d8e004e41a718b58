"""How a reader finds things: Ctrl+K, F1 and the tour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from amae_app.help_window import show_help
from amae_app.pages import Pages
from amae_app.palette import Entry, Palette
from amae_app.palette_entries import (
    act_entries,
    catalog_entries,
    help_entries,
    page_entries,
)
from amae_app.palette_state import Found, find
from amae_app.settings import Settings
from amae_app.tour import Tour
from amae_app.window_context import WindowContext
from amae_app.workspaces import WORKSPACES


class Finder(QObject):
    """The palette, help and tour.

    Args:
        window: Over which they open.
        pages: What they lead to.
        settings: Remember that the tour was seen.

    Attributes:
        acts: What the window can do, by the words for it.
    """

    def __init__(self, window: QWidget, pages: Pages, settings: Settings) -> None:
        super().__init__(window)
        self._window, self._pages, self._settings = window, pages, settings
        self._context: WindowContext | None = None
        self.acts: dict[str, Callable[[], object]] = {}
        self.palette: Palette | None = None
        self.tour: Tour | None = None
        for keys, slot in (
            (QKeySequence("Ctrl+K"), self.open_palette),
            (QKeySequence(QKeySequence.StandardKey.HelpContents), self.show_help),
        ):
            action = QAction(window)
            action.setShortcut(keys)
            action.triggered.connect(slot)
            window.addAction(action)

    def use(self, context: WindowContext) -> None:
        """Find what a project has."""
        self._context = context

    @Slot()
    def open_palette(self) -> None:
        """Ask what the reader looks for."""
        window, pages = self._window, self._pages
        acts = self.acts | {"Tour": self.start_tour, "Help": self.show_help}
        entries = [Entry("action", text, act) for text, act in acts.items()]
        entries += help_entries(partial(show_help, window))
        if pages.all:
            shown = act_entries(pages.shown) if pages.shown is not None else []
            entries = [*page_entries(pages.show_page), *shown, *entries]
            entries += [entry for page in pages.all for entry in page.palette_entries()]
        self.palette = Palette(entries, window)
        self.palette.more_wanted.connect(self._on_more)
        self.palette.finished.connect(self._on_palette_closed)
        self.palette.open()

    @Slot()
    def show_help(self) -> None:
        """The help of the shown page."""
        show_help(self._window, WORKSPACES[self._pages.number].help_page)

    @Slot()
    def start_tour(self) -> None:
        """A sentence for each workspace of the open project; nothing without one."""
        if not self._pages.all or self.tour is not None:
            return
        self._settings.has_seen_tour = True
        self.tour = Tour(self._window, self._pages.show_page)
        self.tour.ended.connect(self._on_tour_ended)

    @Slot(str)
    def _on_more(self, text: str) -> None:
        context = self._context
        if context is None or not self._pages.all:
            return
        show_run = context.navigator.run_wanted.emit

        def show(found: Found) -> None:
            if self.palette is not None:
                self.palette.add(catalog_entries(found, show_run, self._show_image))

        context.runner.run("palette", context.call(find, text), show)

    def _show_image(self, name: str) -> None:
        self._pages.go_to("studies", f"name:{name}")

    @Slot()
    def _on_palette_closed(self) -> None:
        self.palette = None

    @Slot()
    def _on_tour_ended(self) -> None:
        self.tour = None
        self._pages.focus()
