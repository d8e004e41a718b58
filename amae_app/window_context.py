"""What the window gives to its pages: the open project, and the ways to act on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Concatenate, ParamSpec, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from amae_app.act_writer import Act, ActWriter
from amae_app.announcer import Announcer
from amae_app.navigator import Navigator
from amae_app.original_cache import OriginalCache
from amae_app.project_queue import ProjectQueue
from amae_app.runner import Runner
from amae_app.settings import Settings
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_app.words import reading_only
from amae_engine.catalog.database import Session
from amae_engine.config import PseudoLabelConfig, Stage1Config
from amae_engine.errors import AmaeError
from amae_engine.events import Changed, Level
from amae_engine.jobs.importing.relink_originals import RelinkReport
from amae_engine.jobs.planning.defaults import choose_label_settings, default_config, label_settings
from amae_engine.project import Project

T = TypeVar("T")
P = ParamSpec("P")
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
    """One open project: who shows what (`navigator`), what has changed (`announcer`), what is read
    (`runner`) and written (`acts`) off the event thread, what is worked (`queue`), what is kept of
    images (`thumbnails`, `originals`).

    Signals:
        closed(self): the project is closed, after `close`.
        step_back_wanted(is_redo): the reader undoes the last act, or does it again.
    """

    closed = Signal(object)
    step_back_wanted = Signal(bool)

    def __init__(
        self,
        opened: OpenedProject,
        settings: Settings,
        queue: ProjectQueue,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.project = project = opened.project
        self.settings, self.queue = settings, queue
        self.navigator, self.announcer = Navigator(self), Announcer(self)
        self.runner = Runner(4, self)
        self.acts = ActWriter(self)
        self.thumbnails = ThumbnailCache(project.pixels.read, self)
        self.originals = OriginalCache(project, self)
        self._labels = opened.labels
        self._shows_truth = False
        self.first_settings = opened.first_settings
        self.runner.failed.connect(self._tell_error)
        self.acts.refused.connect(self._warn)
        queue.ended.connect(self._on_job_ended)

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
                lambda _: self.announcer.announce(Changed.SETTINGS),
            )

    @property
    def shows_truth(self) -> bool:
        """Whether who develops methods sees the hidden truth of unlabeled images; off at first."""
        return self._shows_truth

    @shows_truth.setter
    def shows_truth(self, shows: bool) -> None:
        if shows != self._shows_truth:
            self._shows_truth = shows
            self.announcer.announce(Changed.SETTINGS)

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
            self.announcer.notify(reading_only(self.project.only_reading), Level.WARNING)
            return
        names, ids = tuple(images.values()), tuple(images)
        self.acts.add(Act(function, done, what, names, ids, page, self.reader))

    def call(
        self, function: Callable[Concatenate[Session, P], T], *values: P.args, **named: P.kwargs
    ) -> Callable[[], T]:
        """A function of the catalog with its values, for `runner.run` or `act`: in a session of its own."""
        return partial(self.project.in_session, function, *values, **named)

    def close(self) -> threading.Thread:
        """Deliver nothing more, and close the project once every act and background work has ended.

        Returns:
            The thread that waits for that.
        """
        self.announcer.be_silent()
        self.acts.stop_delivering()
        self.runner.stop()
        thread = threading.Thread(target=self._finish, name="closing a project")
        thread.start()
        return thread

    def _finish(self) -> None:
        self.acts.wait()
        self.runner.wait()
        self.thumbnails.close()
        self.originals.close()
        self.project.close()
        self.closed.emit(self)

    @Slot(object)
    def _tell_error(self, error: AmaeError) -> None:
        self._warn(str(error))

    @Slot(str)
    def _warn(self, message: str) -> None:
        self.announcer.notify(message, Level.WARNING)

    @Slot(object, object, str)
    def _on_job_ended(self, _job: object, result: object, _message: str) -> None:
        if isinstance(result, RelinkReport):
            self.originals.forget_missing()
            self.announcer.announce(Changed.IMAGES)
