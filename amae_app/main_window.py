"""The one window: top bar, rail, workspaces, bottom bar."""

from __future__ import annotations

from pathlib import Path

from pyqtgraph.util.garbage_collector import GarbageCollector
from PySide6.QtCore import QSize, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QMainWindow,
    QStackedWidget,
    QWidget,
)

from amae_app.closing import ask_about_jobs, hand_over_to_worker
from amae_app.error_box import show_error
from amae_app.finder import Finder
from amae_app.following import Following
from amae_app.job_bar import JobBar
from amae_app.job_queue import JobQueue, QueuedJob
from amae_app.notify import notify_desktop
from amae_app.page_builder import PageBuilder
from amae_app.project_opener import ProjectOpener
from amae_app.queue_dialog import QueueDialog
from amae_app.queue_forecast import QueueForecast
from amae_app.rail import Rail
from amae_app.screens import OnScreen
from amae_app.settings import Settings
from amae_app.start_page import StartPage
from amae_app.theme import ThemeName, apply_theme
from amae_app.top_bar import TopBar
from amae_app.undoing import Undoing
from amae_app.unsaved_acts import UnsavedActs
from amae_app.widgets.building import column_of, row_of
from amae_app.widgets.page_keys import keep_focus, let_return_press
from amae_app.window_context import OpenedProject, WindowContext
from amae_app.words import reading_only
from amae_app.workspace import Workspace
from amae_app.workspaces import WORKSPACES, number_of
from amae_engine.events import Changed, Changes, Event
from amae_engine.jobs.importing.demo import import_demo, is_whole
from amae_engine.jobs.planning.hand_over import HandedJob
from amae_engine.project import Project

_EVERYTHING = Changed.IMAGES | Changed.DECISIONS | Changed.RUNS | Changed.SCORES | Changed.SETTINGS
_NARROW_BELOW = 1200  # logical pixels of the window
_LEAST = QSize(1024, 640)  # of the window, where the screen has that much


