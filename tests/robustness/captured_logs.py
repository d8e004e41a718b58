"""What is logged while a self-test runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class CapturedLogs(logging.Handler):
    """Every line at a level or above, in memory.

    Attributes:
        lines: Formatted, in their order.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(record.getMessage())


@contextmanager
def capture_logs(level: int) -> Iterator[CapturedLogs]:
    """Listen to every library's log at a level or above."""
    logs, root = CapturedLogs(level), logging.getLogger()
    before = root.level
    root.addHandler(logs)
    root.setLevel(min(before, level))
    try:
        yield logs
    finally:
        root.removeHandler(logs)
        root.setLevel(before)
