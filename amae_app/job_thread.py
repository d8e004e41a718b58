"""Drives a job's generator on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator

from PySide6.QtCore import QObject, QThread, Signal

from amae_engine.drive import drive
from amae_engine.errors import AmaeError, translate_os_error
from amae_engine.events import Event

_log = logging.getLogger(__name__)


class _Closed(Exception):
    """The job was closed between two events."""


class JobThread(QThread):
    """Runs one job: `next` is run, closing it is cancel.

    Exactly one of `done` and `failed` is emitted, and only after the generator is closed.

    Args:
        make: Builds the generator; called on this thread.

    Signals:
        event_came(event): of the job.
        done(result): None where it was closed.
        failed(message): it ended with an error.
    """

    event_came = Signal(object)
    done = Signal(object)
    failed = Signal(str)

    def __init__(
        self, make: Callable[[], Generator[Event, None, object]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._make = make
        self._close = threading.Event()

    def close(self) -> None:
        """Close the job at its next event."""
        self._close.set()

    def run(self) -> None:
        """Drive the generator (called by Qt on the new thread)."""
        result = None
        try:
            result = drive(self._make(), self._pass_on)
        except _Closed:
            pass
        except AmaeError as error:
            self.failed.emit(str(error))
            return
        except Exception as error:  # noqa: BLE001 - every error must reach the reader
            _log.exception("A job failed")
            self.failed.emit(str(translate_os_error(error) or f"{type(error).__name__}: {error}"))
            return
        self.done.emit(result)

    def _pass_on(self, event: Event) -> None:
        self.event_came.emit(event)
        if self._close.is_set():
            raise _Closed
