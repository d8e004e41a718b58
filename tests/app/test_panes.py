"""Panes fold where there is no room, open on demand, and keep their widths."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

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
    qtbot.addWidget(panes)
    panes.resize(1200, 400)
    panes.show()
    qtbot.waitExposed(panes)
    return panes


def test_what_does_not_fit_folds_in_its_order_and_opens_by_its_strip(qtbot):
    panes = _panes(qtbot)
    assert panes.folded == ()
    assert panes.sizes()[1] > 600  # what is over goes to the pane that stretches
    panes.resize(700, 400)
    assert panes.folded == ("Left",)
    panes.resize(500, 400)
    assert panes.folded == ("Left", "Right")
    panes.resize(700, 400)
    assert panes.folded == ("Left",)
    strips = [b for b in panes.findChildren(QPushButton) if b.accessibleName() == "Open Left"]
    qtbot.mouseClick(strips[0], Qt.MouseButton.LeftButton)
    assert panes.folded == ("Right",)
    panes.resize(1200, 400)
    assert panes.folded == ()


def test_no_pane_is_narrower_than_it_can_be_drawn(qtbot):
    panes = _panes(qtbot)
    for width in range(420, 1300, 37):
        panes.resize(width, 300)
        QApplication.processEvents()
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
