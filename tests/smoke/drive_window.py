"""Use the real window as a new reader would: import, both stages, labels, results, screenshots.

Run under a display (or Xvfb); prints one JSON object of what was seen and how quick the event
loop was. `--full` uses all demo images and the compact preset's epochs.
"""

from __future__ import annotations

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import csv  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

from PySide6.QtCore import QSettings, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication, QPushButton  # noqa: E402

from amae_app.main_window import MainWindow  # noqa: E402
from amae_app.settings import Settings  # noqa: E402
from amae_app.theme import ThemeName, apply_theme  # noqa: E402
from amae_app.workspaces import WORKSPACES  # noqa: E402
from amae_engine.jobs.importing.import_plan import ImportPlan  # noqa: E402
from tests.benchmarks.event_pulse import Pulse  # noqa: E402

NAMES = [row.name for row in WORKSPACES]
DEMO = Path(__file__).parents[2] / "resources" / "demo"
SIZES = ((1366, 768), (2560, 1440))
_SMALL = {"normal": 20, "unlabeled": 16, "test": 12}


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Let the window run until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} s for {what}")
        QTest.qWait(20)


def click(window: MainWindow, name: str) -> None:
    """Press a button by its object name, once it can be pressed."""
    button = window.findChild(QPushButton, name)
    wait_for(button.isEnabled, 30, f"{name} to be enabled")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def subset(folder: Path, full: bool) -> Path:
    """A table of the images to use."""
    with (DEMO / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    table = folder / "images.csv"
    counts: dict[tuple[str, str], int] = {}
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "split", "truth", "patient"))
        for line in lines:
            key = (line["split"], line["truth"])
            share = 1 if line["split"] == "normal" else 2
            counts[key] = counts.get(key, 0) + 1
            if full or counts[key] <= _SMALL[line["split"]] // share:
                writer.writerow((line["file"], line["split"], line["truth"], line["patient"]))
    return table


def use(window: MainWindow, folder: Path, full: bool, pulse: Pulse) -> dict[str, object]:
    """The whole path through the window; what was seen on it."""
    times: dict[str, float] = {}
    window.new_project(folder / "project")
    wait_for(lambda: window.context is not None, 60, "the new project")
    pages = dict(zip(NAMES, window.pages, strict=True))
    pulse.phase = "import"
    began = time.monotonic()
    pages["studies"].start_import(
        ImportPlan((subset(folder, full),), source="demo", image_folder=DEMO)
    )
    wait_for(lambda: bool(pages["studies"].reports), 120, "the import's report")
    times["import"] = time.monotonic() - began
    QTest.qWait(300)
    pages["studies"].reports[0].grab().save(str(folder / "import_report.png"))
    pages["studies"].reports[0].close()
    window.show_page(1)
    if not full:
        for name, value in (
            ("Epochs, stage 1", 3),
            ("Epochs, stage 2", 3),
            ("Warm-up, stage 1", 1),
            ("Warm-up, stage 2", 1),
        ):
            pages["train"].settings.fields[name].setValue(value)
    for stage in ("Stage 1", "Stage 2"):
        pulse.phase = stage
        began = time.monotonic()
        click(window, f"start{stage.replace(' ', '')}Button")
        wait_for(lambda s=stage: window.queue.running == s, 30, f"{stage} to start")
        if full and stage == "Stage 2":
            QTest.qWait(25_000)
            window.grab().save(str(folder / "while_training.png"))
        wait_for(lambda: not window.queue.running, 1200, f"{stage} to end")
        times[stage] = time.monotonic() - began
        if stage == "Stage 1":
            label(window, pages, pulse)
    pulse.phase = "results"
    window.show_page(3)
    results = pages["results"]
    wait_for(lambda: results.review._shown is not None, 60, "an image with its map")
    next_image = []
    for _ in range(8):
        began, before = time.perf_counter(), results.review._shown
        QTest.keyClick(results.table, Qt.Key.Key_Down)
        wait_for(lambda b=before: results.review._shown is not b, 10, "the next image")
        next_image.append(1000 * (time.perf_counter() - began))
    shown = results.review._shown
    return {
        "times_s": {name: round(value, 1) for name, value in times.items()},
        "images_listed": results.model.rowCount(),
        "map_shape": list(shown.maps.maps["discrepancy"].shape),
        "map_is_drawn": results.review.main._overlay.image is not None,
        "roc_curves": len(results.panel.roc._curves),
        "measured_on": results.panel.measured.text(),
        "next_image_ms_with_20_ms_polling": round(max(next_image), 1),
    }


def label(window: MainWindow, pages: dict[str, object], pulse: Pulse) -> None:
    """Check some images by keys, so that module B surely has images."""
    pulse.phase = "labels"
    click(window, "reviewLabelsButton")
    page = pages["pseudoLabels"]
    window.activateWindow()  # no window manager does it, and keys go to the active window alone
    wait_for(window.isActiveWindow, 10, "the window to be active")
    wait_for(lambda: page.gallery.gallery.rowCount() > 0, 60, "the gallery")  # type: ignore[attr-defined]
    for key in (Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_N, Qt.Key.Key_Space):
        QTest.keyClick(page.gallery, key)  # type: ignore[attr-defined]
        QTest.qWait(150)
    wait_for(lambda: page._state.view.by_reader.sum() >= 4, 10, "the decisions")
    window.show_page(1)
    QTest.qWait(500)


def photograph(window: MainWindow, folder: Path) -> list[str]:
    """Screenshots of every workspace in both themes and sizes."""
    names = []
    for theme in (ThemeName.LIGHT, ThemeName.DARK):
        window._set_theme(str(theme))
        for size in SIZES:
            window.resize(*size)
            for number, page in enumerate(NAMES):
                window.show_page(number)
                QTest.qWait(700)
                name = f"{page}_{theme}_{size[0]}x{size[1]}.png"
                window.grab().save(str(folder / name))
                names.append(name)
    return names


def main() -> None:
    """Run; exit code 0 only when everything appeared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(options.folder / "settings")
    )
    application = QApplication(sys.argv[:1])
    settings = Settings()
    settings.reader = "BB"
    apply_theme(application, ThemeName.DARK)
    window = MainWindow(settings)
    window.resize(*SIZES[0])
    window.show()
    application.processEvents()
    start_seconds = time.perf_counter() - STARTED
    window.grab().save(str(options.folder / "first_start.png"))
    pulse = Pulse()
    pulse.phase = "idle"
    QTest.qWait(1000)
    seen = use(window, options.folder, options.full, pulse)
    pulse.phase = "screenshots"
    seen["screenshots"] = len(photograph(window, options.folder))
    seen["platform"] = application.platformName()
    seen["start_s"] = round(start_seconds, 2)
    seen["late_ms"] = pulse.summary()
    window.close()
    wait_for(lambda: window.is_closed, 60, "the window to close")
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
