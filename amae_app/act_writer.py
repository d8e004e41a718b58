"""Writes a reader's acts to the catalog, one after another; an act is kept until it is there."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

from amae_app.work import Work
from amae_engine.errors import AmaeError, BadInput, BadSetting, NotReady, TooFewImages
from amae_engine.reports.table import write_csv

# the act itself is impossible: to try it again would change nothing
_REFUSED = (BadInput, BadSetting, NotReady, TooFewImages)
_COLUMNS = ("made_at", "reader", "act", "images", "not_saved_because")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Act:
    """What a reader did.

    Attributes:
        write: Writes it to the catalog, off the event thread.
        done: Gets what `write` returned, on the event thread, once the catalog has it.
        what: In words: "abnormal", "undo".
        images: Names of the images that it is about.
        image_ids: Their ids.
        page: The workspace to return to where it cannot be written; "" for none.
        reader: Whose act it is.
        made_at: ISO 8601, UTC.
    """

    write: Callable[[], Any]
    done: Callable[[Any], object]
    what: str = "a change"
    images: tuple[str, ...] = ()
    image_ids: tuple[int, ...] = ()
    page: str = ""
    reader: str = ""
    made_at: str = field(default_factory=_now)

    @property
    def text(self) -> str:
        """For the reader: "CXR-00012, CXR-00013 and 3 more: abnormal"."""
        names = [name for name in self.images if name]
        if not names:
            return self.what
        more = len(names) - 2
        named = ", ".join(names[:2]) + (f" and {more} more" if more > 0 else "")
        return f"{named}: {self.what}"


class ActWriter(QObject):
    """A queue of acts. Where one cannot be written it waits, with all that came after it.

    Signals:
        changed(): what waits has changed.
        failed(): the first that waits could not be written; `cause` says why.
        refused(message): an act is impossible, and gone.
    """

    changed = Signal()
    failed = Signal()
    refused = Signal(str)
    _answered = Signal(str, int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.cause = ""
        self._waiting: deque[Act] = deque()
        self._number = 0
        self._is_writing = False
        self._delivers = True
        self._settled = threading.Event()
        self._settled.set()
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._answered.connect(self._on_answered)

    @property
    def waiting(self) -> Sequence[Act]:
        """The acts that the catalog does not have yet, in their order."""
        return tuple(self._waiting)

    def add(self, act: Act) -> None:
        """Write an act when those before it are written; tries again where one failed."""
        self._waiting.append(act)
        self._settled.clear()
        self.changed.emit()
        self.try_again()

    @Slot()
    def try_again(self) -> None:
        """Go on writing."""
        if self._is_writing or not self._waiting:
            return
        self.cause, self._is_writing = "", True
        self._number += 1
        write = self._waiting[0].write
        self._pool.start(Work(self._answered.emit, "act", self._number, write))
        self.changed.emit()

    @Slot()
    def give_up(self) -> None:
        """Forget what is not written; the act at work is waited for."""
        kept = [self._waiting[0]] if self._is_writing else []
        self._waiting = deque(kept)
        self.cause = ""
        self._end()

    def write_file(self, path: Path) -> None:
        """Write what waits as a table, for repeating it by hand."""
        lines = (
            (act.made_at, act.reader, act.what, " ".join(act.images), self.cause)
            for act in self._waiting
        )
        write_csv(path, (_COLUMNS, *lines))

    def stop_delivering(self) -> None:
        """Acts are still written, but nobody is left whom their results would serve."""
        self._delivers = False

    def wait(self) -> None:
        """Return when nothing waits; not to be called on the event thread."""
        self._settled.wait()
        self._pool.waitForDone()

    @Slot(str, int, object, object)
    def _on_answered(
        self, _key: str, _number: int, result: object, error: AmaeError | None
    ) -> None:
        self._is_writing = False
        if error is not None and not isinstance(error, _REFUSED):
            self.cause = str(error)
            self.changed.emit()
            self.failed.emit()
            return
        act = self._waiting.popleft()
        if error is not None:
            self.refused.emit(f"{act.text}: {error}" if act.images else str(error))
        elif self._delivers:
            act.done(result)
        if self._waiting:
            self.try_again()
        else:
            self._end()

    def _end(self) -> None:
        if not self._waiting:
            self._settled.set()
        self.changed.emit()
