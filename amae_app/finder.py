"""How a reader finds things: Ctrl+K, F1 and the tour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QKeySequence

from amae_app.help_window import show_help
from amae_app.palette import Entry, Palette
from amae_app.palette_entries import (
    act_entries,
    catalog_entries,
    help_entries,
    page_entries,
)
from amae_app.theme import ThemeName
from amae_app.tour import Tour
from amae_app.workspaces import WORKSPACES, number_of

if TYPE_CHECKING:
    from amae_app.main_window import MainWindow


class Finder(QObject):
    """The window's palette, help and tour.

    Args:
        window: The one window.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
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

    @Slot()
    def open_palette(self) -> None:
        """Ask what the reader looks for."""
        window, pages = self._window, self._window.pages
        entries = [Entry("action", text, act) for text, act in self._window_acts()]
        entries += help_entries(partial(show_help, window))
        if pages:
            shown = window.stack.currentWidget()
            acts = act_entries(shown) if shown is not None else []
            entries = [*page_entries(window.show_page), *acts, *entries]
            entries += [entry for page in pages for entry in page.palette_entries()]
        self.palette = Palette(entries, window)
        self.palette.more_wanted.connect(self._on_more)
        self.palette.finished.connect(self._on_palette_closed)
        self.palette.open()

    @Slot()
    def show_help(self) -> None:
        """The help of the shown page."""
        window = self._window
        shown = window.stack.currentWidget()
        number = window.pages.index(shown) if shown in window.pages else 0
        show_help(window, WORKSPACES[number].help_page)

    @Slot()
    def start_tour(self) -> None:
        """A sentence for each workspace of the open project; nothing without one."""
        if not self._window.pages or self.tour is not None:
            return
        self._window.settings.has_seen_tour = True
        self.tour = Tour(self._window, self._window.show_page)
        self.tour.ended.connect(self._on_tour_ended)

    def _window_acts(self) -> list[tuple[str, Callable[[], object]]]:
        window = self._window
        choose = window.top_bar.theme_chosen.emit
        return [
            ("Demo project", window.open_demo),
            ("New project…", window.opener.ask_new),
            ("Open project…", window.opener.ask_open),
            ("Queue", window.show_queue),
            ("Tour", self.start_tour),
            ("Help", self.show_help),
            *((f"{name.capitalize()} theme", partial(choose, str(name))) for name in ThemeName),
        ]

    @Slot()
    def show_stored_queue(self) -> None:
        """Compare's experiments, with the stored queue."""
        if self._window.pages:
            number = number_of("compare")
            self._window.show_page(number)
            self._window.pages[number].show_part("experiments")

    @Slot(str)
    def _on_more(self, text: str) -> None:
        context = self._window.context
        if context is None:
            return
        project = context.project

        def show(found: list[Entry]) -> None:
            if self.palette is not None:
                self.palette.add(found)

        context.background(
            "palette",
            lambda: catalog_entries(
                project, text, context.run_wanted.emit, self._window.show_image
            ),
            show,
        )

    @Slot()
    def _on_palette_closed(self) -> None:
        self.palette = None

    @Slot()
    def _on_tour_ended(self) -> None:
        self.tour = None
        page = self._window.stack.currentWidget()
        if page is not None:
            page.setFocus()
