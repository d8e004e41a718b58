"""What the window gives to its pages: the project, the queue, the reader, announcements."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

from amae_app.act_writer import Act, ActWriter
from amae_app.job_queue import JobQueue, Owner
from amae_app.original_cache import OriginalCache
from amae_app.project_jobs import ProjectJobs
from amae_app.settings import Settings
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_app.words import reading_only
from amae_app.work import Work
from amae_engine.catalog.database import Session
from amae_engine.config import PseudoLabelConfig, Stage1Config
from amae_engine.errors import AmaeError
from amae_engine.events import Changed, Level
from amae_engine.jobs.importing.relink_originals import RelinkReport
from amae_engine.jobs.planning.defaults import choose_label_settings, default_config, label_settings
from amae_engine.project import Project

T = TypeVar("T")
_Answer = tuple[
    Callable[[Any], object], Callable[[Any], object]
]  # what takes the result, the error
_NO_IMAGES: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OpenedProject:
    """A project, and what has to be read of it before its pages can stand.

    Attributes:
        labels: How it makes its pseudo-labels.
        first_settings: The preset and the weights that the settings begin with.
    """

    project: Project
    labels: PseudoLabelConfig
    first_settings: tuple[str, str]

    @classmethod
    def read(cls, project: Project) -> OpenedProject:
        """Read them; may take seconds (the catalog's server, the search for a GPU).

        Raises:
            ProjectError: A file of the project is damaged; the project is closed.
        """
        try:
            project.hold_for_window()
            chosen = default_config(project, Stage1Config)
            first = (chosen.preset, chosen.config.weights)
            return cls(project, label_settings(project), first)
        except BaseException:
            project.close()
            raise


class WindowContext(QObject):
    """One open project and the ways a page can act on it.

    Signals:
        announced(changed): rows of these kinds changed.
        noticed(message, level): one sentence for the reader.
        page_wanted(name): a page asks to show another workspace.
        run_wanted(number): a reader wants to see a run in Results.
        closed(self): the project is closed, after `close`.
        relink_wanted(): a reader looks for originals that have moved.
        step_back_wanted(is_redo): the reader undoes the last act, or does it again.
        reading_wanted(number): a second reading is to be shown.
        import_undo_wanted(what): the act to undo is an import, which is asked about.
    """

    announced = Signal(object)
    noticed = Signal(str, object)
    page_wanted = Signal(str)
    relink_wanted = Signal()
    step_back_wanted = Signal(bool)
    reading_wanted = Signal(int)
    import_undo_wanted = Signal(str)
    run_wanted = Signal(int)
    closed = Signal(object)
    _answered = Signal(str, int, object, object)

    def __init__(
        self,
        opened: OpenedProject,
        settings: Settings,
        queue: JobQueue,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.project = project = opened.project
        self.settings = settings
        owner = Owner(project.folder, project.name)
        self.queue = ProjectJobs(queue, owner, project.only_reading, self)
        self.queue.refused.connect(self.notify)
        self._labels = opened.labels
        self._shows_truth = False
        self.first_settings = opened.first_settings
        self.thumbnails = ThumbnailCache(project.pixels.read, self)
        self.originals = OriginalCache(project, self)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(4)
        self.acts = ActWriter(self)
        self.acts.refused.connect(lambda text: self.notify(text, Level.WARNING))
        self._generation: dict[str, int] = {}
        self._busy: set[str] = set()
        self._is_closed = False
        self._next: dict[str, Work] = {}
        self._waiting: dict[tuple[str, int], _Answer] = {}
        self._answered.connect(self._deliver)
        self.queue.ended.connect(self._on_job_ended)

    @property
    def labels(self) -> PseudoLabelConfig:
        """How the open project makes its pseudo-labels."""
        return self._labels

    @labels.setter
    def labels(self, config: PseudoLabelConfig) -> None:
        if config != self._labels:
            self._labels = config
            project = self.project
            self.act(
                lambda: choose_label_settings(project, config),
                lambda _: self.announce(Changed.SETTINGS),
            )

    @property
    def shows_truth(self) -> bool:
        """Whether who develops methods sees the hidden truth of unlabeled images; off at first."""
        return self._shows_truth

    @shows_truth.setter
    def shows_truth(self, shows: bool) -> None:
        if shows != self._shows_truth:
            self._shows_truth = shows
            self.announce(Changed.SETTINGS)

    @property
    def reader(self) -> str:
        """Who reads."""
        return self.settings.reader

    @Slot()
    def undo(self) -> None:
        """Reverse the reader's last act, on whichever page it was done."""
        self.step_back_wanted.emit(False)

    @Slot()
    def redo(self) -> None:
        """Repeat what the reader undid last."""
        self.step_back_wanted.emit(True)

    def announce(self, changed: Changed) -> None:
        """Tell every page that rows changed."""
        if not self._is_closed:
            self.announced.emit(changed)

    def notify(self, message: str, level: Level = Level.INFO) -> None:
        """Show one sentence in the bottom bar."""
        self.noticed.emit(message, level)

    def background(
        self,
        key: str,
        function: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[AmaeError], object] | None = None,
    ) -> None:
        """Run `function` off the event thread and give its result to `done` on it.

        A newer call with the same key makes the older one's answer late: it is dropped.

        Args:
            key: What is read.
            function: Reads it.
            done: Gets the result.
            failed: Gets the error, in place of one sentence in the bottom bar.
        """
        if self._is_closed:  # a page that is about to go
            return
        generation = self._generation.get(key, 0) + 1
        self._generation[key] = generation
        self._waiting[(key, generation)] = done, failed or self._tell_error
        work = Work(self._answered.emit, key, generation, function)
        if key in self._busy:
            self._next[key] = work  # one at a time of a kind; only the newest follows
        else:
            self._busy.add(key)
            self._pool.start(work)

    def act(
        self,
        function: Callable[[], T],
        done: Callable[[T], object],
        what: str = "a change",
        images: Mapping[int, str] = _NO_IMAGES,
        page: str = "",
    ) -> None:
        """Write to the catalog off the event thread, one act after another; none is dropped.

        Args:
            function: The act.
            done: Gets its result on the event thread, once the catalog has it.
            what: The act in words, for the case that it cannot be written.
            images: Names of the images that it is about, by their ids.
            page: The workspace to return to in that case.
        """
        if self.project.only_reading:
            self.notify(reading_only(self.project.only_reading), Level.WARNING)
            return
        names, ids = tuple(images.values()), tuple(images)
        self.acts.add(Act(function, done, what, names, ids, page, self.reader))

    def query(self, key: str, look: Callable[[Session], T], done: Callable[[T], object]) -> None:
        """Look into the catalog off the event thread: `background` in a session of its own."""
        self.background(key, partial(self.project.in_session, look), done)

    def write(
        self,
        act: Callable[[Session], T],
        done: Callable[[T], object],
        what: str = "a change",
        images: Mapping[int, str] = _NO_IMAGES,
        page: str = "",
    ) -> None:
        """Write to the catalog: `act` in a session of its own."""
        self.act(partial(self.project.in_session, act), done, what, images, page)

    def _tell_error(self, error: AmaeError) -> None:
        self.notify(str(error), Level.WARNING)

    def close(self) -> threading.Thread:
        """Deliver nothing more, and close the project once every act and background work has ended.

        Returns:
            The thread that waits for that; who ends the program joins it.
        """
        self._is_closed = True
        self.acts.stop_delivering()
        self._waiting.clear()
        self._next.clear()
        thread = threading.Thread(target=self._finish, name="closing a project")
        thread.start()
        return thread

    def _finish(self) -> None:
        self.acts.wait()
        self._pool.waitForDone()
        self.thumbnails.close()
        self.originals.close()
        self.project.close()
        self.closed.emit(self)

    @Slot(object, object, str)
    def _on_job_ended(self, _job: object, result: object, _message: str) -> None:
        if isinstance(result, RelinkReport):
            self.originals.forget_missing()
            self.announce(Changed.IMAGES)

    @Slot(str, int, object, object)
    def _deliver(self, key: str, generation: int, result: object, error: object) -> None:
        answer = self._waiting.pop((key, generation), None)
        following = self._next.pop(key, None)
        if following is not None:
            self._pool.start(following)
        else:
            self._busy.discard(key)
        if answer is None or self._generation[key] != generation:
            return
        done, failed = answer
        if error is None:
            done(result)
        else:
            failed(error)
