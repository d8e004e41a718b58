"""What a new user meets: themes, Ctrl+K, the tour, help, recent projects, and a crash."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import QColor, QFocusEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)
from widgets_by_name import WAIT, click

from amae_app.crash import CrashGuard, scrubbed
from amae_app.help_window import HelpWindow
from amae_app.palette import Entry, matching
from amae_app.palette_entries import help_pages
from amae_app.settings import Settings
from amae_app.start_page import StartPage
from amae_app.theme import DARK, LIGHT, Colours, colours
from amae_app.workspaces import WORKSPACES
from amae_engine.events import Progress
from amae_engine.resources import resource

PAIRS = [("text", "ground"), ("text", "card"), ("text", "raised"), ("quiet", "ground"),
         ("quiet", "card"), ("on_accent", "accent"), ("normal", "card"), ("abnormal", "card"),
         ("good", "card"), ("warning", "card"), ("accent", "card")]  # fmt: skip
# Machado et al. 2009, severity 1: what people without one kind of cone see, in linear light
_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def _linear(colour: str) -> np.ndarray:
    rgb = np.array(QColor(colour).getRgbF()[:3])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _contrast(one: str, other: str) -> float:
    weights = np.array([0.2126, 0.7152, 0.0722])  # WCAG 2.2
    high, low = sorted((float(_linear(c) @ weights) for c in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_has_a_contrast_of_4_5_on_every_ground(theme: Colours, ink: str, ground: str):
    assert _contrast(getattr(theme, ink), getattr(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("kind", _BLIND)
def test_normal_and_abnormal_are_reported_apart_without_one_kind_of_cone(theme: Colours, kind: str):
    seen = [np.array(_BLIND[kind]) @ _linear(c) for c in (theme.normal, theme.abnormal)]
    assert np.linalg.norm(np.clip(seen[0], 0, 1) - np.clip(seen[1], 0, 1)) > 0.2


def test_plots_follow_the_theme_at_once(open_window, whole_path, qtbot):
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    before = window.context
    window._set_theme("light")
    assert colours() is LIGHT
    for plot in (page.panel.roc, page.panel.operating.histogram, window.pages[1].plots.loss_plot):
        qtbot.waitUntil(
            lambda plot=plot: plot.backgroundBrush().color() == QColor(LIGHT.card), timeout=WAIT
        )
        assert plot.getAxis("left").pen().color() == QColor(LIGHT.quiet)
    assert window.context is before
    window._set_theme("dark")


def test_the_best_match_stands_first():
    entries = [Entry("key", text, print) for text in ("Invert", "Export", "Next image", "Import…")]
    assert [e.text for e in matching(entries, "im")] == ["Import…", "Next image"]
    assert matching(entries, "image next")[0].text == "Next image"
    assert matching(entries, "zebra") == []


def test_ctrl_k_goes_to_pages_images_runs_settings_and_help(open_window, whole_path, qtbot):
    window = open_window(whole_path)
    window.show_page(0)

    def find(text: str, wanted: str) -> None:
        window.activateWindow()  # a screen does that when a dialog closes
        qtbot.wait(50)
        QTest.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
        palette = window.finder.palette
        qtbot.keyClicks(palette.line, text)
        qtbot.waitUntil(lambda: any(wanted in e.text for e in palette._shown), timeout=WAIT)
        place = next(n for n, e in enumerate(palette._shown) if wanted in e.text)
        for _ in range(place):
            qtbot.keyClick(palette.line, Qt.Key.Key_Down)
        qtbot.keyClick(palette.line, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: window.finder.palette is None, timeout=WAIT)

    find("go compare", "Go to Compare")
    assert window.stack.currentWidget() is window.pages[4]
    find("CXR-00003", "CXR-00003")
    assert window.pages[0].filter.text() == "name:CXR-00003"
    qtbot.waitUntil(lambda: window.pages[0].model.rowCount() == 1, timeout=WAIT)
    find("run 3", "Run 3")
    assert window.stack.currentWidget() is window.pages[3]
    find("abnormal share", "Abnormal share of B")
    field = window.pages[1].settings.fields["Abnormal share of B"]
    assert window.stack.currentWidget() is window.pages[1]
    assert field.hasFocus() or not window.isActiveWindow()
    find("operating point", "Results: Operating point")
    shown = window.findChild(HelpWindow)
    assert shown.pages.currentData() == "help/results.md"
    assert "Operating point" in shown.browser.textCursor().selectedText()
    find("light theme", "Light theme")
    assert colours() is LIGHT
    window._set_theme("dark")


def test_the_tour_has_a_sentence_a_workspace_over_widgets_that_are_there(
    open_window, small_project, qtbot
):
    window = open_window(small_project)
    assert not window.settings.has_seen_tour
    window.finder.start_tour()
    tour = window.finder.tour
    for row in WORKSPACES:
        assert window.findChild(QWidget, row.tour_at).isVisible()
        assert row.tour in tour.text.text()
        assert window.rect().contains(tour._box.geometry())
        assert not tour._box.geometry().intersects(tour._target())
        click(qtbot, window, "tourNext")
        assert (window.finder.tour is None) == (row is WORKSPACES[-1])
    assert window.settings.has_seen_tour
    window.finder.start_tour()
    click(qtbot, window, "tourSkip")
    assert window.finder.tour is None


def test_help_is_searched_over_all_pages(qtbot):
    shown = HelpWindow("help/studies.md")
    qtbot.addWidget(shown)
    shown.search.setText("cardiothoracic ratio")
    shown.find_next()
    assert shown.browser.textCursor().selectedText().lower() == "cardiothoracic ratio"


def test_help_opens_the_documents_and_their_links(qtbot):
    shown = HelpWindow("docs/results.md")
    qtbot.addWidget(shown)
    assert shown.pages.currentText() == "Results on development images"
    shown.browser.anchorClicked.emit(QUrl("method.md"))
    assert shown.browser.toPlainText().startswith("The method: where it follows the paper")
    shown.browser.anchorClicked.emit(QUrl("../secret.md"))
    assert shown.pages.currentData() == "docs/method.md"
    assert all(resource(path).is_file() for path in help_pages())


def test_recent_projects_are_offered_newest_first(open_window, small_project, tmp_path, qtbot):
    window = open_window(small_project)
    settings = Settings()
    settings.remember_project(tmp_path / "gone")
    settings.remember_project(small_project.folder)
    assert settings.recent_projects == [small_project.folder, tmp_path / "gone"]
    page = StartPage(settings.recent_projects)
    qtbot.addWidget(page)
    with qtbot.waitSignal(page.recent_wanted) as asked:
        click(qtbot, page, "recentButton")
    assert asked.args == [small_project.folder]
    window.top_bar._fill_recent()
    assert len(window.top_bar._recent.actions()) == 2
    first = window.context
    window.top_bar._recent.actions()[1].trigger()  # what is gone is told, and nothing changes
    qtbot.waitUntil(lambda: "gone" in window.job_bar._notice.whole, timeout=WAIT)
    qtbot.waitUntil(lambda: "Opening" not in window.job_bar._notice.whole, timeout=WAIT)
    assert window.context is first


def _fail() -> None:
    name = "Secretperson^Quentin"
    raise ValueError(f"/data/Secretperson/77120415.dcm of '{name}' 1.2.826.77120415.1 is odd")


def _trace_of_failure() -> BaseException:
    try:
        _fail()
    except ValueError as error:
        return error
    raise AssertionError


def test_a_crash_is_reported_without_identities_and_the_work_goes_on(
    open_window, small_project, qtbot, monkeypatch
):
    window = open_window(small_project)
    error = _trace_of_failure()
    text = scrubbed(error)
    assert "ValueError" in text
    assert "test_first_hour.py" in text
    message = text.splitlines()[-1]
    assert not any(word in message for word in ("Secretperson", "Quentin", "77120415", "/data"))
    assert str(Path.home()) not in text
    guard = CrashGuard(window)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    guard.install()
    sys.excepthook(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: guard.dialog is not None, timeout=WAIT)
    sys.excepthook(type(error), error, error.__traceback__)  # a second one joins the first
    click(qtbot, guard.dialog, "copyCrashButton")
    assert "ValueError" in QGuiApplication.clipboard().text()
    click(qtbot, guard.dialog, "goOnButton")
    qtbot.waitUntil(lambda: guard.dialog is None, timeout=WAIT)
    assert window.context is not None


def test_every_control_has_a_name_for_screen_readers(open_window, whole_path, qtbot):
    window = open_window(whole_path)
    kinds = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractSlider,
             QAbstractItemView, QPlainTextEdit)  # fmt: skip
    nameless = set()
    for number in range(5):
        window.show_page(number)
        qtbot.wait(50)
    for widget in window.findChildren(QWidget):
        if not isinstance(widget, kinds) or widget.objectName().startswith("qt_"):
            continue
        inside = widget.parentWidget()
        if isinstance(inside, (QComboBox, QAbstractSpinBox, QAbstractItemView, QLineEdit)):
            continue
        if inside is not None and type(inside).__name__ == "QFrame" and inside.isWindow():
            continue  # the list that a combo box drops down
        parts = [widget.accessibleName(), widget.toolTip()]
        if isinstance(widget, QAbstractButton):
            parts.append(widget.text())
        if isinstance(widget, QLineEdit):
            parts.append(widget.placeholderText())
        if not any(parts) and type(widget).__name__ not in ("QScrollBar", "QHeaderView"):
            nameless.add(f"{type(widget).__name__} {widget.objectName()} in {inside}")
    assert nameless == set()


def test_a_project_opens_as_it_was_left(open_window, whole_path, qtbot):
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    page.score_combo.setCurrentIndex(page.score_combo.count() - 1)
    page._show_score()
    kind, value = page.kind, float(page._state.values[page.kind].mean())
    page._on_threshold(value)
    page.listed_combo.setCurrentText("called abnormal")
    page.table.selectRow(1)
    image = int(page._state.image_ids[page.model.place(1)])
    qtbot.waitUntil(lambda: page.regions.image_id == image, timeout=WAIT)
    window.pages[0].filter.setText("split:test")
    window.close()
    again = open_window(whole_path)
    assert again.stack.currentWidget() is again.pages[3]
    page = again.pages[3]
    qtbot.waitUntil(lambda: page.regions.image_id == image, timeout=WAIT)
    assert (page.kind, page.listed_combo.currentText()) == (kind, "called abnormal")
    assert page._thresholds[kind] == pytest.approx(value)
    assert again.pages[0].filter.text() == "split:test"


def test_the_run_before_stands_faint_behind_and_the_axis_ends_at_the_planned_epochs(qtbot):
    from amae_app.training.live_plots import LivePlots
    from amae_engine.events import EpochEnd

    plots = LivePlots()
    qtbot.addWidget(plots)

    def epoch(run: int, number: int) -> EpochEnd:
        return EpochEnd(run, "Stage 1", "", number, 30, 1 / number, 1.2 / number, 1e-3, 90.0, 5.0)

    for number in (1, 2, 3):
        plots.add_epoch(epoch(1, number))
    assert plots.loss_plot.viewRange()[0] == pytest.approx([0, 30], abs=1)
    asked: list[int] = []
    plots.behind_wanted.connect(asked.append)
    plots.offer(((1, "Stage 1"),))
    plots.add_epoch(epoch(2, 1))
    assert asked == [1]  # the run before is drawn without being chosen
    plots.show_behind(tuple(epoch(1, number) for number in (1, 2, 3)))
    before = plots._before["train"]
    assert list(before.getData()[1]) == pytest.approx([1, 1 / 2, 1 / 3])
    assert QColor(before.opts["pen"].color()).alpha() < 128
    assert list(plots._curves["train"].getData()[1]) == [1.0]
    assert plots._curves["train"].opts["symbol"] == "o"  # one epoch is a dot
    plots.add_epoch(EpochEnd(3, "Stage 2 · module A", "A", 1, 9, 1.0, None, 1e-3, 9.0, None))
    assert plots._before == {}  # another stage has another loss
    plots.show_behind((epoch(1, 1),))  # an answer that comes late
    assert plots._before == {}


def test_another_run_is_drawn_behind_the_one_that_trains(qtbot):
    from amae_app.training.live_plots import LivePlots
    from amae_engine.events import EpochEnd

    plots = LivePlots()
    qtbot.addWidget(plots)

    def epoch(run: int, module: str, number: int) -> EpochEnd:
        step = f"Stage 2 · module {module}"
        return EpochEnd(run, step, module, number, 9, 1 / number, 2 / number, 1e-3, 9.0, None)

    plots.add_epoch(epoch(7, "A", 1))
    plots.add_epoch(replace(epoch(7, "B", 1), epochs=4))
    assert plots.loss_plot.viewRange()[0] == pytest.approx([0, 9], abs=0.5)  # A's are seen whole
    assert plots.rate_plot.viewRange()[0] == pytest.approx([0, 4], abs=0.5)  # B's rate alone
    assert {spacing for spacing, _ in _ticks(plots.rate_plot, "bottom", 4)} == {1}  # no half epochs
    plots.offer(((7, "Stage 2"), (5, "Stage 2"), (4, "Stage 1"), (3, "Stage 2")))
    offered = [plots.behind.itemText(row) for row in range(plots.behind.count())]
    names = ["the run before", "nothing", "run 5", "run 3"]
    assert offered == [f"behind: {name}" for name in names]
    asked: list[int] = []
    plots.behind_wanted.connect(asked.append)
    plots.behind.setCurrentIndex(3)
    plots.behind.activated.emit(3)
    assert asked == [3]
    plots.show_behind(tuple(epoch(3, module, n) for module in "AB" for n in (1, 2)))
    assert set(plots._before) == {
        "module A",
        "module B",
        "A, unseen images",
        "B, unseen images",
    }
    assert list(plots._before["B, unseen images"].getData()[1]) == [2.0, 1.0]
    # module B of the run that trains goes on beside it
    plots.add_epoch(epoch(7, "B", 1))
    assert set(plots._curves) >= {"module A", "module B", "B, unseen images"}
    assert set(plots._before) == {
        "module A",
        "module B",
        "A, unseen images",
        "B, unseen images",
    }
    plots.behind.setCurrentIndex(1)
    plots.behind.activated.emit(1)
    assert plots._before == {}


def test_reconstructions_of_the_start_and_of_now_stand_side_by_side(qtbot):
    from amae_app.training.live_plots import LivePlots
    from amae_engine.events import Preview

    plots = LivePlots()
    qtbot.addWidget(plots)
    image = np.full((8, 8), 0.5, np.float32)
    for number, grey in ((0, 0.1), (3, 0.9)):
        shown = np.full((8, 8), grey, np.float32)
        plots.show_preview(Preview("Stage 2 · module A", "A", image, image, shown, number))
    before, now = plots._images[2:]
    greys = [QColor(label._image.pixel(0, 0)).red() for label in (before, now)]
    assert greys == [26, 230]


def test_every_setting_says_what_it_is_for(open_window, small_project, qtbot):
    from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

    window = open_window(small_project)
    window.show_page(1)
    settings = window.pages[1].settings
    kinds = (QComboBox, QSpinBox, QDoubleSpinBox)
    fields = [field for kind in kinds for field in settings.findChildren(kind)]
    assert len(fields) > 20
    for field in fields:
        assert len(field.toolTip()) > 25, field.objectName()
    QGuiApplication.sendEvent(settings.fields["Masked share"], QFocusEvent(QEvent.Type.FocusIn))
    assert "must know chests" in settings.why.text()


def test_what_waits_is_foretold_by_runs_like_it(open_window, scored_project, qtbot):
    from amae_engine.catalog.job_queue import NewJob
    from amae_engine.config import ScoreConfig

    window = open_window(scored_project)
    held = True

    def holds():
        while held:
            time.sleep(0.02)  # like a job that works, and not one that only reports
            yield Progress("x", 0, 1)

    queue = window.context.queue
    queue.do("Holds", holds)
    queue.add(NewJob("Scoring", "score", ScoreConfig().to_dict()))
    what = window.job_bar._what
    qtbot.waitUntil(lambda: "then 1 more (about 00:0" in what.whole, timeout=WAIT)
    queue.drop(queue.waiting[0].id)
    qtbot.waitUntil(lambda: "then" not in what.whole, timeout=WAIT)
    held = False
    qtbot.waitUntil(lambda: not window.queue.running, timeout=WAIT)


def test_plots_are_spoken_and_leave_the_wheel_to_what_they_lie_in(open_window, whole_path, qtbot):
    from PySide6.QtCore import QPoint, QPointF
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication, QScrollArea

    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    roc = page.panel.roc
    assert roc.accessibleName() == "sensitivity over 1 − specificity"
    assert "(chosen)" in roc.accessibleDescription()
    assert "images a group" in page.panel.operating.histogram.accessibleDescription()
    area = next(a for a in page.panel.findChildren(QScrollArea) if a.isAncestorOf(roc))
    before, x_range = area.verticalScrollBar().value(), roc.viewRange()
    place = QPointF(60, 60)
    wheel = QWheelEvent(
        place, QPointF(roc.viewport().mapToGlobal(place.toPoint())), QPoint(), QPoint(0, -240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(roc.viewport(), wheel)
    assert not wheel.isAccepted() or area.verticalScrollBar().value() > before
    assert roc.viewRange() == x_range


def test_a_reader_who_is_elsewhere_is_reported_once_by_one_icon(qtbot, monkeypatch):
    from PySide6.QtWidgets import QSystemTrayIcon, QWidget

    from amae_app.notify import notify_desktop

    said: list[tuple[str, str]] = []
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", lambda: True)
    monkeypatch.setattr(
        QSystemTrayIcon, "showMessage", lambda _icon, title, text, *_how: said.append((title, text))
    )
    window = QWidget()
    qtbot.addWidget(window)
    assert notify_desktop(window, "AMAE", "Stage 2 is done.")  # never shown, so not in front
    assert notify_desktop(window, "AMAE", "Scoring is done.")
    assert said == [("AMAE", "Stage 2 is done."), ("AMAE", "Scoring is done.")]
    assert len(window.findChildren(QSystemTrayIcon)) == 1


@pytest.mark.parametrize("most", [1, 7, 60, 4000])
def test_images_are_counted_in_whole_numbers(qtbot, most):
    from amae_app.widgets.score_histogram import Histogram

    plot = Histogram("score")
    qtbot.addWidget(plot)
    ticks = _ticks(plot, "left", most)
    assert ticks
    assert all(spacing >= 1 and spacing == int(spacing) for spacing, _ in ticks)
    assert ticks[0][0] <= most


def _ticks(plot, side: str, most: int) -> list[tuple[float, float]]:
    return plot.getAxis(side).tickSpacing(0.0, float(most), 900.0)
