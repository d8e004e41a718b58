"""`amae bench reading`: how quick the reading room is, by real key events in a real window."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from amae_app.main_window import MainWindow
from amae_app.pseudo_labels.pseudo_labels_page import PseudoLabelsPage
from amae_app.results.results_page import ResultsPage
from amae_app.settings import Settings
from amae_app.studies.studies_page import StudiesPage
from amae_app.theme import apply_theme
from tests.benchmarks.process_memory import resident_bytes
from tests.benchmarks.reading_set import SYNTAXES, make_reading_project
from tests.waiting import let_run, wait_until

_LABELS = 200
_PER_MINUTE = 40
_STEPS = 60  # next images of a kind
_LOOKED_AT = 500  # images, for the memory
_FRAME_MS = 33.0
_LONGEST_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one act, over and over."""

    name: str
    values: list[float]

    def facts(self) -> dict[str, float]:
        """p50, p99, the worst, and how many took more than a thirtieth of a second."""
        each = np.array(self.values)
        return {
            "p50": round(float(np.median(each)), 1),
            "p99": round(float(np.percentile(each, 99)), 1),
            "max": round(float(each.max()), 1),
            "over_33_ms": int((each > _FRAME_MS).sum()),
            "n": len(each),
        }


def bench_reading(as_json: bool, labels: int = _LABELS) -> int:
    """Make a project of large images, read it by keys, and print how long each answer took."""
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="amae-bench-") as place:
        found = _Bench(Path(place)).run(labels)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    for name, facts in found.items():
        said = ", ".join(f"{key} {value}" for key, value in facts.items())
        sys.stdout.write(f"{name:<44} {said}\n")
    return 0


_wait = partial(wait_until, longest=_LONGEST_WAIT_SECONDS)


class _Bench:
    """One window on one project."""

    def __init__(self, folder: Path) -> None:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
        application = QApplication.instance() or QApplication(sys.argv[:1])
        settings = Settings()
        settings.reader = "BENCH"
        apply_theme(application, settings.theme)  # type: ignore[arg-type]
        self._project = make_reading_project(folder / "project")
        self._window = MainWindow(settings)
        self._window.resize(1366, 768)
        self._window.show()
        self._window.open_project(self._project.folder)
        _wait(lambda: self._window.context is not None)

    def run(self, labels: int) -> dict[str, dict[str, float]]:
        """Every measure, by its name."""
        found: dict[str, dict[str, float]] = {}
        for times in (*self._next_images(), self._overlay(), *self._labelling(labels)):
            found[f"{times.name}, ms"] = times.facts()
        found["memory"] = self._memory()
        self._window.close()
        _wait(lambda: self._window.is_closed)
        return found

    def _next_images(self) -> list[Times]:
        """Down through the table: with the next image decoded ahead, and with nothing ahead."""
        page = self._page(0)
        assert isinstance(page, StudiesPage)
        viewer = page.selected.viewer
        found: list[Times] = []
        assert self._window.context is not None
        originals = self._window.context.originals

        def is_next(old: object) -> bool:
            return viewer.is_original and viewer.view.picture is not old

        def is_listed(images: int) -> bool:
            return page.model.rowCount() == images and viewer.is_original

        for source, syntax in SYNTAXES.items():
            page.filter.setText(f"source:{source}")
            _wait(partial(is_listed, syntax.images))
            for is_warm in (True, False):
                values = []
                for _ in range(_STEPS):
                    following = page.model.ids_at([page.table.currentIndex().row() + 1])
                    if not following:
                        page.table.selectRow(0)
                        _wait(lambda: viewer.is_original)
                        following = page.model.ids_at([1])
                    if is_warm:
                        _wait(partial(originals.has, following[0]))
                    else:
                        _wait(lambda: not originals.is_busy)
                        originals.clear()
                    press = partial(QTest.keyClick, page.table, Qt.Key.Key_Down)
                    values.append(_timed(press, partial(is_next, viewer.view.picture)))
                kind = "decoded ahead" if is_warm else "nothing ahead"
                found.append(Times(f"next image, {syntax.text}, {kind}", values))
        page.filter.setText("")
        return found

    def _overlay(self) -> Times:
        """The opacity slider, a step at a time."""
        page = self._page(3)
        assert isinstance(page, ResultsPage)
        view, slider = page.review.main, page.review.opacity

        def is_drawn(old: object) -> bool:
            return view.map_shown is not None and view.map_shown is not old

        _wait(partial(is_drawn, None))
        values = [
            _timed(partial(slider.setValue, step), partial(is_drawn, view.map_shown))
            for step in range(1, 101)
        ]
        return Times("overlay slider", values)

    def _labelling(self, labels: int) -> list[Times]:
        """Keys at 40 decisions a minute: from the key to the label on the screen."""
        page = self._page(2)
        assert isinstance(page, PseudoLabelsPage)
        model = page.gallery.gallery

        def is_labelled(row: int) -> bool:
            tile = model.tile(row)
            return tile is not None and tile.checked

        _wait(lambda: model.rowCount() >= labels)
        page.gallery.select(0)
        values, keys = [], (Qt.Key.Key_N, Qt.Key.Key_A, Qt.Key.Key_X, Qt.Key.Key_Space)
        began = time.perf_counter()
        for number in range(labels):
            press = partial(QTest.keyClick, page.gallery, keys[number % len(keys)])
            values.append(_timed(press, partial(is_labelled, number)))
            due = began + 60 / _PER_MINUTE * (number + 1)
            let_run(max(0.0, min(due - time.perf_counter(), 60 / _PER_MINUTE)))
        minutes = (time.perf_counter() - began) / 60
        return [Times(f"key to label, {labels} labels in {minutes:.1f} min", values)]

    def _memory(self) -> dict[str, float]:
        """Of the window's process, before and after many images."""
        page = self._page(0)
        assert isinstance(page, StudiesPage)
        _wait(lambda: page.model.rowCount() > 0)
        page.table.selectRow(0)
        before = resident_bytes()
        for _ in range(_LOOKED_AT):
            if page.table.currentIndex().row() + 1 >= page.model.rowCount():
                page.table.selectRow(0)
            QTest.keyClick(page.table, Qt.Key.Key_Down)
            let_run(0.03)
        _wait(lambda: page.selected.viewer.is_original)
        return {
            "images": _LOOKED_AT,
            "before_mb": round(before / 1e6),
            "after_mb": round(resident_bytes() / 1e6),
        }

    def _page(self, number: int) -> object:
        self._window.show_page(number)
        self._window.activateWindow()
        let_run(0.2)
        return self._window.stack.currentWidget()


def _timed(act: Callable[[], object], done: Callable[[], bool]) -> float:
    """Milliseconds from an act until what it should show is painted."""
    began = time.perf_counter()
    act()
    while not done():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 5)
        if time.perf_counter() - began > _LONGEST_WAIT_SECONDS:
            raise TimeoutError("the window did not answer")
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - began)
