"""Let the window run, for what measures it: for a while, or until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer

_POLL_SECONDS = 0.01


def let_run(seconds: float) -> None:
    """Handle events for some time."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_until(done: Callable[[], bool], longest: float) -> None:
    """Handle events until something is so.

    Args:
        done: Whether it is.
        longest: Seconds.

    Raises:
        TimeoutError: It was not so in time.
    """
    end = time.monotonic() + longest
    let_run(_POLL_SECONDS)  # what was just asked for has to begin first
    while not done():
        let_run(_POLL_SECONDS)
        if time.monotonic() > end:
            raise TimeoutError(f"the window was busy for {longest:.0f} s")
