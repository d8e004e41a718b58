"""What the window gives to its pages: the project, the queue, the reader, announcements."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal, Slot

from amae_app.job_queue import JobQueue
from amae_app.settings import Settings
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_engine.config import PseudoLabelConfig
from amae_engine.errors import AmaeError
from amae_engine.events import Changed, Level
from amae_engine.jobs.label_settings import choose_label_settings, label_settings
from amae_engine.project import Project

_log = logging.getLogger(__name__)


class Page(Protocol):
    """What the main window needs of a workspace."""

    title: str

    def refresh(self, changed: Changed) -> None:
        """Read again what changed; called when the page is visible or becomes so."""

    def count_text(self) -> str:
        """The live count for the rail."""


class WindowContext(QObject):
    """One open project and the ways a page can act on it.

    Signals:
        announced(changed): rows of these kinds changed.
        noticed(message, level): one sentence for the reader.
        page_wanted(name): a page asks to show another workspace.
    """

    announced = Signal(object)
    noticed = Signal(str, object)
    page_wanted = Signal(str)
    _answered = Signal(str, int, object, object)

    def __init__(
        self, project: Project, settings: Settings, queue: JobQueue, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.project = project
        self.settings = settings
        self.queue = queue
        self._labels = label_settings(project)
        self.thumbnails = ThumbnailCache(project.pixels.read, self)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(4)
        self._generation: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], Callable[[Any], None]] = {}
        self._answered.connect(self._deliver)

    @property
    def labels(self) -> PseudoLabelConfig:
        """How the open project makes its pseudo-labels."""
        return self._labels

    @labels.setter
    def labels(self, config: PseudoLabelConfig) -> None:
        if config != self._labels:
            self._labels = config
            choose_label_settings(self.project, config)
            self.announce(Changed.SETTINGS)

    @property
    def reader(self) -> str:
        """Who reads."""
        return self.settings.reader

    def announce(self, changed: Changed) -> None:
        """Tell every page that rows changed."""
        self.announced.emit(changed)

    def notify(self, message: str, level: Level = Level.INFO) -> None:
        """Show one sentence in the bottom bar."""
        self.noticed.emit(message, level)

    def background(
        self, key: str, function: Callable[[], Any], done: Callable[[Any], None]
    ) -> None:
        """Run `function` off the event thread and give its result to `done` on it.

        A newer call with the same key makes the older one's answer late: it is dropped. An
        error is shown to the reader, and `done` gets it in place of a result.
        """
        generation = self._generation.get(key, 0) + 1
        self._generation[key] = generation
        self._waiting[(key, generation)] = done
        self._pool.start(_Work(self._answered.emit, key, generation, function))

    def close(self) -> None:
        """Wait for background work and close the project."""
        self._waiting.clear()
        self._pool.waitForDone()
        self.thumbnails.close()
        self.project.close()

    @Slot(str, int, object, object)
    def _deliver(self, key: str, generation: int, result: object, error: object) -> None:
        done = self._waiting.pop((key, generation), None)
        if done is None or self._generation[key] != generation:
            return
        done(error if error is not None else result)


class _Work(QRunnable):
    def __init__(
        self,
        answer: Callable[[str, int, object, object], Any],
        key: str,
        generation: int,
        function: Callable[[], Any],
    ) -> None:
        super().__init__()
        self._answer = answer
        self._key, self._generation, self._function = key, generation, function

    def run(self) -> None:
        """Run on a pool thread."""
        try:
            result, error = self._function(), None
        except AmaeError as problem:
            result, error = None, problem
        except Exception as problem:  # noqa: BLE001 - shown to the reader, with the log's trace
            _log.exception("Background work '%s' failed", self._key)
            result, error = None, AmaeError(f"{type(problem).__name__}: {problem}")
        self._answer(self._key, self._generation, result, error)
