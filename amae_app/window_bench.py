"""`amae bench window`: how quick the window stays while it imports and trains."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from amae_app.event_pulse import Pulse
from amae_app.main_window import MainWindow
from amae_app.settings import Settings
from amae_app.theme import apply_theme
from amae_app.waiting import let_run, wait_until
from amae_engine.config import stage1_preset, stage2_preset
from amae_engine.jobs.child_process import run_in_child

_EPOCHS = 4
_LONGEST_WAIT_SECONDS = 600.0


def bench_window(as_json: bool) -> int:
    """Open the demo project in a real window, run both stages, print the event loop's lateness.

    Runs offscreen where there is no display. Nothing of the reader's own settings is used.
    """
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="amae-bench-") as place:
        found = _measure(Path(place))
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0
    sys.stdout.write(f"window ready after {found['start_s']} s ({found['platform']})\n")
    for phase, late in found["late_ms"].items():  # type: ignore[attr-defined]
        sys.stdout.write(
            f"{phase:<9} late by p50 {late['p50']} ms, p99 {late['p99']} ms, at most "
            f"{late['max']} ms ({late['n']} ticks of 16 ms)\n"
        )
    return 0


def _measure(folder: Path) -> dict[str, object]:
    began = time.perf_counter()
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    application = QApplication.instance() or QApplication(sys.argv[:1])
    settings = Settings()
    apply_theme(application, settings.theme)  # type: ignore[arg-type]
    window = MainWindow(settings)
    window.show()
    QApplication.processEvents()
    start_seconds = time.perf_counter() - began
    pulse = Pulse()
    pulse.phase = "idle"
    let_run(2.0)
    pulse.phase = "import"
    window.open_demo(folder / "demo")
    wait_until(
        lambda: window.context is not None and not window.queue.running, _LONGEST_WAIT_SECONDS
    )
    for name, stage, config in (
        ("stage 1", "stage1", stage1_preset("compact")),
        ("stage 2", "stage2", stage2_preset("compact")),
    ):
        pulse.phase = name
        schedule = config.training.replace(epochs=_EPOCHS, warmup_epochs=1).to_dict()
        settings_used = config.replace(training=schedule).to_dict()
        work = partial(run_in_child, folder / "demo", stage, settings_used)
        window.queue.add((name, work))
        wait_until(lambda: not window.queue.running, _LONGEST_WAIT_SECONDS)
    pulse.phase = "results"
    window.show_page(3)
    let_run(3.0)
    window.close()
    return {
        "start_s": round(start_seconds, 2),
        "platform": QApplication.platformName(),
        "late_ms": pulse.summary(),
    }
