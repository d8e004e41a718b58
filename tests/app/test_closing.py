"""Closing while a training runs: it is stopped, goes on without the window, or the window stays."""

from __future__ import annotations

import time

import pytest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton
from widgets_by_name import WAIT

from amae_app import closing
from amae_app.child_job import ChildJob
from amae_app.closing import Closing, ask_closing, jobs_to_hand_over
from amae_app.job_queue import JobQueue, Owner, QueuedJob
from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.tables import QueueState, RunState
from amae_engine.config import Stage1Config, TrainingConfig
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
    window.context.queue.add(("Stage 1", ChildJob(small_project.folder, "stage1", config)))

    def has_epochs() -> bool:
        with small_project.session() as session:
            return any(row.epoch > 2 for row in runs.list_runs(session))

    qtbot.waitUntil(has_epochs, timeout=WAIT)
    yield window, answers
    window.asks_at_close = False
    with small_project.session() as session:
        for row in job_queue.rows(session):
            job_queue.cancel(session, row.id)


def test_the_window_stays_or_stops(training, small_project: Project, qtbot):
    window, answers = training
    answers.append(Closing.STAY)
    assert not window.close()
    assert window.queue.running == "Stage 1"
    answers.append(Closing.STOP)
    assert window.close()
    project = Project.open(small_project.folder)
    with project.session() as session:
        assert runs.list_runs(session)[0].state is RunState.CANCELLED
        assert job_queue.rows(session) == []


def test_it_goes_on_in_the_background_from_its_last_epoch(training, small_project, qtbot):
    window, answers = training
    answers.append(Closing.GO_ON)
    assert window.close()
    project = Project.open(small_project.folder)
    with project.session() as session:
        (queued,) = job_queue.rows(session)
        (run,) = runs.list_runs(session)
    assert queued.experiment == "window-1"
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


def test_trials_whose_answer_only_the_window_wants_do_not_go_on(small_project: Project):
    queue = JobQueue()
    folder = small_project.folder
    for name in ("score", "peer_times"):
        queue._waiting.append(QueuedJob(name, ChildJob(folder, name, {}), 1, Owner(folder)))
    assert [job.job for job in jobs_to_hand_over(queue, small_project)] == ["score"]
