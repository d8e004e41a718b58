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

MakeJob = Callable[[], Generator[Event, None, object]]


class _Cancelled(Exception):
    """The job was cancelled between two events."""


class JobThread(QThread):
    """Runs one job: `next` is run, not calling it is pause, closing it is cancel.

    Exactly one of `done`, `failed` and `cancelled` is emitted, and only after the generator is
    closed.

    Args:
        make: Builds the generator; called on this thread.
    """

    event_came = Signal(object)
    done = Signal(object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, make: MakeJob, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._make = make
        self._may_run = threading.Event()
        self._may_run.set()
        self._cancel = threading.Event()

    def pause(self) -> None:
        """Stop asking for events until `resume`."""
        self._may_run.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._may_run.set()

    def cancel(self) -> None:
        """Close the job at its next event; `cancelled` says when it is true."""
        self._cancel.set()
        self._may_run.set()

    def run(self) -> None:
        """Drive the generator (called by Qt on the new thread)."""
        try:
            result = drive(self._make(), self._pass_on)
        except _Cancelled:
            self.cancelled.emit()
        except AmaeError as error:
            self.failed.emit(str(error))
        except Exception as error:  # noqa: BLE001 - every error must reach the reader
            _log.exception("A job failed")
            self.failed.emit(str(translate_os_error(error) or f"{type(error).__name__}: {error}"))
        else:
            self.done.emit(result)

    def _pass_on(self, event: Event) -> None:
        self.event_came.emit(event)
        self._may_run.wait()
        if self._cancel.is_set():
            raise _Cancelled
