"""What opening a project costs the window: pages, plots, keys and the table."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QPushButton
from shiboken6 import isValid
from widgets_by_name import WAIT

from amae_app.page_builder import PageBuilder
from amae_app.settings import Settings
from amae_app.studies.image_table_model import ImageTableModel
from amae_app.theme import ThemeName, apply_theme, colours
from amae_app.training.live_plots import LivePlots
from amae_app.widgets.curve_plot import CurvePlot
from amae_app.widgets.page_keys import ReturnPresses
from amae_engine.catalog.synthetic import add_synthetic_images
from amae_engine.events import EpochEnd


@pytest.fixture
def window(open_window, small_project):
    return open_window(small_project)


def test_between_two_pages_the_window_answers(window, qtbot):
    builder = PageBuilder(lambda _: None, window)
    built: list[int] = []
    idle = QTimer(window)
    idle.timeout.connect(lambda: built.append(len(builder._pages)))
    idle.start(0)
    with qtbot.waitSignal(builder.built, timeout=WAIT) as told:
        builder.build(window.context, False)
    idle.stop()
    assert {1, 2, 3, 4} <= set(built)
    context, pages, is_demo = told.args
    assert (context, len(pages), is_demo) == (window.context, 5, False)
    for page in pages:
        qtbot.addWidget(page)


def test_a_project_that_is_not_shown_after_all_is_closed(window, qtbot):
    closed: list[object] = []
    builder = PageBuilder(closed.append, window)
    builder.build(window.context, False)
    builder._build_next()
    builder._build_next()
    dropped = list(builder._pages)
    with qtbot.waitSignals([page.destroyed for page in dropped], timeout=WAIT):
        builder.build(window.context, True)
    assert closed == [window.context]
    with qtbot.waitSignal(builder.built, timeout=WAIT) as told:
        pass
    assert (len(told.args[1]), told.args[2]) == (5, True)
    for page in told.args[1]:
        qtbot.addWidget(page)
    builder.drop()
    assert closed == [window.context]  # it is the window's now


def test_a_window_that_closes_while_it_opens_leaves_nothing_open(open_window, small_project, qtbot):
    window = open_window(None)
    contexts: list[object] = []
    window.opener.opened.connect(lambda *_: contexts.append(window._builder._context))
    window.opener.opened.connect(lambda *_: window.close())
    window.open_project(small_project.folder)
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    assert contexts[0] is not None
    assert (window.context, window.pages, window._builder._context) == (None, [], None)
    assert not window.opener._closing


@pytest.mark.parametrize("shown", ["studies", "results"])
def test_the_table_reads_the_rows_in_sight_alone(open_window, project, qtbot, monkeypatch, shown):
    Settings().workspace = shown  # a hidden table once measured every row
    read: list[int] = []
    row_at = ImageTableModel.row_at
    monkeypatch.setattr(ImageTableModel, "row_at", lambda s, n: (read.append(n), row_at(s, n))[1])
    with project.session() as session:
        add_synthetic_images(session, 2_000)
    window = open_window(project)
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 2_000, timeout=WAIT)
    window.show_page(0)
    qtbot.waitUntil(lambda: row_at(page.model, 0) is not None, timeout=WAIT)
    qtbot.wait(300)  # its columns take their widths
    assert 0 in read
    assert max(read) < 100


def test_a_long_run_is_drawn_once(qtbot, monkeypatch):
    plots = LivePlots()
    qtbot.addWidget(plots)
    drawn: list[int] = []
    monkeypatch.setattr(plots.rate_plot, "setXRange", lambda *_, **__: drawn.append(1))
    run = [
        EpochEnd(7, f"Stage 2 · module {m}", m, n, 150, 1 / n, 2 / n, 1e-3, 9.0, None)
        for m in "AB"
        for n in range(1, 151)
    ]
    plots.add_epochs(run)
    assert len(drawn) == 1
    assert {name: len(c.getData()[0]) for name, c in plots._curves.items()} == dict.fromkeys(
        ("module A", "A, unseen images", "module B", "B, unseen images"), 150
    )
    assert len(plots._rate_curve.getData()[0]) == 150  # of module B
    assert plots._rate_curve.opts["symbol"] is None


def test_a_plot_takes_the_theme_once_and_again_where_it_changes(qtbot, qapp, monkeypatch):
    apply_theme(qapp, ThemeName.DARK)
    plot = CurvePlot("x", "y", diagonal=True)
    qtbot.addWidget(plot)
    plot.show()
    taken: list[object] = []
    monkeypatch.setattr(plot, "follow_theme", lambda: taken.append(colours()))
    for width in (0, 1, 2):  # changes of style, not of theme
        plot.setStyleSheet(f"border: {width}px")
    assert len(taken) == 1
    apply_theme(qapp, ThemeName.LIGHT)
    qtbot.waitUntil(lambda: len(taken) == 2, timeout=WAIT)
    assert taken[1] is colours()
    apply_theme(qapp, ThemeName.DARK)


def test_return_presses_the_button_that_has_the_focus_also_after_another_died(window, qtbot):
    assert QApplication.instance().findChild(ReturnPresses) is not None
    pressed: list[str] = []
    first, second = QPushButton("first", window), QPushButton("second", window)
    second.clicked.connect(lambda: pressed.append("second"))
    for each in (first, second):
        each.show()
    window.activateWindow()
    first.setFocus()
    qtbot.waitUntil(first.hasFocus, timeout=WAIT)
    first.deleteLater()
    qtbot.waitUntil(lambda: not isValid(first), timeout=WAIT)
    second.setFocus()
    qtbot.waitUntil(second.hasFocus, timeout=WAIT)
    qtbot.keyClick(second, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: pressed == ["second"], timeout=WAIT)


def test_a_received_project_with_a_link_is_not_opened(
    open_window, whole_path, tmp_path, qtbot, monkeypatch
):
    whole_path.close()
    store = whole_path.folder / "pixels" / "images.u8"
    outside = store.rename(tmp_path / "outside.u8")
    store.symlink_to(outside)
    before = outside.read_bytes(), outside.stat().st_mtime, outside.stat().st_mode
    window, shown = open_window(None), []
    monkeypatch.setattr("amae_app.main_window.show_error", lambda _, text: shown.append(text))
    window.open_project(whole_path.folder)
    qtbot.waitUntil(lambda: bool(shown), timeout=WAIT)
    assert "pixels/images.u8 is a link. A project holds no links" in shown[0]
    assert window.context is None
    assert (outside.read_bytes(), outside.stat().st_mtime, outside.stat().st_mode) == before
