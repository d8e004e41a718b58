"""Closing while a training runs: it is stopped, goes on without the window, or the window stays."""

from __future__ import annotations

import time

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton
from widgets_by_name import WAIT

from amae_app import closing
from amae_app.closing import Closing, ask_closing
from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import QueueState, RunState
from amae_engine.config import Stage1Config, TrainingConfig
from amae_engine.events import Progress
from amae_engine.project import Project


@pytest.fixture
def training(open_window, small_project, tiny_weights, qtbot, monkeypatch):
    """A window in which stage 1 runs for long, and what `ask_closing` will answer."""
    window = open_window(small_project)
    window.asks_at_close = True
    long = TrainingConfig(epochs=400, warmup_epochs=0, batch_size=8)
    config = Stage1Config(weights=str(tiny_weights), training=long).to_dict()
    answers: list[Closing] = []
    monkeypatch.setattr(
        closing, "ask_closing", lambda *_: answers.pop() if answers else Closing.STOP
    )
    window.context.queue.add(NewJob("Stage 1", "stage1", config))

    def has_epochs() -> bool:
        with small_project.session() as session:
            return any(row.epoch > 2 for row in runs.list_runs(session))

    qtbot.waitUntil(has_epochs, timeout=WAIT)
    yield window, answers
    window.asks_at_close = False
    with small_project.session() as session:
        for row in job_queue.open_rows(session):
            job_queue.cancel(session, row.id)


def test_the_window_stays_or_stops(training, open_window, small_project: Project, qtbot):
    window, answers = training
    answers.append(Closing.STAY)
    assert not window.close()
    assert window.queue.running == "Stage 1"
    answers.append(Closing.STOP)
    assert window.close()
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    with small_project.session() as session:
        (run,) = runs.list_runs(session)
        (job,) = job_queue.rows(session)
    assert run.state is RunState.CANCELLED
    assert (job.state, job.run_id) == (QueueState.PAUSED, run.id)
    again = open_window(small_project)
    label = again.findChild(QLabel, "jobLabel")
    qtbot.waitUntil(lambda: label.text() == "Paused: Stage 1", timeout=WAIT)
    again.show_page(1)
    button = again.findChild(QPushButton, "startStage1ResumeButton")
    qtbot.waitUntil(lambda: button.text() == f"Resume run {run.id}", timeout=WAIT)
    button.click()
    qtbot.waitUntil(lambda: again.queue.running == "Stage 1", timeout=WAIT)
    with small_project.session() as session:
        (job,) = job_queue.rows(session)
    assert job.run_id == run.id  # the same job goes on, and no second one


def test_it_goes_on_in_the_background_from_its_last_epoch(training, small_project, qtbot):
    window, answers = training
    answers.append(Closing.GO_ON)
    assert window.close()
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    project = Project.open(small_project.folder)
    with project.session() as session:
        (queued,) = job_queue.rows(session)
        (run,) = runs.list_runs(session)
    assert queued.run_id == run.id
    before, end = run.epoch, time.monotonic() + 600
    while time.monotonic() < end:
        with project.session() as session:
            (run,) = runs.list_runs(session)
            (queued,) = job_queue.rows(session)
        if run.epoch > before + 3:
            break
        time.sleep(0.2)
    assert run.epoch > before + 3  # the same run, by a worker of its own
    assert queued.state is QueueState.RUNNING


@pytest.mark.parametrize("can_go_on", [True, False])
def test_the_question_offers_what_is_possible(qtbot, can_go_on):
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QWidget

    parent = QWidget()
    qtbot.addWidget(parent)
    seen: list[list[str]] = []

    def answer() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        buttons = box.findChildren(QPushButton)
        seen.append([button.text() for button in buttons])
        next(b for b in buttons if b.text() == Closing.STOP.value).click()

    QTimer.singleShot(200, answer)
    assert ask_closing(parent, "Stage 1", can_go_on) is Closing.STOP
    assert (Closing.GO_ON.value in seen[0]) is can_go_on
    assert WAIT


def test_what_only_the_window_can_do_does_not_go_on(queues, qtbot):
    def holds():
        while True:
            time.sleep(0.01)
            yield Progress("x", 0, 1)

    queue = queues.shown
    assert queue.can_go_on_alone
    queue.do("Import", holds)
    qtbot.waitUntil(lambda: queue.running == "Import", timeout=WAIT)
    qtbot.waitUntil(lambda: not queue.can_go_on_alone, timeout=WAIT)
    queue.cancel()
    qtbot.waitUntil(lambda: not queue.running, timeout=WAIT)


def test_what_a_killed_window_left_is_offered_again(open_window, small_project, qtbot):
    with small_project.session() as session:
        (number,) = job_queue.add(session, "", [NewJob("Trials", "peer_times", {"configs": []})])
        assert job_queue.take(session, number)  # by a worker that is no more
    window = open_window(small_project)
    label = window.findChild(QLabel, "jobLabel")
    qtbot.waitUntil(lambda: label.text() == "Paused: Trials", timeout=WAIT)
    button = window.findChild(QPushButton, "pauseButton")
    assert button.text() == "Resume"
    button.click()

    def is_done() -> bool:
        with small_project.session() as session:
            return job_queue.rows(session)[0].state is QueueState.DONE

    qtbot.waitUntil(is_done, timeout=WAIT)


def test_what_this_window_did_not_work_at_is_left_as_it_is(
    queues, small_project, qtbot, monkeypatch
):
    started: list[object] = []
    monkeypatch.setattr("amae_app.project_queue.start_worker", started.append)
    with small_project.session() as session:
        job_queue.add(session, "", [NewJob("for later", "peer_times", {"configs": []})])
        job_queue.pause(session)
    with qtbot.waitSignal(queues.closed, timeout=WAIT):
        queues.close_all(goes_on=True)
    with small_project.session() as session:
        (job,) = job_queue.rows(session)
    assert (started, job.state) == ([], QueueState.PAUSED)