class MainWindow(QMainWindow):
    """Holds the open project's pages and announces changes to them.

    Args:
        settings: What is remembered between starts.

    Signals:
        project_shown(): a project's pages stand.
    """

    project_shown = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self._collector = GarbageCollector()  # Qt's objects die in this thread, not in a worker's
        self.queue = JobQueue(self)
        self.context: WindowContext | None = None
        self._pages: list[Workspace] = []
        self._stale: list[Changed] = []
        self._unsaved = UnsavedActs(self)
        self.opener = ProjectOpener(self.queue, self)
        self._builder = PageBuilder(self.opener.close, self)
        self.setWindowTitle("AMAE")
        self.rail = Rail()
        self.rail.chosen.connect(self.show_page)
        self.top_bar = TopBar(settings)
        self.job_bar = JobBar(self.queue)
        self.stack = QStackedWidget()
        self.start_page = StartPage(settings.recent_projects)
        self.stack.addWidget(self.start_page)
        self.finder = Finder(self)
        self.asks_at_close = False  # nobody answers a test
        self._lay_out()
        self._connect()
        for bar in (self.rail, self.top_bar, self.job_bar, self.start_page):
            keep_focus(bar)
        let_return_press()
        self.rail.setVisible(False)
        if settings.geometry is None or not self.restoreGeometry(settings.geometry):
            self.resize(1366, 768)
        OnScreen(self, _LEAST)

    def open_project(self, folder: Path) -> None:
        """Open a project folder; a failure is reported and the window stays as it was."""
        self.opener.open(folder)

    def new_project(self, folder: Path) -> None:
        """Make a project in an empty folder and open it."""
        self.opener.make(folder)

    def open_demo(self, folder: Path | None = None) -> None:
        """Open the demo project, importing its images first where it is new."""
        self.opener.open_demo(folder)

    @Slot(object, bool)
    def _on_opened(self, opened: OpenedProject, is_demo: bool) -> None:
        context = WindowContext(opened, self.settings, self.queue, self)
        context.noticed.connect(self.job_bar.show_notice)
        Undoing(context).image_wanted.connect(self._return_to)
        Following(context)
        self._unsaved.follow(context.acts)
        self._builder.build(context, is_demo)

    @Slot(object, object, bool)
    def _on_built(self, context: WindowContext, pages: list[Workspace], is_demo: bool) -> None:
        self._use(context, pages)
        if is_demo:
            self._finish_demo(context)

    def _finish_demo(self, context: WindowContext) -> None:
        """Go on with an import of the demo images that was cut short."""
        project = context.project

        def answer(whole: bool) -> None:
            if not whole:
                context.queue.add(("Importing the demo images", lambda: import_demo(project)))

        context.background("demo", lambda: is_whole(project), answer)

    @Slot(int)
    def show_page(self, number: int) -> None:
        """Show a workspace by its place, and bring it up to date."""
        if not self._pages:
            return
        self.stack.setCurrentWidget(self._pages[number])
        self.rail.select(number)
        self._pages[number].setFocus()
        self.settings.workspace = WORKSPACES[number].name
        self._refresh(number)

    @Slot()
    def _focus_page(self) -> None:
        if self._pages and (page := self.stack.currentWidget()) is not None:
            page.setFocus()

    @property
    def pages(self) -> list[Workspace]:
        """The open project's pages; none without one."""
        return self._pages

    def show_image(self, name: str) -> None:
        """Show an image in Studies."""
        number = number_of("studies")
        self._pages[number].show_part(f"name:{name}")
        self.show_page(number)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A small window leaves its room to the pages."""
        self.rail.set_narrow(self.width() < _NARROW_BELOW)
        super().resizeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout, end or hand over the running job, close the project."""
        for page in self._pages:
            page.flush()
        if self._unsaved.is_any:  # closing follows once the catalog has them
            self._unsaved.show(then=self.close)
            event.ignore()
            return
        handed = self._asked_at_close()
        if handed is None:
            event.ignore()
            return
        self.settings.geometry = self.saveGeometry()
        self.queue.shut_down()
        problem = hand_over_to_worker(self.context.project, handed) if self.context else ""
        if problem:
            event.ignore()
            self._tell(problem)
            return
        self.hide()  # what the project still computes may take a while
        self._builder.drop()
        self._close_project()
        self.opener.finish()
        super().closeEvent(event)

    @Slot(str, int)
    def _return_to(self, page_name: str, image_id: int) -> None:
        """Show an image where its act was done: the act is not saved, or undone."""
        if page_name and self._pages:
            number = number_of(page_name)
            self.show_page(number)
            if image_id:
                self._pages[number].return_to(image_id)

    def _asked_at_close(self) -> list[HandedJob] | None:
        """Jobs that go on without the window; None where the reader stays."""
        if not (self.asks_at_close and self.queue.running and self.context is not None):
            return []
        return ask_about_jobs(self, self.queue, self.context.project)

    def _lay_out(self) -> None:
        middle = row_of(self.rail, (self.stack, 1), spacing=0)
        whole = column_of(self.top_bar, (middle, 1), self.job_bar, margins=0, spacing=0)
        central = QWidget()
        central.setLayout(whole)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        self.start_page.demo_wanted.connect(self.open_demo)
        self.start_page.new_wanted.connect(self.opener.ask_new)
        self.start_page.open_wanted.connect(self.opener.ask_open)
        self.top_bar.demo_wanted.connect(self.open_demo)
        self.top_bar.new_wanted.connect(self.opener.ask_new)
        self.top_bar.open_wanted.connect(self.opener.ask_open)
        self.top_bar.theme_chosen.connect(self._set_theme)
        self.top_bar.reader_given.connect(self._focus_page)
        self.top_bar.help_wanted.connect(self.finder.show_help)
        self.top_bar.tour_wanted.connect(self.finder.start_tour)
        self.top_bar.palette_wanted.connect(self.finder.open_palette)
        for source in (self.top_bar, self.start_page):
            source.recent_wanted.connect(self.open_project)
        self.opener.began.connect(lambda name: self.job_bar.show_notice(f"Opening {name}…"))
        self.opener.opened.connect(self._on_opened)
        self._builder.built.connect(self._on_built)
        self.opener.failed.connect(self._tell)
        self.job_bar.queue_wanted.connect(self.show_queue)
        self.job_bar.unsaved_wanted.connect(self._unsaved.show)
        self._unsaved.returned.connect(self._return_to)
        self._unsaved.count_changed.connect(self.job_bar.show_unsaved)
        self.queue.event_came.connect(self._on_event)
        self.queue.ended.connect(self._on_ended)
        for number in range(len(WORKSPACES)):
            action = QAction(self)
            action.setShortcut(QKeySequence(f"Ctrl+{number + 1}"))
            action.triggered.connect(lambda _=False, page=number: self.show_page(page))
            self.addAction(action)

    def _use(self, context: WindowContext, pages: list[Workspace]) -> None:
        self._close_project()
        project = context.project
        self.context = context
        context.announced.connect(self._on_changed)
        context.page_wanted.connect(self._on_page_wanted)
        QueueForecast(self.queue, context).reported.connect(self.job_bar.show_forecast)
        for number, page in enumerate(pages):
            page.badge_changed.connect(self._on_badge)
            self._pages.append(page)
            self._stale.append(_EVERYTHING)
            self.stack.addWidget(page)
            self.rail.set_count(number, "")
        left = self.settings.view_of(project.folder)
        for page in self._pages:
            page.restore_view(left)
        self.rail.setVisible(True)
        self.top_bar.show_project(project.name)
        why = project.only_reading
        self.job_bar.show_idle(reading_only(why) if why else "")
        self.setWindowTitle(f"{project.name} · AMAE")
        self.settings.remember_project(project.folder)
        self.show_page(number_of(self.settings.workspace))
        self.project_shown.emit()
        # the counts of hidden pages follow once the window stands
        QTimer.singleShot(0, self._refresh_all)

    def _close_project(self) -> None:
        self.job_bar.clear_notice()  # it belongs to what is closed
        if self.context is not None:
            view = {name: text for page in self._pages for name, text in page.view().items()}
            self.settings.set_view_of(self.context.project.folder, view)
        for page in self._pages:
            self.stack.removeWidget(page)
            page.deleteLater()
        self._pages, self._stale = [], []
        if self.context is not None:
            self.opener.close(self.context)
            self.context = None

    def _refresh(self, number: int) -> None:
        page = self._pages[number]
        later = Changed.NONE if page is self.stack.currentWidget() else page.waits_for
        changed, self._stale[number] = self._stale[number] & ~later, self._stale[number] & later
        if changed:
            page.refresh(changed)

    @Slot()
    def _refresh_all(self) -> None:
        for number in range(len(self._pages)):
            self._refresh(number)

    @Slot(object)
    def _on_changed(self, changed: Changed) -> None:
        for number, page in enumerate(self._pages):
            self._stale[number] |= changed
            if page is self.stack.currentWidget():
                self._refresh(number)
        if not self.queue.running:
            self._refresh_all()

    @Slot()
    def _on_badge(self) -> None:
        for number, page in enumerate(self._pages):
            self.rail.set_count(number, page.badge_text())

    @Slot(object, object)
    def _on_event(self, job: QueuedJob, event: Event) -> None:
        if isinstance(event, Changes) and self.context is not None and self._is_open(job):
            self.context.announce(event.changed)

    def _is_open(self, job: QueuedJob) -> bool:
        return self.context is not None and job.owner.folder == self.context.project.folder

    @Slot(object, object, str)
    def _on_ended(self, job: QueuedJob, result: object, message: str) -> None:
        if isinstance(result, Project):
            made = result
            self.opener.get(made.name, lambda: made)
            return
        if not self.queue.waiting:
            notify_desktop(self, "AMAE", message or f"{job.title} is done.")
        if message and message != "cancelled":
            name = f"{job.owner.name}, " if not self._is_open(job) and job.owner.name else ""
            self._tell(f"{name}{job.title}: {message}")
        self._refresh_all()

    @Slot(str)
    def _on_page_wanted(self, name: str) -> None:
        self.show_page(number_of(name))

    @Slot(str)
    def _set_theme(self, name: str) -> None:
        self.settings.theme = ThemeName(name)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, ThemeName(name))
        self._on_changed(_EVERYTHING)  # texts in colours are written anew

    @Slot()
    def show_queue(self) -> None:
        """What runs and what waits."""
        dialog = QueueDialog(self.queue, self)
        dialog.stored_wanted.connect(self.finder.show_stored_queue)
        dialog.show()

    def _tell(self, message: str) -> None:
        self.job_bar.show_notice(message)
        show_error(self, message)
