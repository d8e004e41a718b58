"""Planted identities through the window, and a search of all that it wrote.

The window imports, shows every page and every image of Studies, decides, exports and prints; then its
settings, the home folder, the project (but for `private/`) and the copy to share are searched.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from amae_app.main_window import MainWindow
from amae_app.results.export_dialog import ExportChoice
from amae_app.results.results_page import ResultsPage
from amae_app.studies.studies_page import StudiesPage
from amae_app.workspaces import WORKSPACES
from amae_engine.jobs.evaluation.evaluate_run import judged_runs
from amae_engine.jobs.importing.import_plan import ImportPlan
from tests.robustness.captured_logs import capture_logs
from tests.robustness.planted import leaking_files, leaks, planted_files, planted_tables
from tests.robustness.scripted_window import (
    LONGEST_WAIT_SECONDS,
    close,
    decide,
    open_project,
    said_by_qt,
    scripted_window,
    show,
)
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import make_scored_project
from tests.waiting import let_run, wait_until

_WRITTEN = (".pdf", ".html", ".dcm", "scores.csv", "bundle.zip", ".amae", ".ini")  # by name's end
_HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
_EVERYTHING = ExportChoice(
    tables=True, report=True, pdf=True, logo=None, section=None, dicom=True, for_source_pacs=False,
    images=None, server=None, password="", model=True, bundle=True, with_weights=False, share=None,
)  # fmt: skip


def window_test() -> SelfTestResult:
    """Work with planted images in the window; fails where an identity is found in what it wrote."""
    before = {name: os.environ.get(name) for name in _HOMES}
    with tempfile.TemporaryDirectory(prefix="amae-selftest-") as text:
        place = Path(text)
        home = place / "home"
        home.mkdir()
        os.environ.update(dict.fromkeys(_HOMES, str(home)))
        try:
            with capture_logs(logging.INFO) as logs, said_by_qt(logs.lines):
                planted = _use(place)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        written = [path.name for path in place.rglob("*") if path.is_file()]
        absent = [end for end in _WRITTEN if not any(name.endswith(end) for name in written)]
        found = {
            f"{folder}/{name}": needles
            for folder in ("project", "copy", "home")
            for name, needles in leaking_files(place / folder).items()
        }
    found["the log"] = leaks("\n".join(logs.lines).encode())
    failures = tuple(f"{name} names the patient: {', '.join(n)}" for name, n in found.items() if n)
    failures += tuple(f"no {name} was written" for name in absent)
    return SelfTestResult("window", "planted identities", planted, planted - len(failures), failures,
                  facts={"found": len(failures), "files searched": len(written)})  # fmt: skip


def _use(place: Path) -> int:
    """All the acts; how many identities were planted."""
    folder = make_scored_project(place, "SELFTEST")
    files = place / "MRN-77120415 Secretperson"
    _, planted = planted_files(files)
    tables, in_tables = planted_tables(place / "Quentin 19610203")
    window = scripted_window(place / "home" / "settings", "SELFTEST")
    open_project(window, folder)
    for plan in (ImportPlan((files,), role="test", source="ward"), *tables):
        _import(window, plan)
    for page in range(len(WORKSPACES)):
        show(window, page)
    decide(window, Qt.Key.Key_A)
    _look_at_every_image(window)
    _export(window, place / "copy")
    close(window)
    shutil.rmtree(files)  # only what the window wrote is searched
    return planted + in_tables


def _import(window: MainWindow, plan: ImportPlan) -> None:
    """As the import dialog does when it is accepted."""
    page = window.pages[0]
    assert isinstance(page, StudiesPage)
    show(window, 0)
    before = len(page.reports)
    page.start_import(plan)
    wait_until(lambda: len(page.reports) > before, LONGEST_WAIT_SECONDS)
    let_run(0.2)


def _look_at_every_image(window: MainWindow) -> None:
    """Each row of Studies, so that its image, its original and its history are shown."""
    page = window.pages[0]
    assert isinstance(page, StudiesPage)
    show(window, 0)
    page.table.selectRow(0)
    for _ in range(page.model.rowCount()):
        QTest.keyClick(page.table, Qt.Key.Key_Down)
        let_run(0.05)


def _export(window: MainWindow, copy: Path) -> None:
    page, context = window.pages[3], window.context
    assert isinstance(page, ResultsPage)
    assert context is not None
    show(window, 3)
    newest = judged_runs(context.project)[0].id
    page.exports.export(newest, replace(_EVERYTHING, share=copy))
    wait_until(  # the queue takes its jobs in after the click
        lambda: bool(context.queue.running or context.queue.waiting), LONGEST_WAIT_SECONDS
    )
    wait_until(
        lambda: not context.queue.running and not context.queue.waiting, LONGEST_WAIT_SECONDS
    )
