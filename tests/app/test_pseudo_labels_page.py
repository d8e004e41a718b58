"""The Pseudo-labels workspace as a reader uses it."""

from __future__ import annotations

import threading
import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel
from widgets_by_name import WAIT, click, find, saved

from amae_engine.catalog import decisions
from amae_engine.catalog.tables import Label
from amae_engine.config import (
    PseudoLabelConfig,
    PseudoLabelSource,
)
from amae_engine.project import Project


def test_without_stage1_the_page_says_what_comes_first(open_window, small_project, qtbot):
    window = open_window(small_project)
    window.show_page(2)
    empty = find(window, QLabel, "emptyPseudoLabels")
    qtbot.waitUntil(lambda: "Stage 1 has not run yet" in empty.text(), timeout=WAIT)
    click(qtbot, window, "emptyPseudoLabelsButton")
    assert window.stack.currentWidget() is window.pages[1]


@pytest.fixture
def labels_page(open_window, rated_project, qtbot):
    window = open_window(rated_project)
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def _decided(project: Project, page) -> dict[int, Label]:
    saved(page)  # acts are written off the event thread
    with project.session() as session:
        return decisions.current(session)


def test_keys_decide_and_undo(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(0)
    first = page.gallery.gallery.tile(0).image_id
    qtbot.keyClick(page.gallery, Qt.Key.Key_A)
    assert _decided(rated_project, labels_page) == {first: Label.ABNORMAL}
    qtbot.waitUntil(lambda: page.gallery.gallery.tile(0).checked, timeout=WAIT)
    assert page.gallery.currentIndex().row() == 1  # the next image is in focus
    qtbot.keyClick(page.gallery, Qt.Key.Key_X)
    assert len(_decided(rated_project, labels_page)) == 2
    page._context.undo()
    page._context.undo()
    assert _decided(rated_project, labels_page) == {}
    page._context.redo()
    assert _decided(rated_project, labels_page) == {first: Label.ABNORMAL}
    with rated_project.session() as session:
        assert [row.kind for row in decisions.history(session)] == [
            "redo", "undo", "undo", "decide", "decide",
        ]  # fmt: skip


def test_a_range_is_decided_in_one_act(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(0)
    for _ in range(3):
        qtbot.keyClick(page.gallery, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert len(page.gallery.selected_tiles()) == 4
    qtbot.keyClick(page.gallery, Qt.Key.Key_N)
    assert list(_decided(rated_project, labels_page).values()) == [Label.NORMAL] * 4
    page._context.undo()
    assert _decided(rated_project, labels_page) == {}


def test_space_confirms_what_stage1_says(labels_page, rated_project, qtbot):
    page = labels_page
    find(page, QComboBox, "orderCombo").setCurrentText("most abnormal first")
    tile = page.gallery.gallery.tile(0)
    assert tile.probability > 0.9
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)
    assert _decided(rated_project, labels_page) == {tile.image_id: Label.ABNORMAL}


def test_k_moves_the_cuts_and_the_counts(labels_page, qtbot):
    page = labels_page
    before = page.cuts.counts.text()
    page.cuts.keep.setValue(100)
    page.cuts.keep_abnormal.setValue(100)
    qtbot.waitUntil(lambda: (page._state.view.labels >= 0).all(), timeout=WAIT)
    assert page.cuts.counts.text() != before
    assert "unused <b>0</b>" in page.cuts.counts.text()
    modules = (
        "Module A: 20 normal + 5 = <b>25</b> images. Module B: <b>5</b> abnormal, and A's unless"
    )
    assert modules in page.cuts.counts.text()


@pytest.mark.parametrize("axis", ["log-odds", "rank"])
def test_each_cut_moves_alone_and_the_counts_follow_it(labels_page, qtbot, axis):
    page = labels_page  # five images on each side, log-odds -3.9 ... 3.9
    page.cuts.axis.setCurrentText(axis)
    page.cuts._draw()
    before, view = page.cuts.counts.text(), page._state.view
    high = {"log-odds": 3.0, "rank": 99.0}[axis]
    page.cuts.histogram.line_dragged.emit(1, high)
    assert "abnormal <b>1</b>" in page.cuts.counts.text()
    assert page._state.view is view  # nothing is chosen while the line moves
    page.cuts.histogram.line_dropped.emit(1, high)
    qtbot.waitUntil(lambda: page._state.view.count(1) == 1, timeout=WAIT)
    assert page.cuts.keep_abnormal.value() == 20
    assert page.cuts.keep.value() == 50
    assert page._state.view.cut_normal == view.cut_normal
    assert page.cuts.counts.text() != before
    assert page._context.labels.keep_abnormal_percent == 20


def test_purity_is_given_with_its_interval_and_count(labels_page, qtbot):
    page = labels_page
    purity = page.review.purity
    assert "purity is unknown" in purity.text()
    page.gallery.selectAll()
    page.confirm()
    qtbot.waitUntil(lambda: "pure" in purity.text(), timeout=WAIT)
    assert purity.text().count("95 % interval") == 2
    assert "not checked in random order" in purity.text()
    page._context.undo()
    page.offered.order.setCurrentText("random")
    page.gallery.selectAll()
    page.confirm()
    qtbot.waitUntil(lambda: "random" not in purity.text() and "100 %" in purity.text(),
                    timeout=WAIT)  # fmt: skip


def test_hidden_truth_is_shown_by_choice_and_noted(labels_page, rated_project, qtbot):
    page = labels_page
    assert not page.review.truth.isVisible()
    assert "truth" not in page.image_facts.text()
    page.gallery.select(0)
    page.decide(Label.NORMAL)
    page.truth_action.setChecked(True)
    qtbot.waitUntil(page.review.truth.isVisible, timeout=WAIT)
    assert "n = " in page.review.truth.text()
    page.gallery.select(1)
    qtbot.waitUntil(lambda: "truth: " in page.image_facts.text(), timeout=WAIT)
    page.decide(Label.NORMAL)
    _decided(rated_project, page)
    with rated_project.session() as session:
        assert [row.truth_shown for row in decisions.history(session)] == [True, False]
        assert decisions.history(session)[0].offered == "nearest a cut first"


def test_a_reader_without_a_name_cannot_decide(labels_page, rated_project):
    labels_page._context.settings.reader = ""
    labels_page.gallery.select(0)
    labels_page.decide(Label.NORMAL)
    assert _decided(rated_project, labels_page) == {}


def _labels_page(window, qtbot):
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page._state is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def test_what_rates_is_named_wherever_a_rating_stands(open_window, whole_path, qtbot):
    window = open_window(whole_path)
    window.context.labels = PseudoLabelConfig(source=PseudoLabelSource.DENSITY)
    page = _labels_page(window, qtbot)
    qtbot.waitUntil(lambda: "feature distance" in page.cuts.bands.text(), timeout=WAIT)
    assert page.image_facts.text().startswith("Feature distance: P(abnormal)")
    shown = [w.text() for w in page.findChildren(QLabel) if w.isVisible()]
    assert not [text for text in shown if "Stage 1 agrees" in text or "Stage 1: P" in text]


def test_space_on_a_mixed_selection_is_one_act(open_window, rated_project, qtbot):
    page = _labels_page(open_window(rated_project), qtbot)
    page.gallery.selectAll()
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)
    saved(page)
    with rated_project.session() as session:
        assert set(decisions.current(session).values()) == {Label.NORMAL, Label.ABNORMAL}
        assert len({row.batch for row in decisions.history(session)}) == 1
    page._context.undo()
    saved(page)
    with rated_project.session() as session:
        assert decisions.current(session) == {}


def test_decisions_are_written_off_the_event_thread(open_window, rated_project, qtbot, monkeypatch):
    page = _labels_page(open_window(rated_project), qtbot)
    threads = []
    write = decisions.decide

    def noted(*arguments, **others):
        threads.append(threading.current_thread())
        time.sleep(0.2)  # another process holds the catalog
        return write(*arguments, **others)

    monkeypatch.setattr(decisions, "decide", noted)
    page.gallery.select(0)
    began = time.monotonic()
    for _ in range(3):
        qtbot.keyClick(page.gallery, Qt.Key.Key_A)
    assert page.gallery.currentIndex().row() == 3  # the reader goes on meanwhile
    assert time.monotonic() - began < 0.6
    saved(page)
    assert len(threads) == 3
    assert threading.main_thread() not in threads
    with rated_project.session() as session:
        assert len(decisions.current(session)) == 3


def test_an_error_of_a_background_read_is_reported(open_window, rated_project, qtbot, monkeypatch):
    window = open_window(rated_project)
    page = _labels_page(window, qtbot)
    notices = []
    window.context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    (rated_project.folder / "pixels" / "images.u8").write_bytes(b"")
    page.gallery.select(4)
    qtbot.waitUntil(lambda: any("restore the pixels folder" in n for n in notices), timeout=WAIT)


def test_space_confirms_and_never_changes_a_decision(labels_page, rated_project, qtbot):
    page = labels_page
    page.gallery.select(0)
    tile = page.gallery.gallery.tile(0)
    against = Label.NORMAL if tile.probability >= 0.5 else Label.ABNORMAL  # unlike its rating
    page.decide(against)
    page.gallery.select(0)
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)  # before the page has read the decision again
    assert page.gallery.currentIndex().row() == 1
    assert _decided(rated_project, page)[tile.image_id] is against
    page.gallery.select(0)
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)  # and after
    assert page.gallery.currentIndex().row() == 1
    assert _decided(rated_project, page)[tile.image_id] is against
    qtbot.keyClick(page.gallery, Qt.Key.Key_Space)
    assert len(_decided(rated_project, page)) == 2
