"""A project that another window holds: it can be looked at, nothing starts, and the bar says why."""

from filelock import FileLock
from PySide6.QtWidgets import QLabel, QPushButton
from widgets_by_name import WAIT, find

from amae_engine.catalog import decisions
from amae_engine.catalog.tables import Label
from amae_engine.project import Project

WHY = "This project is open for reading only: it is open in another window."


def test_a_second_window_browses_and_changes_nothing(whole_path: Project, open_window, qtbot):
    with whole_path.session() as session:
        before = len(decisions.history(session, limit=1000))
    with FileLock(whole_path.folder / "private" / "window.lock"):
        window = open_window(whole_path)
        assert find(window, QLabel, "jobLabel").toolTip() == WHY
        labels_page, train = window.pages[2], window.pages[1]
        window.show_page(2)
        qtbot.waitUntil(lambda: labels_page.gallery.gallery.rowCount() > 0, timeout=WAIT)
        labels_page.gallery.select(0)
        labels_page.decide(Label.NORMAL)
        assert find(window, QLabel, "noticeLabel").toolTip() == WHY
        window.show_page(1)
        start = find(train, QPushButton, "startStage1Button")
        qtbot.waitUntil(lambda: start.toolTip() == WHY, timeout=WAIT)
        assert not start.isEnabled()
        train.start_stage1()  # by any other way
        assert not window.queue.running
        window.show_page(3)
        qtbot.waitUntil(lambda: window.pages[3].badge_text() != "", timeout=WAIT)
    with whole_path.session() as session:
        assert len(decisions.history(session, limit=1000)) == before


def test_another_theme_does_not_lock_the_window_out(whole_path: Project, open_window, qtbot):
    window = open_window(whole_path)
    assert window.context.project.only_reading == ""
    first = window.context
    window._set_theme("light")
    qtbot.wait(200)
    assert window.context is first
    assert window.context.project.only_reading == ""
