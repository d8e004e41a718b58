"""The open project's pages: which is shown, and which have to read again."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from amae_app.rail import Rail
from amae_app.settings import Settings
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_app.workspaces import WORKSPACES, number_of
from amae_engine.events import Changed

EVERYTHING = Changed.IMAGES | Changed.DECISIONS | Changed.RUNS | Changed.SCORES | Changed.SETTINGS


class Pages(QObject):
    """Shows one at a time; a visible one reads at once, a hidden one when it is shown.

    Args:
        start: What is shown without a project.
        settings: Remembers which page is shown, and how each is left.
    """

    def __init__(self, start: QWidget, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rail, self.stack = Rail(), QStackedWidget()
        self.stack.addWidget(start)
        self.all: list[Workspace] = []
        self._settings = settings
        self._stale: list[Changed] = []
        self.rail.chosen.connect(self.show_page)
        self.rail.setVisible(False)

    @property
    def shown(self) -> QWidget | None:
        """The visible page, or the start page."""
        return self.stack.currentWidget()

    @property
    def number(self) -> int:
        """The place of the visible page; 0 without a project."""
        return next((n for n, page in enumerate(self.all) if page is self.shown), 0)

    def use(self, context: WindowContext, pages: Sequence[Workspace]) -> None:
        """Show a project's pages as they were left."""
        navigator = context.navigator
        navigator.page_wanted.connect(self.go_to)
        navigator.image_wanted.connect(self.return_to)
        context.announcer.announced.connect(self.note)
        left = self._settings.view_of(context.project.folder)
        for page in pages:
            page.badge_changed.connect(self._show_badges)
            self.all.append(page)
            self._stale.append(EVERYTHING)
            self.stack.addWidget(page)
        self._show_badges()
        for page in self.all:
            page.restore_view(left)
        self.rail.setVisible(True)
        self.go_to(self._settings.workspace)
        # the counts of hidden pages follow once the window stands
        QTimer.singleShot(0, self.refresh_all)

    def clear(self, context: WindowContext) -> None:
        """Remember how a project's pages are left, and show them no more."""
        view = {name: text for page in self.all for name, text in page.view().items()}
        self._settings.set_view_of(context.project.folder, view)
        for page in self.all:
            self.stack.removeWidget(page)
            page.deleteLater()
        self.all, self._stale = [], []

    @Slot(int)
    def show_page(self, number: int) -> None:
        """Show a workspace by its place, and bring it up to date."""
        if not self.all:
            return
        self.stack.setCurrentWidget(self.all[number])
        self.rail.select(number)
        self.all[number].setFocus()
        self._settings.workspace = WORKSPACES[number].name
        self._refresh(number)

    @Slot(str)
    def go_to(self, name: str, part: str = "") -> None:
        """Show a workspace by its name.

        Args:
            name: Of the workspace.
            part: Of its page, to go to.
        """
        if self.all and part:
            self.all[number_of(name)].show_part(part)
        self.show_page(number_of(name))

    @Slot(str, int)
    def return_to(self, name: str, image_id: int) -> None:
        """Show an image where its act was done: the act is not saved, or undone."""
        if name and self.all:
            self.go_to(name)
            if image_id:
                self.all[number_of(name)].return_to(image_id)

    @Slot()
    def focus(self) -> None:
        """Give the keys to the visible page."""
        if self.shown is not None:
            self.shown.setFocus()

    @Slot(object)
    def note(self, changed: Changed) -> None:
        """Rows changed: the visible page reads them."""
        self._stale = [before | changed for before in self._stale]
        if self.all:
            self._refresh(self.number)

    @Slot()
    def refresh_all(self) -> None:
        """Let hidden pages read too."""
        for number in range(len(self.all)):
            self._refresh(number)

    def _refresh(self, number: int) -> None:
        page = self.all[number]
        later = Changed.NONE if page is self.shown else page.waits_for
        changed, self._stale[number] = self._stale[number] & ~later, self._stale[number] & later
        if changed:
            page.refresh(changed)

    @Slot()
    def _show_badges(self) -> None:
        for number, page in enumerate(self.all):
            self.rail.set_count(number, page.badge_text())
