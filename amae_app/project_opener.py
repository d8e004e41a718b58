"""Opens and closes projects off the event thread; of several openings only the newest is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QThreadPool, Signal, Slot
from PySide6.QtWidgets import QWidget

from amae_app.ask_files import ask_folder
from amae_app.job_queue import JobQueue
from amae_app.window_context import OpenedProject, WindowContext
from amae_app.work import Work
from amae_engine.errors import AmaeError
from amae_engine.jobs.importing.demo import open_demo
from amae_engine.project import Project

_PATIENCE = 0.01  # seconds
_DEMO_FOLDER = Path.home() / "AMAE" / "demo"


class ProjectOpener(QObject):
    """Gets a project, and what has to be read of it before its pages can stand.

    Args:
        queue: Makes the demo project, which takes a while.
        parent: The window.

    Signals:
        began(name): a project is being opened.
        opened(project, is_demo): an `OpenedProject`.
        failed(message): it cannot be opened; nothing has changed.
    """

    began = Signal(str)
    opened = Signal(object, bool)
    failed = Signal(str)
    _answered = Signal(str, int, object, object)

    def __init__(self, queue: JobQueue, parent: QWidget) -> None:
        super().__init__(parent)
        self._queue, self._window = queue, parent
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        # held here until they are closed: their last reference must not go in another thread
        self._closing: list[tuple[WindowContext, threading.Thread]] = []
        self._openings = 0  # only the newest one's project is shown
        self._answered.connect(self._on_answered)

    def open(self, folder: Path) -> None:
        """Open a project folder."""
        self.get(folder.name, lambda: Project.open(folder))

    def make(self, folder: Path) -> None:
        """Make a project in an empty folder and open it."""
        self.get(folder.name, lambda: Project.create(folder))

    def open_demo(self, folder: Path | None = None) -> None:
        """Open the demo project, importing its images first where it is new."""
        chosen = folder or _DEMO_FOLDER
        if (chosen / "project.json").is_file():
            self.get(chosen.name, lambda: Project.open(chosen), is_demo=True)
        else:
            self._queue.add(("Making the demo project", lambda: open_demo(chosen)))

    @Slot()
    def ask_new(self) -> None:
        """Ask for an empty folder, and make a project in it."""
        folder = ask_folder(self._window, "An empty folder for the new project")
        if folder:
            self.make(Path(folder))

    @Slot()
    def ask_open(self) -> None:
        """Ask for a project's folder, and open it."""
        folder = ask_folder(self._window, "A project's folder")
        if folder:
            self.open(Path(folder))

    def get(self, name: str, get: Callable[[], Project], is_demo: bool = False) -> None:
        """Get a project off the event thread."""
        self._openings += 1
        self.began.emit(name)
        what = "demo" if is_demo else ""
        read = Work(self._answered.emit, what, self._openings, lambda: OpenedProject.read(get()))
        self._pool.start(read)

    def close(self, context: WindowContext) -> None:
        """Close a project once every act and all background work of it has ended."""
        context.closed.connect(self._on_closed)
        self._closing.append((context, context.close()))

    def finish(self) -> None:
        """Wait for what is being opened, and show none of it, and for what is being closed."""
        self._openings += 1
        self._pool.waitForDone()
        for _, thread in list(self._closing):
            while thread.is_alive():  # acts end on this thread
                QCoreApplication.processEvents()
                thread.join(_PATIENCE)

    @Slot(object)
    def _on_closed(self, context: WindowContext) -> None:
        self._closing = [each for each in self._closing if each[0] is not context]
        context.deleteLater()

    @Slot(str, int, object, object)
    def _on_answered(
        self, what: str, number: int, found: OpenedProject | None, error: AmaeError | None
    ) -> None:
        if number != self._openings:
            if found is not None:
                found.project.close()
        elif found is None:
            self.failed.emit(str(error))
        else:
            self.opened.emit(found, what == "demo")
