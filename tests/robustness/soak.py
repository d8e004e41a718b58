"""Scripted use of the window for as long as wanted; what grows meanwhile.

Memory, open files and threads should level off: a slope is fitted to each over the second half, with
its interval. Every warning that is logged meanwhile is reported.
"""

from __future__ import annotations

import itertools
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from amae_app.main_window import MainWindow
from amae_app.studies.studies_page import StudiesPage
from amae_app.theme import ThemeName
from amae_app.workspaces import WORKSPACES
from tests.robustness.captured_logs import capture_logs
from tests.robustness.scripted_window import (
    close,
    decide,
    open_project,
    said_by_qt,
    scripted_window,
    show,
)
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import make_scored_project
from tests.waiting import let_run

_SECONDS_BETWEEN_LOOKS = 2.0
# what a slope may be, per hour, at the lower end of its interval: more is a leak
_ALLOWED = {"memory, MB": 60.0, "open files": 4.0, "threads": 2.0}
_FEWEST = 8  # looks that a slope is fitted to


@dataclass(slots=True)
class _Looks:
    """What this process held at each look."""

    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _ALLOWED})

    def look(self, at: float) -> None:
        """Look now."""
        process = psutil.Process()
        count_files = getattr(process, "num_handles" if sys.platform == "win32" else "num_fds")
        self.seconds.append(at)
        for name, value in zip(
            _ALLOWED,
            (process.memory_info().rss / 1e6, float(count_files()), float(process.num_threads())),
            strict=True,
        ):
            self.values[name].append(value)

    def slope(self, name: str) -> tuple[float, float]:
        """Per hour over the second half, and half of its 95 % interval."""
        half = len(self.seconds) // 2
        x = np.array(self.seconds[half:]) / 3600
        y = np.array(self.values[name][half:])
        if len(x) < _FEWEST:
            return 0.0, float("inf")
        (slope, _), variance = np.polyfit(x, y, 1, cov=True)
        return float(slope), float(1.96 * np.sqrt(variance[0, 0]))


def soak_test(minutes: float) -> SelfTestResult:
    """Use the window by a script for so many minutes; fails where something grows or warns."""
    with (
        capture_logs(logging.WARNING) as logs,
        said_by_qt(logs.lines),
        tempfile.TemporaryDirectory(prefix="amae-selftest-") as place,
    ):
        acts, looks = _use(Path(place), 60 * minutes)
    result = _judged(acts, looks, logs.lines)
    return replace(result, facts={**result.facts, "minutes": minutes})


def _judged(acts: int, looks: _Looks, warnings: list[str]) -> SelfTestResult:
    facts: dict[str, float | int | str] = {}
    failures = [f"logged: {text[:200]}" for text in dict.fromkeys(warnings)]
    for name, allowed in _ALLOWED.items():
        slope, half = looks.slope(name)
        values = looks.values[name]
        facts[name] = f"{values[0]:.0f} to {values[-1]:.0f}, {slope:+.1f} ± {half:.1f} an hour"
        if slope - half > allowed:
            failures.append(f"{name} grow by {slope:.1f} ± {half:.1f} an hour")
    return SelfTestResult("soak", "acts", acts, acts, tuple(failures), facts=facts)


def _use(place: Path, seconds: float) -> tuple[int, _Looks]:
    """Make a scored project, open it, and go round the acts until the time is over."""
    folder = make_scored_project(place, "SOAK")
    window = scripted_window(place, "SOAK")
    looks, began, looked, acts = _Looks(), time.monotonic(), 0.0, 0
    first: list[Callable[[], None]] = [partial(open_project, window, folder)]
    for act in itertools.chain(first, _round(window, folder)):
        act()
        acts += 1
        at = time.monotonic() - began
        if at - looked > _SECONDS_BETWEEN_LOOKS or not looks.seconds:
            looks.look(at)
            looked = at
        if at > seconds:
            break
    close(window)
    return acts, looks


def _round(window: MainWindow, folder: Path) -> Iterator[Callable[[], None]]:
    """Acts without end: pages, images, decisions and their undo, filters, themes, opening again."""
    for number in itertools.count():
        for page in range(len(WORKSPACES)):
            yield partial(show, window, page)
        yield from (partial(_next_image, window) for _ in range(6))
        yield from (partial(decide, window, key) for key in (Qt.Key.Key_N, Qt.Key.Key_A))
        yield partial(_undo, window)
        yield partial(_filter, window, ("split:test", "truth:normal", "")[number % 3])
        yield partial(_theme, window, (ThemeName.LIGHT, ThemeName.DARK)[number % 2])
        if number % 4 == 3:
            yield partial(open_project, window, folder)


def _next_image(window: MainWindow) -> None:
    show(window, 0)
    page = window.pages[0]
    assert isinstance(page, StudiesPage)
    if page.table.currentIndex().row() + 1 >= page.model.rowCount():
        page.table.selectRow(0)
    QTest.keyClick(page.table, Qt.Key.Key_Down)
    let_run(0.1)


def _undo(window: MainWindow) -> None:
    page = window.pages[2]
    QTest.keyClick(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    let_run(0.1)


def _filter(window: MainWindow, text: str) -> None:
    page = window.pages[0]
    assert isinstance(page, StudiesPage)
    page.filter.setText(text)
    show(window, 0)


def _theme(window: MainWindow, name: ThemeName) -> None:
    window.top_bar.theme_chosen.emit(str(name))
    let_run(0.2)
