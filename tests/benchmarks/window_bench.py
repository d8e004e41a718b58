"""`amae bench window`: how soon the window is there, how quick it stays while it imports and trains,
and what a large catalog costs it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import psutil
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_app.theme import apply_theme
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.synthetic import add_synthetic_images
from amae_engine.config import Stage1Config, Stage2Config, of_preset
from amae_engine.project import Project
from tests.benchmarks.event_pulse import Pulse
from tests.benchmarks.process_memory import resident_bytes
from tests.waiting import let_run, wait_until

_EPOCHS = 4
_MANY = 100_000  # images of a large catalog
_LONGEST_WAIT_SECONDS = 600.0


def bench_window(as_json: bool) -> int:
    """Open the demo project in a real window, run both stages, then open a large catalog.

    Prints when the window was usable, counted from the start of this process, how late the event
    loop was in each phase, and what the large catalog needs. For a cold start, empty the system's
    file cache before.

    Runs offscreen where there is no display. Nothing of the reader's own settings is used.
    """
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="amae-bench-") as place:
        found = _measure(Path(place))
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    sys.stdout.write(
        f"window usable {found['start_s']} s after the process began ({found['platform']})\n"
    )
    sys.stdout.write(
        f"closed beside a job that is silent: the event thread is held {found['close_ms']} ms, the "
        f"project is closed after {found['closed_s']} s\n"
    )
    for phase, late in found["late_ms"].items():  # type: ignore[attr-defined]
        sys.stdout.write(
            f"{phase:<9} late by p50 {late['p50']} ms, p99 {late['p99']} ms, at most "
            f"{late['max']} ms ({late['n']} ticks of 16 ms)\n"
        )
    sys.stdout.write(
        f"{_MANY} images: opened in {found['many_open_s']} s; process {found['before_mb']} MB "
        f"before, {found['many_mb']} MB with every page shown\n"
    )
    return 0


def _measure(folder: Path) -> dict[str, object]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    application = QApplication.instance() or QApplication(sys.argv[:1])
    settings = Settings()
    apply_theme(application, settings.theme)  # type: ignore[arg-type]
    window = MainWindow(settings)
    window.show()
    QApplication.processEvents()
    start_seconds = time.time() - psutil.Process().create_time()
    pulse = Pulse()
    pulse.phase = "idle"
    let_run(2.0)
    pulse.phase = "import"
    window.open_demo(folder / "demo")
    wait_until(
        lambda: window.context is not None and not window.queue.running, _LONGEST_WAIT_SECONDS
    )
    for name, stage, config in (
        ("stage 1", "stage1", of_preset(Stage1Config, "foundation")),
        ("stage 2", "stage2", of_preset(Stage2Config, "foundation")),
    ):
        pulse.phase = name
        schedule = config.training.replace(epochs=_EPOCHS, warmup_epochs=1).to_dict()
        settings_used = config.replace(training=schedule).to_dict()
        window.context.queue.add(NewJob(name, stage, settings_used))
        wait_until(lambda: bool(window.queue.running), _LONGEST_WAIT_SECONDS)
        wait_until(lambda: not window.queue.running, _LONGEST_WAIT_SECONDS)
    pulse.phase = "results"
    window.show_page(3)
    let_run(3.0)
    many = _open_many(window, folder / "many", pulse)
    window.open_project(folder / "demo")
    wait_until(lambda: window.context is not None and window.context.project.name == "Demo",
               _LONGEST_WAIT_SECONDS)  # fmt: skip
    closing = _close_beside_a_silent_job(window, pulse)
    return {
        "start_s": round(start_seconds, 2),
        **many,
        **closing,
        "platform": QApplication.platformName(),
        "late_ms": pulse.summary(),
    }


def _close_beside_a_silent_job(window: MainWindow, pulse: Pulse) -> dict[str, float]:
    """Close while the training process says nothing, as in a long computation between two events."""
    assert window.context is not None
    window.context.queue.add(
        NewJob("Stage 1", "stage1", of_preset(Stage1Config, "foundation").to_dict())
    )
    wait_until(lambda: bool(window.queue.running), _LONGEST_WAIT_SECONDS)
    let_run(3.0)
    workers = [p for p in psutil.Process().children(recursive=True) if p.cpu_percent(0.2) > 20]
    for process in workers:
        process.suspend()
    let_run(0.5)
    pulse.phase = "closing"
    began = time.perf_counter()
    window.close()
    held = time.perf_counter() - began
    wait_until(lambda: window.is_closed, _LONGEST_WAIT_SECONDS)
    return {
        "close_ms": round(1000 * held, 1),
        "closed_s": round(time.perf_counter() - began, 1),
        "silent_processes": len(workers),
    }


def _open_many(window: MainWindow, folder: Path, pulse: Pulse) -> dict[str, float]:
    """Open a catalog of many made-up images, show every page, and say what it took."""
    pulse.phase = "making"
    project = Project.create(folder, "Many")
    with project.session() as session:
        add_synthetic_images(session, _MANY)
    project.analyse()
    project.close()
    let_run(0.5)
    before = resident_bytes()
    pulse.phase = "many"
    began = time.perf_counter()
    window.open_project(folder)
    wait_until(
        lambda: window.context is not None and window.context.project.folder == folder,
        _LONGEST_WAIT_SECONDS,
    )
    studies = window.pages[0]
    wait_until(lambda: f"{_MANY:,}".replace(",", "") in re.sub(r"\D", "", studies.badge_text()),
               _LONGEST_WAIT_SECONDS)  # fmt: skip
    opened = time.perf_counter() - began
    for number in range(len(window.pages)):
        window.show_page(number)
        let_run(1.0)
    return {
        "many_open_s": round(opened, 2),
        "before_mb": round(before / 1e6),
        "many_mb": round(resident_bytes() / 1e6),
    }
