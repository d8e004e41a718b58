"""Opens and closes projects off the event thread; of several openings only the newest is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot
from PySide6.QtWidgets import QWidget

from amae_app.ask_files import ask_folder
from amae_app.window_context import OpenedProject, WindowContext
from amae_app.work import Work
from amae_engine.errors import AmaeError
from amae_engine.jobs.importing.demo import get_demo
from amae_engine.project import Project

_DEMO_FOLDER = Path.home() / "AMAE" / "demo"


class ProjectOpener(QObject):
    """Gets a project, and what has to be read of it before its pages can stand.

    Args:
        parent: The window.

    Signals:
        began(name): a project is being opened.
        opened(project, is_demo): an `OpenedProject`.
        failed(message): it cannot be opened; nothing has changed.
        finished(): after `finish`.
    """

    began = Signal(str)
    opened = Signal(object, bool)
    failed = Signal(str)
    finished = Signal()
    _answered = Signal(str, int, object, object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        # held here until they are closed: their last reference must not go in another thread
        self._closing: list[WindowContext] = []
        self._openings = 0  # only the newest one's project is shown
        self._unanswered = 0
        self._is_finishing = False
        self._answered.connect(self._on_answered)

    def open(self, folder: Path) -> None:
        """Open a project folder."""
        self._get(folder.name, lambda: Project.open(folder))

    def make(self, folder: Path) -> None:
        """Make a project in an empty folder and open it."""
        self._get(folder.name, lambda: Project.create(folder))

    def open_demo(self, folder: Path | None = None) -> None:
        """Open the demo project, importing its images first where it is new."""
        chosen = folder or _DEMO_FOLDER
        self._get(chosen.name, lambda: get_demo(chosen), is_demo=True)

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

    def close(self, context: WindowContext) -> None:
        """Close a project once every act and all background work of it has ended."""
        context.closed.connect(self._on_closed)
        self._closing.append(context)
        context.close()

    @Slot()
    def finish(self) -> None:
        """Show nothing more; `finished` follows when all that is being opened is closed again."""
        self._openings += 1
        self._is_finishing = True
        self._tell_finished()

    def _get(self, name: str, get: Callable[[], Project], is_demo: bool = False) -> None:
        """Get a project off the event thread."""
        self._openings += 1
        self._unanswered += 1
        self.began.emit(name)
        what = "demo" if is_demo else ""
        read = Work(self._answered.emit, what, self._openings, lambda: OpenedProject.read(get()))
        self._pool.start(read)

    def _tell_finished(self) -> None:
        if self._is_finishing and not self._unanswered and not self._closing:
            self.finished.emit()

    @Slot(object)
    def _on_closed(self, context: WindowContext) -> None:
        self._closing.remove(context)
        context.deleteLater()
        self._tell_finished()

    @Slot(str, int, object, object)
    def _on_answered(
        self, what: str, number: int, found: OpenedProject | None, error: AmaeError | None
    ) -> None:
        self._unanswered -= 1
        if number != self._openings:
            if found is not None:
                found.project.close()
        elif found is None:
            self.failed.emit(str(error))
        else:
            self.opened.emit(found, what == "demo")
        self._tell_finished()
