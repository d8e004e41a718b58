"""What the window says is true: of which project, by which score, of what it was made."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest
from demo_images import DEMO, demo_files, finish
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton
from widgets_by_name import WAIT

from amae_app.training.card import CardState
from amae_app.training.pipeline_state import read_pipeline_state
from amae_app.widgets.score_histogram import Histogram
from amae_engine.catalog import decisions, image_tables, runs, undo
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import (
    PretrainConfig,
    PseudoLabelConfig,
    PseudoLabelSource,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.events import EpochEnd, Progress
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def _cards(project: Project, labels: PseudoLabelConfig = PseudoLabelConfig()):  # noqa: B008
    return read_pipeline_state(project, labels)


# --- stage cards ---------------------------------------------------------------------------------


def test_cards_are_done_until_their_inputs_change(whole_path: Project):
    state = _cards(whole_path)
    assert (state.stage1.state, state.stage2.state) == (CardState.DONE, CardState.DONE)
    assert state.next_step == "results"
    # a confirm of a label in use changes nothing that a run would see
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB", kind="confirm")
    state = _cards(whole_path)
    assert (state.stage1.state, state.stage2.state) == (CardState.DONE, CardState.DONE)
    # one image more for module B does
    with whole_path.session() as session:
        decisions.decide(session, ids[5:6], Label.EXCLUDE, "BB")
    card = _cards(whole_path).stage2
    assert card.state is CardState.STALE
    assert "1 of module B's images changed (20.0 %)" in card.reason
    with whole_path.session() as session:
        undo.undo(session, "BB")
    assert _cards(whole_path).stage2.state is CardState.DONE


def test_another_k_or_source_makes_stage2_out_of_date(whole_path: Project):
    wider = PseudoLabelConfig(keep_percent=100)
    assert _cards(whole_path, wider).stage2.state is CardState.STALE
    other = PseudoLabelConfig(source=PseudoLabelSource.UNLABELED)
    card = _cards(whole_path, other).stage2
    assert card.state is CardState.STALE
    assert "images changed" in card.reason
    assert _cards(whole_path).stage2.state is CardState.DONE


def test_images_that_come_make_stage1_out_of_date_by_name(whole_path: Project):
    every = from_csv(DEMO / "manifest.csv", CsvColumns())
    test = [f for f in every if f.role == "test"][40:42]
    finish(import_images(whole_path, test, "later"))
    card = _cards(whole_path).stage1
    assert (card.state, card.reason) == (CardState.STALE, "2 test images not rated yet")
    normal = [f for f in every if f.role == "normal"][40:43]
    finish(import_images(whole_path, normal, "later"))
    assert "normal images came or went" in _cards(whole_path).stage1.reason


def test_modules_that_have_not_scored_offer_scoring_alone(whole_path: Project):
    finish(train_stage2(whole_path, Stage2Config(training=SHORT)))
    card = _cards(whole_path).stage2
    assert (card.state, card.only_score) == (CardState.STALE, True)
    assert card.reason == "the test images are not scored yet"
    finish(score_images(whole_path, ScoreConfig()))
    assert _cards(whole_path).stage2.state is CardState.DONE


def test_where_stage2_has_nothing_to_learn_from_its_button_scores_without_it(
    open_window, small_project, tiny_weights, qtbot
):
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.NORMAL, "BB")
    card = _cards(small_project).stage2
    assert (card.state, card.without_stage2) == (CardState.READY, True)
    assert "Module B needs at least 2 pseudo-abnormal images; there are 0" in card.reason
    window = open_window(small_project)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(
        lambda: page.cards.stage2.button.text() == "Score without stage 2", timeout=WAIT
    )
    qtbot.mouseClick(page.cards.stage2.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.cards.results_button.isVisible(), timeout=WAIT)
    state = _cards(small_project)
    assert (state.stage2.state, state.next_step) == (CardState.DONE, "results")
    qtbot.mouseClick(page.cards.results_button, Qt.MouseButton.LeftButton)
    results = window.pages[3]
    qtbot.waitUntil(lambda: results.score_combo.count() == 4, timeout=WAIT)
    # an image more that a reader calls abnormal, and one more: stage 2 can begin
    with small_project.session() as session:
        decisions.decide(session, ids[:2], Label.ABNORMAL, "BB")
    card = _cards(small_project).stage2
    assert (card.state, card.only_score) == (CardState.READY, False)


def test_without_unlabeled_images_the_test_images_are_scored_without_stage2(
    project: Project, tiny_weights: Path
):
    finish(import_images(project, demo_files(20, 0, 10), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    card = _cards(project).stage2
    assert (card.state, card.without_stage2) == (CardState.READY, True)
    assert "none of the 0 unlabeled images" in card.reason
    finish(score_images(project, ScoreConfig(without_stage2=True)))
    assert _cards(project).next_step == "results"


def test_without_test_images_there_is_nothing_to_score(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 0, 0), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    card = _cards(project).stage2
    assert (card.state, card.can_start) == (CardState.WAITING, False)


def test_scoring_that_was_stopped_goes_on_unless_its_settings_were_changed(
    open_window, whole_path, qtbot
):
    finish(train_stage2(whole_path, Stage2Config(training=SHORT)))
    window = open_window(whole_path)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    job = score_images(whole_path, page.settings.score())
    next(event for event in job if isinstance(event, Progress))
    job.close()
    begun = _cards(whole_path).stage2.begun_score
    assert begun is not None
    assert f"scoring, run {begun.id}, was stopped" in _cards(whole_path).stage2.reason
    page._state = dataclasses.replace(page._state, stage2=_cards(whole_path).stage2)
    added = []
    window.context.queue.add = lambda *jobs: added.extend(jobs)
    page.start_stage2()
    settings = page.settings.score
    page.settings.score = lambda: settings().replace(seed=7)
    page.start_stage2()
    assert [(job.title, job.run_id) for job in added] == [("Scoring", begun.id), ("Scoring", None)]


# --- pre-training --------------------------------------------------------------------------------


def test_pretraining_waits_for_images(open_window, project, qtbot):
    window = open_window(project)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    button = window.findChild(QPushButton, "startPretrainButton")
    assert not button.isEnabled()
    assert "needs 16 images; there are 0" in page.cards.weights.reason.text()


def test_pretraining_uses_the_settings_shown(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    page.settings.fields["Epochs, pre-training"].setValue(1)
    page.settings.fields["Seed"].setValue(7)
    page.settings.fields["Masked, pre-training"].setValue(0.6)
    window.findChild(QPushButton, "startPretrainButton").click()
    qtbot.waitUntil(lambda: window.queue.running == "Pre-training", timeout=WAIT)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)
    with small_project.session() as session:
        row = runs.newest(session, RunKind.PRETRAIN)
    config = PretrainConfig.from_dict(row.config)
    assert (config.training.epochs, config.training.seed, config.mask_ratio) == (1, 7, 0.6)


# --- patients ------------------------------------------------------------------------------------


def test_images_of_unknown_patients_get_no_green_tick(open_window, project, qtbot):
    files = [SourceFile(f.path, f.role, f.truth) for f in demo_files(4, 2, 2)]
    finish(import_images(project, files, "ward"))
    window = open_window(project)
    window.show_page(0)
    page = window.pages[0]
    qtbot.waitUntil(lambda: "nothing says who the patient is" in page.leak.text(), timeout=WAIT)
    assert "✓" not in page.leak.text()
    assert page.leak.property("state") == ""
    assert "0 known patients · patient unknown for 8" in page.summary.text()
    column = 2
    qtbot.waitUntil(lambda: page.model.data(page.model.index(0, column)) == "unknown", timeout=WAIT)
    good, sentence = _cards(project).checks[0]
    assert not good
    assert "cannot be checked" in sentence


# --- jobs belong to a project --------------------------------------------------------------------


def test_another_project_s_job_is_not_taken_for_one_s_own(
    open_window, small_project, qtbot, tmp_path: Path
):
    other = Project.create(tmp_path / "second", "Second")
    finish(import_images(other, demo_files(16, 4, 4), "demo"))
    other.close()
    window = open_window(small_project)
    window.show_page(1)
    release = threading.Event()

    def training():
        for epoch in range(1, 200):
            yield EpochEnd(1, "Stage 1", "", epoch, 200, 1.0, None, 1e-3, 5.0, 9.0)
            yield Progress("Stage 1", epoch, 200)
            time.sleep(0.02)
            if release.is_set():
                return

    window.context.queue.do("Stage 1", training)
    own = window.pages[1]
    qtbot.waitUntil(lambda: bool(own.plots._losses), timeout=WAIT)
    window.open_project(other.folder)
    qtbot.waitUntil(lambda: window.context.project.folder == other.folder, timeout=WAIT)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    qtbot.wait(300)
    assert page.plots.is_empty
    assert window.context.queue.running == ""
    assert "next: stage 1" in page.badge_text()
    label = window.findChild(QLabel, "jobLabel")
    assert label.text().startswith("Test · Stage 1")
    assert "busy with Stage 1 of project Test" in page.cards.queue.text()
    assert page.cards.stage1.button.isEnabled()  # what is started now waits for the other
    release.set()
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)


def test_a_job_that_cannot_even_be_made_does_not_stop_the_queue(queues, qtbot):
    def broken():
        raise KeyError("no such thing")

    def good():
        yield Progress("y", 1, 1)

    queue, ended = queues.shown, []
    queue.ended.connect(lambda job, _result, message: ended.append((job.title, message)))
    queue.do("broken", broken)
    queue.do("good", good)
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=WAIT)
    assert ended == [("broken", "KeyError: 'no such thing'"), ("good", "")]


def test_an_epoch_s_end_does_not_read_the_catalog_again(
    open_window, whole_path, qtbot, monkeypatch
):
    from amae_app.training import training_page

    window = open_window(whole_path)
    window.show_page(1)
    page = window.pages[1]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    reads = []
    real = training_page.read_pipeline_state
    monkeypatch.setattr(
        training_page, "read_pipeline_state", lambda *a: reads.append(1) or real(*a)
    )

    def training():
        for epoch in range(1, 30):
            yield EpochEnd(9, "Stage 2 · module A", "A", epoch, 30, 1.0, None, 1e-3, 5.0, 9.0)

    window.context.queue.do("Stage 2", training)
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)
    qtbot.wait(300)
    assert len(page.plots._losses["module A"][0]) == 29
    assert len(reads) <= 2  # when it ends, not at each epoch


def test_a_histogram_s_new_name_stands_under_the_middle_of_its_axis(qtbot):
    histogram = Histogram("P")
    qtbot.addWidget(histogram)
    histogram.resize(300, 200)
    histogram.show()
    qtbot.waitExposed(histogram)
    histogram.name_values("P(abnormal) by normal against unlabeled")
    axis = histogram.getAxis("bottom")
    middle = axis.label.pos().x() + axis.label.boundingRect().width() / 2
    assert middle == pytest.approx(axis.size().width() / 2, abs=1.5)
