"""A window stays on its screen, and pages are found as they were left."""

import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from widgets_by_name import WAIT, find

from amae_app.main_window import MainWindow
from amae_app.pseudo_labels.curation_state import Order, Shown
from amae_app.settings import Settings
from amae_app.training.card import CardState
from amae_engine.events import Changed, EpochEnd, Progress
from amae_engine.runs.rising_loss import rise_text


def _fits(window: MainWindow) -> bool:
    return any(
        s.availableGeometry().contains(window.frameGeometry()) for s in QGuiApplication.screens()
    )


def test_a_window_fits_each_screen(qtbot):
    small = QGuiApplication.screens()[1]
    window = MainWindow(Settings())
    qtbot.addWidget(window)
    window.show()
    assert _fits(window)
    assert (window.minimumWidth(), window.minimumHeight()) == (1024, 640)
    window.windowHandle().setScreen(small)  # 1366 × 768 pixels at scale 1.5
    window.move(small.availableGeometry().topLeft() + QPoint(20, 20))
    window.windowHandle().screenChanged.emit(small)
    qtbot.waitUntil(lambda: _fits(window), timeout=WAIT)
    assert window.minimumWidth() <= 910


@pytest.mark.parametrize("left", [QRect(2000, 1200, 1366, 768), QRect(-900, -500, 1366, 768)])
def test_a_window_that_was_left_half_outside_comes_back(qtbot, left):
    first = MainWindow(Settings())
    qtbot.addWidget(first)
    first.setGeometry(left)
    first.settings.geometry = first.saveGeometry()
    again = MainWindow(Settings())
    qtbot.addWidget(again)
    assert _fits(again)


def test_studies_is_found_as_it_was_left(open_window, small_project, qtbot):
    window = open_window(small_project)
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    page._on_header(5)
    page._on_header(3)
    page._on_header(3)  # by split, falling
    qtbot.waitUntil(lambda: page._listed_by[1:] == ("split", True), timeout=WAIT)
    page.table.selectRow(17)
    chosen = page._selected()
    window._close_project()
    window = open_window(small_project)
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    assert page._listed_by[1:] == ("split", True)
    qtbot.waitUntil(lambda: page._selected() == chosen, timeout=WAIT)


def test_pseudo_labels_are_found_as_they_were_left(open_window, rated_project, qtbot):
    window = open_window(rated_project)
    page = window.pages[2]
    window.show_page(2)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    page.offered.order.setCurrentText(str(Order.MOST_ABNORMAL))
    page.offered.shown.setCurrentText(str(Shown.UNCHECKED))
    page.gallery.select(4)
    image = page.gallery.current_tile().image_id
    window._close_project()
    window = open_window(rated_project)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page.gallery.current_tile() is not None, timeout=WAIT)
    assert page.offered.order.currentText() == Order.MOST_ABNORMAL
    assert page.offered.shown.currentText() == Shown.UNCHECKED
    assert page.gallery.current_tile().image_id == image


@pytest.mark.parametrize("changed", [Changed.RUNS, Changed.SETTINGS, Changed.IMAGES])
def test_the_image_stays_in_focus_while_something_else_changes(
    open_window, rated_project, qtbot, changed
):
    window = open_window(rated_project)
    page = window.pages[2]
    window.show_page(2)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    page.gallery.select(6)
    image = page.gallery.current_tile().image_id
    states = []
    shown = page._show
    page._show = lambda answer: (shown(answer), states.append(answer))
    window.context.announcer.announce(changed)
    qtbot.waitUntil(lambda: bool(states), timeout=WAIT)
    assert page.gallery.current_tile().image_id == image


def test_a_paused_step_is_not_called_running(open_window, rated_project, qtbot):
    window = open_window(rated_project)

    def job():
        while True:
            yield Progress("Stage 1", 1, 2, None, 60.0)

    window.context.queue.do("Stage 1", job)
    page = window.pages[1]
    window.show_page(1)
    qtbot.waitUntil(lambda: "Running: Stage 1" in page.cards.queue.text(), timeout=WAIT)
    page.cards.stage1.state.setText(str(CardState.RUNNING))
    window.context.queue.toggle_pause()
    qtbot.waitUntil(lambda: "Paused: Stage 1" in page.cards.queue.text(), timeout=WAIT)
    window.context.queue.toggle_pause()
    window.context.queue.cancel()
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)


def _epochs(*losses: float, module: str = "") -> list[EpochEnd]:
    return [
        EpochEnd(3, "Stage 1", module, n, len(losses), 0.1, loss, 1e-4, 50.0, None)
        for n, loss in enumerate(losses, start=1)
    ]


def test_a_validation_loss_that_rises_is_said(open_window, rated_project, qtbot):
    assert rise_text(_epochs(0.5, 0.3, 0.31, 0.32, 0.4)) == (
        "The validation loss was lowest after epoch 2 (0.3000) and has risen to 0.4000: fewer epochs "
        "may do better."
    )
    for falls in ((0.5, 0.4, 0.3), (0.5, 0.3, 0.4, 0.4), (0.5, 0.3, 0.301, 0.302, 0.303), ()):
        assert rise_text(_epochs(*falls)) == ""
    both = _epochs(0.5, 0.4, module="A") + _epochs(0.2, 0.3, 0.4, 0.5, module="B")
    assert rise_text(both).startswith("Module B's loss on unseen images was lowest after epoch 1")
    window = open_window(rated_project)
    plots = window.pages[1].plots
    label = find(window, QLabel, "risingLoss")
    plots.add_epochs(_epochs(0.5, 0.3, 0.31))
    assert label.isHidden()
    for event in _epochs(0.5, 0.3, 0.31, 0.32, 0.4)[3:]:
        plots.add_epoch(event)
    assert not label.isHidden()
    assert "lowest after epoch 2" in label.text()
