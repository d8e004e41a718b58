"""Panes fold where there is no room, open on demand, and keep their widths."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QVBoxLayout, QWidget

from amae_app.settings import Settings
from amae_app.widgets.panes import Pane, Panes


def _panes(qtbot) -> Panes:
    panes = Panes(
        (
            Pane(QLabel("a"), "Left", 200, 250, fold=1),
            Pane(QLabel("b"), "Middle", 300, 400, stretch=1),
            Pane(QLabel("c"), "Right", 250, 300, fold=2),
        ),
        "trial",
        Settings(),
    )
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(panes)
    panes.page = page  # the test holds what holds it
    qtbot.addWidget(page)
    page.resize(1200, 400)
    page.show()
    qtbot.waitExposed(page)
    return panes


def _resize(panes: Panes, width: int) -> None:
    panes.window().resize(width, 400)
    QApplication.processEvents()


def test_what_does_not_fit_folds_in_its_order_and_opens_by_its_strip(qtbot):
    panes = _panes(qtbot)
    assert panes.folded == ()
    assert panes.sizes()[1] > 600  # what is over goes to the pane that stretches
    _resize(panes, 700)
    assert panes.folded == ("Left",)
    _resize(panes, 500)
    assert panes.folded == ("Left", "Right")
    _resize(panes, 700)
    assert panes.folded == ("Left",)
    strips = [b for b in panes.findChildren(QPushButton) if b.accessibleName() == "Open Left"]
    qtbot.mouseClick(strips[0], Qt.MouseButton.LeftButton)
    assert panes.folded == ("Right",)
    _resize(panes, 1200)
    assert panes.folded == ()


def test_no_pane_is_narrower_than_it_can_be_drawn(qtbot):
    panes = _panes(qtbot)
    for width in range(420, 1300, 37):
        _resize(panes, width)
        for size, pane in zip(panes.sizes(), panes._panes, strict=True):
            assert size >= (30 if pane.title in panes.folded else pane.least)


def test_widths_are_kept_for_the_next_start(qtbot):
    panes = _panes(qtbot)
    panes.setSizes([320, 500, 360])
    panes.splitterMoved.emit(0, 1)
    kept = panes.sizes()
    again = _panes(qtbot)
    assert again.sizes()[0] == pytest.approx(kept[0], abs=2)
    assert again.sizes()[2] == pytest.approx(kept[2], abs=2)


@pytest.mark.parametrize("size", [(1024, 640), (1366, 768), (2560, 1440)])
def test_every_page_fits_the_window_s_smallest_size_and_larger_ones(
    open_window, whole_path, qtbot, size
):
    window = open_window(whole_path)
    window.resize(*size)
    for number in range(5):
        window.show_page(number)
        QApplication.processEvents()
        hint = window.minimumSizeHint()
        assert (hint.width(), hint.height()) <= (1024, 640)
        assert hint.height() <= 640
        assert (window.width(), window.height()) == size
