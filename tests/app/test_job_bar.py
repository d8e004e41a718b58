"""The bottom bar keeps its places, says what is paused, and its notices go; the queue can be changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from itertools import pairwise

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QListWidget, QProgressBar, QPushButton, QWidget
from widgets_by_name import WAIT, click, find

from amae_app.job_bar import JobBar, JobShare
from amae_app.queue_dialog import QueueDialog
from amae_engine.catalog.job_queue import NewJob
from amae_engine.events import Event, Level, Notice, Progress


class _Job:
    """A job that stops after each event until it is let on."""

    def __init__(self, name: str, ran: list[str]) -> None:
        self.may_go = threading.Event()
        self._name, self._ran = name, ran

    def __call__(self) -> Generator[Event, None, None]:
        self._ran.append(self._name)
        for done in range(3):
            yield Progress(self._name, done, 3, 1 / 12, 60.0)
            self.may_go.wait(5)


@pytest.fixture
def bar(queues, qtbot):
    bar = JobBar(queues)
    bar.queue = queues.shown
    qtbot.addWidget(bar)
    bar.resize(1024, 40)
    bar.show()
    return bar


def _places(bar: JobBar) -> list[tuple[int, int]]:
    kinds = (QPushButton, QProgressBar)
    every = [w for kind in kinds for w in bar.findChildren(kind) if not w.isHidden()]
    return [(w.x(), w.width()) for w in every]


def test_nothing_moves_when_a_job_begins_pauses_and_ends(bar, qtbot):
    before, job = (
        _places(bar),
        _Job("Stage 1 · a step with quite a long name that does not fit", []),
    )
    bar.queue.do("Stage 1", job)
    qtbot.waitUntil(lambda: "12 images/s" in bar._detail.whole, timeout=WAIT)
    assert _places(bar) == before
    places = sorted(
        (w.x(), w.width())
        for w in bar.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
        if not w.isHidden()
    )
    assert all(a + width <= b for (a, width), (b, _) in pairwise(places))  # none over another
    assert bar._detail.text() == bar._detail.whole
    click(qtbot, bar, "pauseButton")
    assert bar._what.whole.startswith("Paused: Test")
    assert bar._progress.property("paused")
    assert find(bar, QPushButton, "pauseButton").text() == "Resume"
    assert _places(bar) == before
    click(qtbot, bar, "pauseButton")
    job.may_go.set()
    qtbot.waitUntil(lambda: bar._what.whole == "Nothing runs.", timeout=WAIT)
    assert _places(bar) == before
    assert not bar.pause_button.isEnabled()


def test_a_notice_is_whole_in_the_tooltip_and_expires(bar, qtbot):
    bar.show_notice("A sentence that is much too long for the place that it has " * 3)
    assert bar._notice.text() != bar._notice.whole
    assert bar._notice.toolTip() == bar._notice.whole
    assert bar._expiry.interval() == 15_000
    bar.show_notice("Beware", Level.WARNING)
    assert bar._expiry.interval() == 60_000
    bar._expiry.start(1)
    qtbot.waitUntil(lambda: bar._notice.whole == "", timeout=WAIT)


def test_waiting_jobs_are_reordered_and_taken_out_with_what_builds_on_them(bar, queues, qtbot):
    ran: list[str] = []
    queues.ended.connect(lambda _queue, job, _result, _message: ran.append(job.title))
    first, nothing = _Job("a", []), {"configs": []}
    bar.queue.do("a", first)
    qtbot.waitUntil(lambda: bar.queue.running == "a", timeout=WAIT)
    bar.queue.add(NewJob("b1", "peer_times", nothing), NewJob("b2", "peer_times", nothing))
    bar.queue.add(NewJob("c", "peer_times", nothing))
    dialog = QueueDialog(queues)
    qtbot.addWidget(dialog)
    dialog.show()
    shown = find(dialog, QListWidget, "queueList")

    def texts() -> list[str]:
        return [shown.item(row).text() for row in range(shown.count())]

    everything = ["running · Test · a", *(f"waits · Test · {name}" for name in ("b1", "b2", "c"))]
    qtbot.waitUntil(lambda: texts() == everything, timeout=WAIT)
    assert "then 3 more" in bar._what.whole
    assert bar.queue_button.text() == "Queue: 3"
    shown.setCurrentRow(3)
    click(qtbot, dialog, "firstJobButton")
    qtbot.waitUntil(lambda: [j.title for j in bar.queue.waiting] == ["c", "b1", "b2"], timeout=WAIT)
    shown.setCurrentRow(2)
    click(qtbot, dialog, "dropJobButton")
    qtbot.waitUntil(lambda: [job.title for job in bar.queue.waiting] == ["c"], timeout=WAIT)
    first.may_go.set()
    qtbot.waitUntil(lambda: bar.queue.running == "" and ran == ["a", "c"], timeout=WAIT)


def test_the_stored_queue_is_one_button_away(open_window, small_project, qtbot):
    from amae_engine.catalog import job_queue
    from amae_engine.catalog.job_queue import NewJob

    with small_project.session() as session:
        new = [NewJob(f"job {n}", "peer", {}, None, ()) for n in range(3)]
        job_queue.add(session, "table2-1", new)
    window = open_window(small_project)
    click(qtbot, window, "queueButton")
    click(qtbot, window.findChild(QueueDialog), "storedQueueButton")
    page = window.pages[4]
    assert window.stack.currentWidget() is page
    assert page.tabs.currentWidget() is page.experiments
    jobs = page.experiments.jobs
    qtbot.waitUntil(lambda: jobs.rowCount() == 3, timeout=WAIT)
    jobs.selectRow(1)
    click(qtbot, window, "cancelJobButton")
    qtbot.waitUntil(lambda: jobs.item(1, 1).text() == "cancelled", timeout=WAIT)


def test_notices_of_a_closed_project_go(open_window, small_project, whole_path, qtbot):
    window = open_window(small_project)
    window.job_bar.show_notice("about the first project")
    first = window.context
    window.open_project(whole_path.folder)
    qtbot.waitUntil(lambda: window.context not in (None, first), timeout=WAIT)
    assert window.job_bar._notice.whole == ""


def test_a_job_s_notice_is_shown(bar, qtbot):
    def job() -> Generator[Event, None, None]:
        yield Notice("three images are dark", Level.WARNING)

    bar.queue.do("look", job)
    qtbot.waitUntil(lambda: bar._notice.whole == "three images are dark", timeout=WAIT)


def test_the_bar_and_the_time_left_agree(monkeypatch):
    """A step that is all done, with minutes of other steps left, is no 100 %."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    share = JobShare()
    now[0] += 60
    assert share.at(Progress("module A", 500, 500, None, 180.0)) == pytest.approx(0.25)
    share.pause(True)
    now[0] += 1000  # a pause is no work
    share.pause(False)
    now[0] += 60
    assert share.at(Progress("module B", 10, 500, None, 120.0)) == pytest.approx(0.5)
    assert share.at(Progress("module B", 11, 500, None, 500.0)) == pytest.approx(0.5)  # not back
    assert share.at(Progress("module B", 500, 500, None, 0.0)) < 1  # while it runs
    unknown = JobShare()
    assert unknown.at(Progress("verifying", 3, 10)) == pytest.approx(0.3)
    assert unknown.at(Progress("reading", 0, 0)) == pytest.approx(0.3)
