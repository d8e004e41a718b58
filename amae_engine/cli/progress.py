"""Drives a job and shows its events: a line on a terminal, or one JSON object a line."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Generator
from typing import TypeVar

from amae_engine.drive import drive
from amae_engine.events import (
    Alive,
    Changes,
    EpochEnd,
    Event,
    JobBegan,
    JobEnded,
    Level,
    Notice,
    Preview,
    Progress,
    clock,
    pace,
)

T = TypeVar("T")
_BAR = 24  # characters
_SECONDS_BETWEEN_LINES = 10.0  # where the output is no terminal


class Console:
    """Shows events on stderr; results belong on stdout.

    Args:
        as_json: One JSON object an event instead of a progress line.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._live = sys.stderr.isatty()
        self._last_line = 0.0
        self._losses = ""

    def drive(self, job: Generator[Event, None, T]) -> T:
        """Run a job to its end; Ctrl+C closes it cleanly."""
        result = drive(job, self._show)
        self._end_line()
        return result

    def tell(self, message: str, level: Level = Level.INFO) -> None:
        """One sentence for the reader, among a job's events."""
        self._show(Notice(message, level))

    def _show(self, event: Event) -> None:
        if self._as_json:
            if not isinstance(event, Preview | Changes | Alive | JobEnded):
                line = {"event": type(event).__name__, **dataclasses.asdict(event)}
                sys.stderr.write(json.dumps(line) + "\n")
            return
        if isinstance(event, Notice):
            self._end_line()
            mark = "! " if event.level is Level.WARNING else ""
            sys.stderr.write(f"{mark}{event.message}\n")
        elif isinstance(event, EpochEnd):
            self._losses = f" · epoch {event.epoch}/{event.epochs} loss {event.train_loss:.4f}"
            if event.epoch == event.epochs:
                sys.stderr.write(self._clear() + f"{event.step}{self._losses}\n")
                self._losses = ""
        elif isinstance(event, Progress):
            self._line(event)
        elif isinstance(event, JobBegan):
            self._show(Notice(event.title))
        elif isinstance(event, JobEnded) and event.message:
            self._show(Notice(f"{event.title}: {event.message}", Level.WARNING))

    def _line(self, event: Progress) -> None:
        now = time.monotonic()
        if not self._live and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        share = f"{event.done}"
        if event.total:
            full = _BAR * event.done // event.total
            bar = "█" * full + "·" * (_BAR - full)
            share = f"{bar} {100 * event.done / event.total:3.0f} %"
        left = "" if event.seconds_left is None else f" · {clock(event.seconds_left)} left"
        text = f"{event.step} {share}{self._losses}{pace(event, ' · ')}{left}"
        sys.stderr.write(self._clear() + text + ("" if self._live else "\n"))
        sys.stderr.flush()

    def _clear(self) -> str:
        return "\r\x1b[2K" if self._live else ""

    def _end_line(self) -> None:
        if self._live:
            sys.stderr.write(self._clear())
