"""The window as a reader uses it, driven through its widgets."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest
from demo_images import DEMO
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QTableView, QWidget
from widgets_by_name import WAIT, click, find

from amae_app.job_thread import JobThread
from amae_app.theme import DARK, LIGHT
from amae_engine.catalog import decisions, image_tables, job_queue, runs, studies
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.events import Changed, Progress
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.project import Project

# --- start ---------------------------------------------------------------------------------------


def test_the_first_start_offers_demo_new_and_open(open_window):
    window = open_window(None)
    for name in ("openDemoButton", "newProjectButton", "openProjectButton"):
        assert find(window, QPushButton, name).isVisible()


def test_the_demo_button_makes_a_project_of_real_images(open_window, qtbot, tmp_path: Path):
    window = open_window(None)
    window.open_demo(tmp_path / "demo")
    qtbot.waitUntil(lambda: window.context is not None, timeout=WAIT)
    studies_page = window.pages[0]
    qtbot.waitUntil(lambda: studies_page.badge_text() == "240", timeout=WAIT)


def test_a_folder_that_is_no_project_is_reported_and_nothing_breaks(
    open_window, tmp_path: Path, qtbot
):
    window = open_window(None)
    window.open_project(tmp_path)
    from PySide6.QtWidgets import QMessageBox

    qtbot.waitUntil(lambda: window.findChild(QMessageBox) is not None, timeout=WAIT)
    box = window.findChild(QMessageBox)
    assert "is not an AMAE project" in box.text()
    box.close()
    assert window.context is None


def test_a_project_opens_off_the_event_thread_and_the_newest_choice_wins(
    open_window, small_project, tmp_path: Path, qtbot, monkeypatch
):
    other = Project.create(tmp_path / "other", "Other")
    other.close()
    real, threads, go = Project.open, [], threading.Event()

    def slow(folder: Path) -> Project:
        threads.append(threading.current_thread())
        if folder == other.folder:
            assert go.wait(20)  # a catalog server that takes its time
        return real(folder)

    monkeypatch.setattr(Project, "open", slow)
    window = open_window(None)
    window.open_project(other.folder)
    window.open_project(small_project.folder)
    qtbot.wait(100)  # the event thread runs on
    assert window.context is None
    go.set()
    qtbot.waitUntil(lambda: window.context is not None, timeout=WAIT)
    assert window.context.project.folder == small_project.folder
    assert threading.main_thread() not in threads


def test_research_use_only_is_always_in_sight(open_window, small_project):
    window = open_window(small_project)
    for number in range(5):
        window.show_page(number)
        labels = [w for w in window.findChildren(QLabel) if "Research use only" in w.text()]
        assert any(label.isVisible() for label in labels)


# --- studies -------------------------------------------------------------------------------------


def test_the_table_filters_in_sql_and_shows_thumbnails(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(0)
    table = find(window, QTableView, "studiesTable")
    qtbot.waitUntil(lambda: table.model().rowCount() == 40, timeout=WAIT)
    find(window, QWidget, "filterEdit").setText("split:test truth:abnormal")
    qtbot.waitUntil(lambda: table.model().rowCount() == 5, timeout=WAIT)
    first = table.model().index(0, 0)
    qtbot.waitUntil(
        lambda: table.model().data(first, Qt.ItemDataRole.DecorationRole) is not None, timeout=WAIT
    )


def test_importing_through_the_page_reports_every_file(open_window, project, qtbot, tmp_path: Path):
    window = open_window(project)
    page = window.pages[0]
    window.show_page(0)
    (tmp_path / "bad.dcm").write_text("text")
    images = sorted((DEMO / "images").glob("normal_*.jpeg"))[:3]
    page.start_import(ImportPlan((*images, tmp_path / "bad.dcm"), role="normal", source="ward"))
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    report = page.reports[0]
    assert report.table.item(0, 0).text() == "bad.dcm"
    assert "not a DICOM file" in report.table.item(0, 2).text()
    qtbot.waitUntil(lambda: page.badge_text() == "3", timeout=WAIT)
    report.close()


def test_moving_images_to_another_split(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(0)
    table = find(window, QTableView, "studiesTable")
    qtbot.waitUntil(lambda: table.model().rowCount() == 40, timeout=WAIT)
    table.selectRow(0)
    find(window, QComboBox, "moveToCombo").setCurrentText("test")
    click(qtbot, window, "moveButton")
    qtbot.waitUntil(lambda: _count(small_project, Split.TEST) == 11, timeout=WAIT)
    window.pages[0]._context.undo()
    qtbot.waitUntil(lambda: _count(small_project, Split.TEST) == 10, timeout=WAIT)


def _count(project: Project, split: Split) -> int:
    with project.session() as session:
        return studies.split_counts(session)[split].images


# --- train ---------------------------------------------------------------------------------------


def test_a_project_without_images_waits_for_them(open_window, project, qtbot):
    window = open_window(project)
    window.show_page(1)
    button = find(window, QPushButton, "startStage1Button")
    page = window.pages[1]
    qtbot.waitUntil(lambda: page.badge_text() == "needs images", timeout=WAIT)
    assert not button.isEnabled()


def test_both_stages_run_from_the_buttons(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(1)
    page = window.pages[1]
    page.settings.preset.setCurrentText("compact")
    fields = page.settings.fields
    for name, value in (
        ("Epochs, stage 1", 2),
        ("Epochs, stage 2", 2),
        ("Warm-up, stage 1", 1),
        ("Warm-up, stage 2", 1),
    ):
        fields[name].setValue(value)
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    click(qtbot, window, "startStage1Button")
    qtbot.waitUntil(lambda: window.queue.running == "Stage 1", timeout=WAIT)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)
    with small_project.session() as session:
        stage1 = runs.newest(session, RunKind.STAGE1)
        assert stage1 is not None
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
    start = find(window, QPushButton, "startStage2Button")
    window.context.announcer.announce(Changed.DECISIONS)  # made elsewhere: module B has images now
    qtbot.waitUntil(
        lambda: (
            page._state.next_step == "stage2"
            and not page._state.stage2.without_stage2
            and start.isEnabled()
        ),
        timeout=WAIT,
    )
    click(qtbot, window, "startStage2Button")
    qtbot.waitUntil(lambda: window.queue.running == "Stage 2", timeout=WAIT)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)
    qtbot.waitUntil(lambda: page._state.next_step == "results", timeout=WAIT)
    assert {"module A", "module B"} <= set(page.plots._losses)
    window.show_page(3)
    results = window.pages[3]
    qtbot.waitUntil(lambda: results.badge_text().startswith(("AUC 0.", "AUC 1.")), timeout=WAIT)


def test_cancelling_keeps_the_run_resumable(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    page.settings.preset.setCurrentText("compact")
    page.settings.fields["Epochs, stage 1"].setValue(500)
    click(qtbot, window, "startStage1Button")
    qtbot.waitUntil(lambda: bool(page.plots._losses), timeout=WAIT)
    click(qtbot, window, "pauseButton")
    assert find(window, QPushButton, "pauseButton").text() == "Resume"
    click(qtbot, window, "cancelButton")
    assert window.context.queue.is_cancelling
    assert find(window, QPushButton, "cancelButton").text() == "Cancelling…"
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)
    with small_project.session() as session:
        assert runs.list_runs(session)[0].state is RunState.CANCELLED
    resume = find(window, QPushButton, "startStage1ResumeButton")
    qtbot.waitUntil(lambda: resume.isVisible() and resume.text() == "Resume run 1", timeout=WAIT)
    # to go on is the first choice now, to begin again the second
    assert resume.property("primary")
    start = find(window, QPushButton, "startStage1Button")
    assert start.text() == "Start anew"
    assert not start.property("primary")
    needs = find(window, QLabel, "needsLabel")
    qtbot.waitUntil(lambda: "of memory" in needs.text(), timeout=WAIT)


# --- jobs, themes, help --------------------------------------------------------------------------


def _failing():
    yield Progress("x", 0, 1)
    raise RuntimeError("out of memory")


def test_a_runtime_error_in_a_job_reaches_the_reader(qtbot):
    thread = JobThread(_failing)
    with qtbot.waitSignal(thread.failed, timeout=WAIT) as caught:
        thread.start()
    assert caught.args == ["RuntimeError: out of memory"]
    thread.wait()


def test_a_failed_job_drops_the_ones_that_build_on_it(queues, small_project, qtbot):
    bad, good = {"preset": "no such"}, {"configs": []}
    ended = []
    queues.ended.connect(lambda _queue, job, _result, message: ended.append((job.title, message)))
    queues.shown.add(NewJob("first", "stage1", bad), NewJob("second", "peer_times", good))
    queues.shown.add(NewJob("third", "peer_times", good))
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=WAIT)
    assert ended[0][0] == "first"
    assert "no such" in ended[0][1]
    assert ended[1] == ("third", "")
    with small_project.session() as session:
        states = [str(row.state) for row in job_queue.rows(session)]
    assert states == ["failed", "dropped", "done"]


def test_pausing_stops_the_generator(queues, qtbot):
    seen = []

    def counting():
        for number in range(10_000):
            seen.append(number)
            time.sleep(0.005)
            yield Progress("z", number, 10_000)

    queue = queues.shown
    queue.do("count", counting)
    qtbot.waitUntil(lambda: len(seen) > 3, timeout=WAIT)
    queue.toggle_pause()
    qtbot.wait(600)
    at_pause = len(seen)
    qtbot.wait(600)
    assert len(seen) == at_pause
    queue.toggle_pause()
    qtbot.waitUntil(lambda: len(seen) > at_pause + 3, timeout=WAIT)


def _contrast(one: str, two: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_text_has_enough_contrast(theme):
    for text in (theme.text, theme.quiet, theme.normal, theme.abnormal, theme.good, theme.warning):
        assert _contrast(text, theme.card) >= 4.5
    assert _contrast(theme.on_accent, theme.accent) >= 4.5


def test_every_button_and_field_has_a_name_and_a_tooltip(open_window, scored_project):
    window = open_window(scored_project)
    nameless = [
        button.text() or button.objectName()
        for button in window.findChildren(QPushButton)
        if button.objectName()
        and not (button.toolTip() and (button.accessibleName() or button.text()))
    ]
    assert nameless == []


def test_f1_opens_the_help_of_the_workspace(open_window, small_project):
    from PySide6.QtWidgets import QTextBrowser

    from amae_app.help_window import show_help

    window = open_window(small_project)
    dialog = show_help(window, "help/results.md")
    assert "likelihood ratio" in dialog.findChild(QTextBrowser).toPlainText().lower()
    dialog.close()


def test_the_theme_changes_while_a_project_is_open(open_window, small_project, qtbot):
    window = open_window(small_project)
    before = window.context
    window._set_theme("light")
    from amae_app.theme import colours

    assert colours() is LIGHT
    assert window.context is before  # nothing is opened anew
    window._set_theme("dark")
    qtbot.wait(200)


def test_what_a_closed_project_still_computes_holds_nobody(
    open_window, small_project, tmp_path, qtbot
):
    """Another project opens at once; the first one is closed when its work has ended."""
    import threading

    window = open_window(small_project)
    first = window.context
    go, answers, ended = threading.Event(), [], []
    first.runner.run("long", lambda: go.wait(30), answers.append)
    first.destroyed.connect(lambda: ended.append(True))
    Project.create(tmp_path / "second", "Second").close()
    window.open_project(tmp_path / "second")
    qtbot.waitUntil(
        lambda: window.context is not None and window.context is not first, timeout=WAIT
    )
    assert window.context.project.name == "Second"
    assert not ended
    go.set()
    qtbot.waitUntil(lambda: ended == [True], timeout=WAIT)
    assert answers == []  # nobody waits for it any more


def test_garbage_is_collected_in_the_thread_of_the_window(open_window, qtbot):
    gc.enable()
    open_window(None)
    threads: list[threading.Thread] = []
    kept: list[list[int]] = []

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            threads.append(threading.current_thread())

    def work() -> None:  # allocates more than Python would let pass without a collection
        Cycle()
        kept.extend([number] for number in range(200_000))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert not gc.isenabled()
    assert threads == []
    qtbot.waitUntil(lambda: bool(threads), timeout=WAIT)
    assert threads == [threading.main_thread()]


def test_a_closed_project_leaves_nothing_in_memory(open_window, small_project, tmp_path, qtbot):
    import weakref

    window = open_window(small_project)
    first = weakref.ref(window.context.project)
    Project.create(tmp_path / "second", "Second").close()
    window.open_project(tmp_path / "second")
    qtbot.waitUntil(lambda: window.context.project.name == "Second", timeout=WAIT)

    def is_gone() -> bool:
        gc.collect()
        return first() is None

    qtbot.waitUntil(is_gone, timeout=WAIT)
