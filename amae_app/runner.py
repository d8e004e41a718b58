"""Runs functions off the event thread, and gives their results back on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QThreadPool, Signal, Slot

from amae_app.work import Work
from amae_engine.errors import AmaeError

T = TypeVar("T")
_Answer = tuple[
    Callable[[Any], object], Callable[[Any], object]
]  # what takes the result, the error


class Runner(QObject):
    """A pool of threads; of the calls with one key only the newest one's answer is delivered.

    Args:
        threads: How many functions run at once.
        parent: Its owner.

    Signals:
        failed(error): an `AmaeError` of a call that does not take its errors itself.
    """

    failed = Signal(object)
    _answered = Signal(str, int, object, object)

    def __init__(self, threads: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self._generation: dict[str, int] = {}
        self._busy: set[str] = set()
        self._next: dict[str, Work] = {}
        self._waiting: dict[tuple[str, int], _Answer] = {}
        self._is_stopped = False
        self._answered.connect(self._deliver)

    def run(
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
            failed: Gets the error, in place of the signal.
        """
        if self._is_stopped:  # its owner is about to go
            return
        generation = self._generation.get(key, 0) + 1
        self._generation[key] = generation
        self._waiting[(key, generation)] = done, failed or self.failed.emit
        work = Work(self._answered.emit, key, generation, function)
        if key in self._busy:
            self._next[key] = work  # one at a time of a kind; only the newest follows
        else:
            self._busy.add(key)
            self._pool.start(work)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._busy)

    def stop(self) -> None:
        """Begin nothing more, and deliver nothing."""
        self._is_stopped = True
        self._waiting.clear()
        self._next.clear()

    def wait(self) -> None:
        """Return when nothing runs; not to be called on the event thread."""
        self._pool.waitForDone()

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
