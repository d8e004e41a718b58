"""One function off the event thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QRunnable

from amae_engine.errors import AmaeError, translate_os_error

_log = logging.getLogger(__name__)


class Work(QRunnable):
    """One function off the event thread; `answer(key, generation, result, error)` follows it."""

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
            reported = translate_os_error(problem) or AmaeError(
                f"{type(problem).__name__}: {problem}"
            )
            result, error = None, reported
        answer = self._answer
        # PySide keeps the wrapper of a runnable: what it was made of must not stay with it
        self._function = self._answer = _nothing
        answer(self._key, self._generation, result, error)


def _nothing(*_arguments: object) -> None:
    """What a runnable that has run would do."""
