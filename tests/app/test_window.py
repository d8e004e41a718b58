"""The window as a reader uses it, driven through its widgets."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from demo_images import DEMO
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QSlider, QTableView, QWidget

from amae_app.job_queue import JobQueue
from amae_app.job_thread import JobThread
from amae_app.results.review_state import Listed
from amae_app.theme import DARK, LIGHT
from amae_engine.catalog import decisions, image_tables, runs, studies
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput
from amae_engine.events import Progress
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.project import Project

WAIT = 20_000


def _find(window, kind, name: str):
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def _click(qtbot, window, name: str) -> None:
    qtbot.mouseClick(_find(window, QPushButton, name), Qt.MouseButton.LeftButton)


# --- start ---------------------------------------------------------------------------------------


def test_the_first_start_offers_demo_new_and_open(open_window):
    window = open_window(None)
    for name in ("openDemoButton", "newProjectButton", "openProjectButton"):
        assert _find(window, QPushButton, name).isVisible()


def test_the_demo_button_makes_a_project_of_real_images(open_window, qtbot, tmp_path: Path):
    window = open_window(None)
    window.open_demo(tmp_path / "demo")
    qtbot.waitUntil(lambda: window.context is not None, timeout=60_000)
    studies_page = window._pages[0]
    qtbot.waitUntil(lambda: studies_page.count_text() == "240", timeout=WAIT)


def test_a_folder_that_is_no_project_is_told_and_nothing_breaks(open_window, tmp_path: Path, qtbot):
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
    table = _find(window, QTableView, "studiesTable")
    qtbot.waitUntil(lambda: table.model().rowCount() == 40, timeout=WAIT)
    _find(window, QWidget, "filterEdit").setText("split:test truth:abnormal")
    qtbot.waitUntil(lambda: table.model().rowCount() == 5, timeout=WAIT)
    first = table.model().index(0, 0)
    qtbot.waitUntil(
        lambda: table.model().data(first, Qt.ItemDataRole.DecorationRole) is not None, timeout=WAIT
    )


def test_importing_through_the_page_reports_every_file(open_window, project, qtbot, tmp_path: Path):
    window = open_window(project)
    page = window._pages[0]
    window.show_page(0)
    (tmp_path / "bad.dcm").write_text("text")
    images = sorted((DEMO / "images").glob("normal_*.jpeg"))[:3]
    page.start_import(ImportPlan((*images, tmp_path / "bad.dcm"), role="normal", source="ward"))
    qtbot.waitUntil(lambda: bool(page.reports), timeout=WAIT)
    report = page.reports[0]
    assert report.table.item(0, 0).text() == "bad.dcm"
    assert "not a DICOM file" in report.table.item(0, 2).text()
    qtbot.waitUntil(lambda: page.count_text() == "3", timeout=WAIT)
    report.close()


def test_moving_images_to_another_split(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(0)
    table = _find(window, QTableView, "studiesTable")
    qtbot.waitUntil(lambda: table.model().rowCount() == 40, timeout=WAIT)
    table.selectRow(0)
    _find(window, QComboBox, "moveToCombo").setCurrentText("test")
    _click(qtbot, window, "moveButton")
    qtbot.waitUntil(lambda: _count(small_project, Split.TEST) == 11, timeout=WAIT)
    window._pages[0].actions_of_page.undo()
    qtbot.waitUntil(lambda: _count(small_project, Split.TEST) == 10, timeout=WAIT)


def _count(project: Project, split: Split) -> int:
    with project.session() as session:
        return studies.split_counts(session)[split].images


# --- train ---------------------------------------------------------------------------------------


def test_a_project_without_images_waits_for_them(open_window, project, qtbot):
    window = open_window(project)
    window.show_page(1)
    button = _find(window, QPushButton, "startStage1Button")
    page = window._pages[1]
    qtbot.waitUntil(lambda: page.count_text() == "needs images", timeout=WAIT)
    assert not button.isEnabled()


def test_both_stages_run_from_the_buttons(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(1)
    page = window._pages[1]
    fields = page.settings.fields
    for name, value in (("epochs1", 2), ("epochs2", 2), ("warmup", 1)):
        fields[name].setValue(value)
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    _click(qtbot, window, "startStage1Button")
    qtbot.waitUntil(lambda: window.queue.running == "Stage 1", timeout=WAIT)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=120_000)
    with small_project.session() as session:
        stage1 = runs.newest(session, RunKind.STAGE1)
        assert stage1 is not None
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
    start = _find(window, QPushButton, "startStage2Button")
    qtbot.waitUntil(lambda: page._state.next_step == "stage2" and start.isEnabled(), timeout=WAIT)
    _click(qtbot, window, "startStage2Button")
    qtbot.waitUntil(lambda: window.queue.running == "Stage 2", timeout=WAIT)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=120_000)
    qtbot.waitUntil(lambda: page._state.next_step == "results", timeout=WAIT)
    assert set(page.plots._losses) == {"module A", "module B"}
    window.show_page(3)
    results = window._pages[3]
    qtbot.waitUntil(lambda: results.count_text().startswith(("AUC 0.", "AUC 1.")), timeout=WAIT)


def test_cancelling_keeps_the_run_resumable(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(1)
    page = window._pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    page.settings.fields["epochs1"].setValue(500)
    _click(qtbot, window, "startStage1Button")
    qtbot.waitUntil(lambda: bool(page.plots._losses), timeout=120_000)
    _click(qtbot, window, "pauseButton")
    assert _find(window, QPushButton, "pauseButton").text() == "Resume"
    _click(qtbot, window, "cancelButton")
    assert window.queue.is_cancelling
    assert _find(window, QPushButton, "cancelButton").text() == "Cancelling…"
    qtbot.waitUntil(lambda: not window.queue.running, timeout=60_000)
    with small_project.session() as session:
        assert runs.list_runs(session)[0].state is RunState.CANCELLED
    resume = _find(window, QPushButton, "startStage1ResumeButton")
    qtbot.waitUntil(lambda: resume.isVisible() and resume.text() == "Resume run 1", timeout=WAIT)


# --- pseudo-labels -------------------------------------------------------------------------------


def test_without_stage1_the_page_says_what_comes_first(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(2)
    empty = _find(window, QLabel, "emptyPseudoLabels")
    qtbot.waitUntil(lambda: "Stage 1 has not run yet" in empty.text(), timeout=WAIT)
    _click(qtbot, window, "emptyPseudoLabelsButton")
    assert window.stack.currentWidget() is window._pages[1]


@pytest.fixture
def labels_page(open_window, rated_project, qtbot):
    window = open_window(rated_project)
    window.show_page(2)
    page = window._pages[2]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def _decided(project: Project, page) -> dict[int, Label]:
    page._context._acts.waitForDone()  # acts are written off the event thread
    with project.session() as session:
        return decisions.current(session)


def test_keys_decide_and_undo(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(0)
    first = page.gallery.gallery.tile(0).image_id
    qtbot.keyClick(page.gallery, Qt.Key.Key_A)
    assert _decided(rated_project, labels_page) == {first: Label.ABNORMAL}
    qtbot.waitUntil(lambda: page.gallery.gallery.tile(0).checked, timeout=WAIT)
    assert page.gallery.currentIndex().row() == 1  # the next image is in focus
    qtbot.keyClick(page.gallery, Qt.Key.Key_X)
    assert len(_decided(rated_project, labels_page)) == 2
    page.undo()
    page.undo()
    assert _decided(rated_project, labels_page) == {}
    page.redo()
    assert _decided(rated_project, labels_page) == {first: Label.ABNORMAL}
    with rated_project.session() as session:
        assert [row.kind for row in decisions.history(session)] == [
            "redo", "undo", "undo", "decide", "decide",
        ]  # fmt: skip


def test_a_range_is_decided_in_one_act(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(0)
    for _ in range(3):
        qtbot.keyClick(page.gallery, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert len(page.gallery.selected_tiles()) == 4
    qtbot.keyClick(page.gallery, Qt.Key.Key_N)
    assert list(_decided(rated_project, labels_page).values()) == [Label.NORMAL] * 4
    page.undo()
    assert _decided(rated_project, labels_page) == {}


def test_space_confirms_what_stage1_says(labels_page, rated_project, qtbot):
    page = labels_page
    _find(page, QComboBox, "orderCombo").setCurrentText("most abnormal first")
    tile = page.gallery.gallery.tile(0)
    assert tile.probability > 0.9
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)
    assert _decided(rated_project, labels_page) == {tile.image_id: Label.ABNORMAL}


def test_k_moves_the_cuts_and_the_counts(labels_page, qtbot):
    page = labels_page
    before = page.cuts.counts.text()
    page.cuts.keep.setValue(100)
    qtbot.waitUntil(lambda: (page._state.view.labels >= 0).all(), timeout=WAIT)
    assert page.cuts.counts.text() != before
    assert "unused <b>0</b>" in page.cuts.counts.text()
    page.cuts.histogram.line_dropped.emit(1, 0.9)
    qtbot.waitUntil(lambda: page.cuts.keep.value() < 100, timeout=WAIT)


def test_purity_is_given_with_its_interval_and_count(labels_page, qtbot):
    page = labels_page
    assert "purity is unknown" in page.review.text()
    page.gallery.selectAll()
    page.confirm()
    qtbot.waitUntil(lambda: "of 10 checked images" in page.review.text(), timeout=WAIT)
    assert "95 % interval" in page.review.text()
    assert "n = " in page.truth.text()


def test_a_reader_without_a_name_cannot_decide(labels_page, rated_project):
    labels_page._context.settings.reader = ""
    labels_page.gallery.select(0)
    labels_page.decide(Label.NORMAL)
    assert _decided(rated_project, labels_page) == {}


# --- results and compare -------------------------------------------------------------------------


@pytest.fixture
def results_page(open_window, scored_project, qtbot):
    window = open_window(scored_project)
    window.show_page(3)
    page = window._pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    page.score_combo.setCurrentIndex(page.score_combo.findData(str(ScoreKind.DISCREPANCY)))
    page.score_combo.activated.emit(page.score_combo.currentIndex())
    qtbot.waitUntil(lambda: page.review._shown.kind is ScoreKind.DISCREPANCY, timeout=WAIT)
    return page


def test_images_are_listed_by_score_with_their_map(results_page):
    page = results_page
    assert page.model.rowCount() == 10
    values = [float(page.model.data(page.model.index(i, 2))) for i in range(10)]
    assert values == sorted(values, reverse=True)
    assert page.review._shown.maps.of_score(page.kind).shape == (64, 64)
    assert page.review.main._overlay.image is not None


def test_every_score_says_whose_it_is_and_on_what_it_was_measured(results_page):
    text = results_page.panel.numbers.text()
    for kind in ScoreKind:
        assert kind.origin in text or kind.origin == "peer"
    assert "5 normal + 5 abnormal test images of 'Test'" in results_page.panel.measured.text()


def test_the_operating_point_moves_everywhere(results_page):
    page = results_page
    page.panel.threshold_changed.emit(float(np.inf))
    assert page.panel.cells[Listed.TRUE_POSITIVE].text() == "0"
    page.panel.threshold_changed.emit(-1.0)
    assert page.panel.cells[Listed.TRUE_POSITIVE].text() == "5"
    assert page.panel.cells[Listed.FALSE_POSITIVE].text() == "5"
    assert "optimistic" in page.panel.point.text()


def test_a_confusion_cell_filters_the_list(results_page, qtbot):
    page = results_page
    page.panel.threshold_changed.emit(-1.0)
    _click(qtbot, page, "cellFalsePositives")
    assert page.model.rowCount() == 5
    truths = {page.model.data(page.model.index(i, 3)) for i in range(5)}
    assert truths == {"normal"}


def test_reading_keys_act_on_the_image(results_page, qtbot):
    page = results_page
    qtbot.keyClick(page.table, Qt.Key.Key_I)
    assert page.review.main.is_inverted
    qtbot.keyClick(page.table, Qt.Key.Key_G)
    assert page.review.main._overlay.image is None
    qtbot.keyClick(page.table, Qt.Key.Key_2)
    assert page.review.main.levels == (0.1, 0.7)
    qtbot.keyClick(page.table, Qt.Key.Key_Space)
    assert page.review.main.levels == (0.0, 1.0)
    assert not page.review.main.is_inverted


def test_overlay_controls_change_the_picture(results_page):
    page = results_page
    before = page.review.main._overlay.image.copy()
    slider = _find(page, QSlider, "overlaySlider")
    slider.setValue(90)
    assert page.review.main._overlay.image[..., 3].max() > before[..., 3].max()
    _find(page, QSlider, "thresholdSlider").setValue(100)
    assert (page.review.main._overlay.image[..., 3] > 0).mean() < 0.1


def test_linked_views_zoom_together(results_page):
    review = results_page.review
    review.zoom(2)
    wide = review.main.box.viewRect()
    small = review.small["mean_a"].box.viewRect()
    assert small.center().x() == pytest.approx(wide.center().x(), abs=0.05)
    assert small.width() < 2.5 * wide.width()


def test_missing_truth_explains_what_is_missing(open_window, scored_project, qtbot):
    with scored_project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    window = open_window(scored_project)
    window.show_page(3)
    problem = _find(window, QLabel, "rocProblem")
    qtbot.waitUntil(lambda: "Set the truth of test images" in problem.text(), timeout=WAIT)
    assert window._pages[3].model.rowCount() == 10


def test_export_writes_into_the_project(results_page, scored_project, qtbot):
    _click(qtbot, results_page, "exportButton")
    folder = scored_project.exports_folder / "run-003"
    qtbot.waitUntil(lambda: (folder / "images.png").is_file(), timeout=60_000)


def test_compare_lists_runs_and_tests_two(open_window, scored_project, qtbot):
    from demo_images import finish

    from amae_engine.config import MaskPlan, ScoreConfig
    from amae_engine.jobs.judging.score_images import score_images

    finish(score_images(scored_project, ScoreConfig(mask_plan=MaskPlan.COMPLEMENTARY)))
    window = open_window(scored_project)
    window.show_page(4)
    page = window._pages[4]
    qtbot.waitUntil(lambda: page.table.rowCount() == 2, timeout=WAIT)
    assert "DeLong p =" in page.test.text()
    differing = {page.settings.item(r, 0).text() for r in range(page.settings.rowCount())}
    assert differing == {"score.mask_plan"}


# --- jobs, themes, help --------------------------------------------------------------------------


def _failing():
    yield Progress("x", 0, 1)
    raise RuntimeError("out of memory")


def test_a_runtime_error_in_a_job_reaches_the_reader(qtbot):
    thread = JobThread(_failing)
    with qtbot.waitSignal(thread.failed, timeout=5000) as caught:
        thread.start()
    assert caught.args == ["RuntimeError: out of memory"]
    thread.wait()


def test_a_failed_job_drops_the_ones_that_build_on_it(qtbot):
    def bad():
        raise BadInput("no images")
        yield

    def good():
        yield Progress("y", 1, 1)

    queue = JobQueue()
    ended = []
    queue.ended.connect(lambda job, _result, message: ended.append((job.title, message)))
    queue.add(("first", bad), ("second", good))
    queue.add(("third", good))
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=5000)
    assert ended == [("first", "no images"), ("third", "")]


def test_pausing_stops_the_generator(qtbot):
    seen = []

    def counting():
        for number in range(10_000):
            seen.append(number)
            time.sleep(0.005)
            yield Progress("z", number, 10_000)

    queue = JobQueue()
    queue.add(("count", counting))
    qtbot.waitUntil(lambda: len(seen) > 3, timeout=5000)
    queue.toggle_pause()
    qtbot.wait(100)
    at_pause = len(seen)
    qtbot.wait(200)
    assert len(seen) == at_pause
    queue.toggle_pause()
    qtbot.waitUntil(lambda: len(seen) > at_pause + 3, timeout=5000)
    queue.shut_down()


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
    dialog = show_help(window, "results")
    assert "likelihood ratio" in dialog.findChild(QTextBrowser).toPlainText().lower()
    dialog.close()


def test_the_theme_changes_while_a_project_is_open(open_window, small_project, qtbot):
    window = open_window(small_project)
    before = window.context
    window._set_theme("light")
    from amae_app.theme import colours

    assert colours() is LIGHT
    qtbot.waitUntil(lambda: window.context is not before, timeout=WAIT)
    window._set_theme("dark")
    qtbot.wait(200)
