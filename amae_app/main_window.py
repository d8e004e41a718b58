"""The one window: top bar, rail, workspaces, bottom bar."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path

from pyqtgraph.util.garbage_collector import GarbageCollector
from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QWidget

from amae_app.closing import ask_about_jobs
from amae_app.finder import Finder
from amae_app.following import Following
from amae_app.job_bar import JobBar
from amae_app.message_boxes import show_error
from amae_app.notify import notify_desktop
from amae_app.page_builder import PageBuilder
from amae_app.pages import EVERYTHING, Pages
from amae_app.project_opener import ProjectOpener
from amae_app.project_queue import ProjectQueue
from amae_app.queue_dialog import QueueDialog
from amae_app.queue_state import RunningJob
from amae_app.queues import Queues
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
from amae_app.workspaces import WORKSPACES
from amae_engine.events import Changes, Event
from amae_engine.jobs.importing.demo import import_demo, is_whole

_NARROW_BELOW = 1200  # logical pixels of the window
_LEAST = QSize(1024, 640)  # of the window, where the screen has that much


class MainWindow(QMainWindow):
    """Puts the parts together, and opens and closes projects.

    Args:
        settings: What is remembered between starts.

    Signals:
        project_shown(): a project's pages stand.
        closed(): the window is closed, and nothing of its projects is at work any more.
    """

    project_shown = Signal()
    closed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self._collector = GarbageCollector()  # Qt's objects die in this thread, not in a worker's
        self.queue = Queues(self)
        self.context: WindowContext | None = None
        self._unsaved = UnsavedActs(self)
        self.opener = ProjectOpener(self)
        self._builder = PageBuilder(self.opener.close, self)
        self.setWindowTitle("AMAE")
        self.start_page = StartPage(settings.recent_projects)
        self.workspaces = Pages(self.start_page, settings, self)
        self.rail, self.stack = self.workspaces.rail, self.workspaces.stack
        self.show_page = self.workspaces.show_page
        self.top_bar = TopBar(settings)
        self.job_bar = JobBar(self.queue)
        self.finder = Finder(self, self.workspaces, settings)
        self.asks_at_close = False  # nobody answers a test
        self.is_closed = self._is_closing = False
        self._lay_out()
        self._connect()
        for bar in (self.rail, self.top_bar, self.job_bar, self.start_page):
            keep_focus(bar)
        let_return_press()
        if settings.geometry is None or not self.restoreGeometry(settings.geometry):
            self.resize(1366, 768)
        OnScreen(self, _LEAST)

    @property
    def pages(self) -> list[Workspace]:
        """The open project's pages; none without one."""
        return self.workspaces.all

    def open_project(self, folder: Path) -> None:
        """Open a project folder; a failure is reported and the window stays as it was."""
        self.opener.open(folder)

    def new_project(self, folder: Path) -> None:
        """Make a project in an empty folder and open it."""
        self.opener.make(folder)

    def open_demo(self, folder: Path | None = None) -> None:
        """Open the demo project, importing its images first where it is new."""
        self.opener.open_demo(folder)

    @Slot()
    def show_queue(self) -> None:
        """What runs and what waits."""
        dialog = QueueDialog(self.queue, self)
        dialog.stored_wanted.connect(partial(self.workspaces.go_to, "compare", "experiments"))
        dialog.show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A small window leaves its room to the pages."""
        self.rail.set_narrow(self.width() < _NARROW_BELOW)
        super().resizeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember the layout; end or hand over what runs, and close the project, out of sight."""
        if self._is_closing:
            super().closeEvent(event)
            return
        for page in self.pages:
            page.flush()
        if self._unsaved.is_any:  # closing follows once the catalog has them
            self._unsaved.show(then=self.close)
            event.ignore()
            return
        goes_on = ask_about_jobs(self, self.queue) if self.asks_at_close else False
        if goes_on is None:
            event.ignore()
            return
        self._is_closing = True
        self.settings.geometry = self.saveGeometry()
        super().closeEvent(event)
        self._builder.drop()
        self._close_project()
        self.queue.closed.connect(self.opener.finish)
        self.opener.finished.connect(self._on_finished)
        self.queue.close_all(goes_on)

    def _lay_out(self) -> None:
        middle = row_of(self.rail, (self.stack, 1), spacing=0)
        whole = column_of(self.top_bar, (middle, 1), self.job_bar, margins=0, spacing=0)
        central = QWidget()
        central.setLayout(whole)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        opener, finder, bar = self.opener, self.finder, self.job_bar
        for source in (self.top_bar, self.start_page):
            source.demo_wanted.connect(self.open_demo)
            source.new_wanted.connect(opener.ask_new)
            source.open_wanted.connect(opener.ask_open)
            source.recent_wanted.connect(self.open_project)
        self.top_bar.theme_chosen.connect(self._set_theme)
        self.top_bar.reader_given.connect(self.workspaces.focus)
        self.top_bar.help_wanted.connect(finder.show_help)
        self.top_bar.tour_wanted.connect(finder.start_tour)
        self.top_bar.palette_wanted.connect(finder.open_palette)
        finder.acts = {
            "Demo project": self.open_demo,
            "New project…": opener.ask_new,
            "Open project…": opener.ask_open,
            "Queue": self.show_queue,
            **{
                f"{name.capitalize()} theme": partial(self._set_theme, str(name))
                for name in ThemeName
            },
        }
        opener.began.connect(lambda name: bar.show_notice(f"Opening {name}…"))
        opener.opened.connect(self._on_opened)
        opener.failed.connect(self._tell)
        self._builder.built.connect(self._on_built)
        bar.queue_wanted.connect(self.show_queue)
        bar.unsaved_wanted.connect(self._unsaved.show)
        self._unsaved.returned.connect(self.workspaces.return_to)
        self._unsaved.count_changed.connect(bar.show_unsaved)
        self.queue.event_came.connect(self._on_event)
        self.queue.ended.connect(self._on_ended)
        self.queue.refused.connect(bar.warn)
        for number in range(len(WORKSPACES)):
            action = QAction(self)
            action.setShortcut(QKeySequence(f"Ctrl+{number + 1}"))
            action.triggered.connect(lambda _=False, page=number: self.show_page(page))
            self.addAction(action)

    @Slot(object, bool)
    def _on_opened(self, opened: OpenedProject, is_demo: bool) -> None:
        context = WindowContext(opened, self.settings, self.queue.open(opened.project), self)
        context.announcer.noticed.connect(self.job_bar.show_notice)
        Undoing(context)
        Following(context)
        self._unsaved.follow(context.acts)
        self._builder.build(context, is_demo)

    @Slot(object, object, bool)
    def _on_built(self, context: WindowContext, pages: list[Workspace], is_demo: bool) -> None:
        self._close_project()
        project = context.project
        self.context = context
        self.workspaces.use(context, pages)
        context.announcer.announced.connect(self._on_announced)
        self.finder.use(context)
        self.top_bar.show_project(project.name)
        why = project.only_reading
        self.job_bar.show_idle(reading_only(why) if why else "")
        self.setWindowTitle(f"{project.name} · AMAE")
        self.settings.remember_project(project.folder)
        self.project_shown.emit()
        if is_demo:
            self._finish_demo(context)

    def _finish_demo(self, context: WindowContext) -> None:
        """Import the demo images, or those that an import which was cut short left out."""
        project = context.project

        def import_images() -> Generator[Event, None, None]:
            yield from import_demo(project)  # its report is nothing that the reader asked for

        def answer(whole: bool) -> None:
            if not whole:
                context.queue.do("Importing the demo images", import_images)

        context.runner.run("demo", lambda: is_whole(project), answer)

    def _close_project(self) -> None:
        self.job_bar.clear_notice()  # it belongs to what is closed
        if self.context is not None:
            self.workspaces.clear(self.context)
            self.opener.close(self.context)
            self.context = None

    @Slot()
    def _on_announced(self) -> None:
        if not self.queue.running:  # hidden pages leave the machine to what runs
            self.workspaces.refresh_all()

    @Slot(object, object)
    def _on_event(self, queue: ProjectQueue, event: Event) -> None:
        if isinstance(event, Changes) and self._is_open(queue) and self.context is not None:
            self.context.announcer.announce(event.changed)

    def _is_open(self, queue: ProjectQueue) -> bool:
        return self.context is not None and self.context.queue is queue

    @Slot(object, object, object, str)
    def _on_ended(
        self, queue: ProjectQueue, job: RunningJob, _result: object, message: str
    ) -> None:
        if not queue.waiting:
            notify_desktop(self, "AMAE", message or f"{job.title} is done.")
        if message not in ("", "cancelled", "paused"):
            name = "" if self._is_open(queue) else f"{queue.name}, "
            self._tell(f"{name}{job.title}: {message}")
        self.workspaces.refresh_all()

    @Slot(str)
    def _set_theme(self, name: str) -> None:
        self.settings.theme = ThemeName(name)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, ThemeName(name))
        self.workspaces.note(EVERYTHING)  # texts in colours are written anew

    @Slot()
    def _on_finished(self) -> None:
        self.is_closed = True
        self.closed.emit()

    @Slot(str)
    def _tell(self, message: str) -> None:
        self.job_bar.show_notice(message)
        show_error(self, message)
