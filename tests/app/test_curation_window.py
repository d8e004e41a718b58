"""Curation beyond single labels, as readers use it: orders, second readings, retraining, tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from widgets_by_name import WAIT, click, saved

from amae_engine.catalog import blind_readings, decisions, runs
from amae_engine.catalog.tables import Label, RunKind
from amae_engine.config import PseudoLabelConfig
from amae_engine.jobs.curation.decision_csv import write_decisions
from amae_engine.jobs.planning.defaults import choose_label_settings


@pytest.fixture
def labels_page(open_window, whole_path, qtbot):
    """Both stages finished, five images called abnormal by BB."""
    choose_label_settings(whole_path, PseudoLabelConfig())  # those of the run
    window = open_window(whole_path)
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def _tiles(page):
    return [page.gallery.gallery.tile(n) for n in range(page.gallery.gallery.rowCount())]


def _written(page) -> None:
    saved(page)


def test_images_alike_are_labelled_at_once(labels_page, whole_path, qtbot):
    page = labels_page
    page.offered.order.setCurrentText("by cluster")
    qtbot.waitUntil(lambda: all(tile.cluster >= 0 for tile in _tiles(page)), timeout=WAIT)
    clusters = [tile.cluster for tile in _tiles(page)]
    assert clusters == sorted(clusters)
    assert len(set(clusters)) == 2
    page.gallery.select(0)
    qtbot.keyClick(page.gallery, Qt.Key.Key_E)
    chosen = {tile.image_id for tile in page.gallery.selected_tiles()}
    assert chosen == {tile.image_id for tile in _tiles(page) if tile.cluster == 0}
    qtbot.keyClick(page.gallery, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: page.disputes.dialog is not None, timeout=WAIT)  # some were abnormal
    click(qtbot, page.disputes.dialog, "decideAllButton")
    _written(page)
    with whole_path.session() as session:
        assert {i for i, v in decisions.current(session).items() if v is Label.NORMAL} == chosen
        assert decisions.history(session)[0].offered == "by cluster"


def test_images_on_which_the_scores_disagree_come_first(labels_page, qtbot):
    page = labels_page
    page.offered.order.setCurrentText("scores disagree first")
    qtbot.waitUntil(lambda: page.offered._data is not None, timeout=WAIT)
    # stage 2 has rated the test images alone
    assert page.offered._data.disagreement.by == "Stage 1 classifier, Normal against unlabeled"
    page.offered.order.setCurrentText("random")
    page.offered._data = None
    page.acts.rate_unlabeled()
    qtbot.waitUntil(lambda: page._context.queue.running == "Scoring", timeout=WAIT)
    qtbot.waitUntil(lambda: not page._context.queue.running, timeout=WAIT)
    page.offered.order.setCurrentText("scores disagree first")
    qtbot.waitUntil(lambda: page.offered._data is not None, timeout=WAIT)
    found = page.offered._data.disagreement
    assert "Stage 2 A_inter" in found.by
    spread = [found.spread[page._state.view.image_ids.tolist().index(t.image_id)]
              for t in _tiles(page)]  # fmt: skip
    assert spread == sorted(spread, reverse=True)


def test_what_the_decisions_did_is_said_and_b_is_trained_again(labels_page, whole_path, qtbot):
    page = labels_page
    review = page.review
    assert "up to date" in review.effect.text()
    assert not review.retrain.isVisible()
    effect = page._state.effect
    # an unused image becomes abnormal: module B alone has other images
    unused = next(n for n, tile in enumerate(_tiles(page)) if tile.label == -1)
    page.gallery.select(unused)
    qtbot.keyClick(page.gallery, Qt.Key.Key_A)
    qtbot.waitUntil(review.retrain.isVisible, timeout=WAIT)
    assert review.retrain.text() == "Retrain module B only"
    assert review.effect.text() == (
        f"Since stage 2, run {effect.run_id}, 1 changed decision moved 1 image: of module B's "
        f"{effect.size_b} images 0 left, 1 came. It is out of date."
    )
    page._context.undo()  # what does not stand does not count
    qtbot.waitUntil(lambda: "up to date" in review.effect.text(), timeout=WAIT)
    cuts = page._context.labels
    page._context.labels = cuts.replace(keep_percent=100, keep_abnormal_percent=100)
    qtbot.waitUntil(lambda: "other cuts, ratings or images moved" in review.effect.text(),
                    timeout=WAIT)  # fmt: skip
    assert "decision" not in review.effect.text()
    page._context.labels = cuts
    qtbot.waitUntil(lambda: "up to date" in review.effect.text(), timeout=WAIT)
    page._context.redo()
    qtbot.waitUntil(review.retrain.isVisible, timeout=WAIT)
    click(qtbot, page.window(), "retrainButton")
    qtbot.waitUntil(lambda: "module B" in page._context.queue.running, timeout=WAIT)
    qtbot.waitUntil(lambda: not page._context.queue.running, timeout=WAIT)
    with whole_path.session() as session:
        run = runs.newest(session, RunKind.STAGE2)
        assert run.id != effect.run_id
        assert run.config["module_a_run"] == effect.run_id
        assert runs.newest(session, RunKind.SCORE).parent_id == run.id
    qtbot.waitUntil(lambda: "up to date" in review.effect.text(), timeout=WAIT)
    # a pseudo-normal image becomes abnormal: both modules have other images
    normal = next(n for n, tile in enumerate(_tiles(page)) if tile.label == 0)
    page.gallery.select(normal)
    page.decide(Label.ABNORMAL)
    qtbot.waitUntil(lambda: review.retrain.text() == "Retrain A and B", timeout=WAIT)


def test_a_second_reader_reads_blind_and_conflicts_are_agreed_on(labels_page, whole_path, qtbot):
    page = labels_page
    page._context.settings.reader = "CC"
    page.dialogs.ask_blind()
    qtbot.waitUntil(lambda: page.findChild(object, "blindDialog") is not None, timeout=WAIT)
    dialog = page.findChild(object, "blindDialog")
    assert dialog.count.maximum() == 5
    dialog.count.setValue(4)
    dialog.accept()
    qtbot.waitUntil(lambda: page._left.currentIndex() == 1, timeout=WAIT)
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 4, timeout=WAIT)
    # neither ratings nor the first reader's labels are anywhere on the screen
    for tile in _tiles(page):
        assert tile.probability != tile.probability
        assert (tile.label, tile.checked) == (-1, False)
    assert page.image_facts.text() == ""
    assert not page.cuts.isVisible()
    assert not page.review.history.isVisible()
    assert not page.labels.confirm.isVisible()
    ids = [tile.image_id for tile in _tiles(page)]
    page.window().activateWindow()  # as a window manager does when a dialog closes
    qtbot.waitUntil(page.window().isActiveWindow, timeout=WAIT)
    page.gallery.select(0)
    for key in (Qt.Key.Key_A, Qt.Key.Key_A, Qt.Key.Key_N, Qt.Key.Key_A):
        qtbot.keyClick(page.gallery, key)
    qtbot.waitUntil(lambda: "4 of 4 images read" in page.blind.progress.text(), timeout=WAIT)
    with whole_path.session() as session:
        standing = decisions.current(session)
    assert all(standing[i] is Label.ABNORMAL for i in ids)  # a reading decides nothing
    click(qtbot, page.window(), "agreementButton")
    qtbot.waitUntil(lambda: page.findChild(object, "agreementDialog") is not None, timeout=WAIT)
    found = page.findChild(object, "agreementDialog")
    assert "κ" in found.summary.text()
    assert "the same on 3" in found.summary.text()
    assert found.table.rowCount() == 1
    qtbot.mouseClick(found.findChild(QPushButton, "consensusNormalButton"),
                     Qt.MouseButton.LeftButton)  # fmt: skip
    _written(page)
    with whole_path.session() as session:
        newest = decisions.history(session)[0]
        assert (newest.image_id, newest.reader, newest.kind) == (ids[2], "BB + CC", "consensus")
        assert blind_readings.sessions(session)[0].read == 4
    found.close()
    click(qtbot, page.window(), "endBlindButton")
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    assert page.cuts.isVisible()


def test_nobody_reads_their_own_labels_a_second_time(labels_page, qtbot):
    page = labels_page  # BB decided all five
    page.dialogs.ask_blind()
    qtbot.waitUntil(lambda: page.findChild(object, "blindDialog") is not None, timeout=WAIT)
    dialog = page.findChild(object, "blindDialog")
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    assert not ok.isEnabled()


def test_decisions_go_out_and_come_in_without_loss(labels_page, whole_path, tmp_path, qtbot):
    page = labels_page
    with whole_path.session() as session:
        before = decisions.history(session)
    table = tmp_path / "decisions.csv"
    page.acts.export(table)
    _written(page)
    page.acts.take_over(table)
    _written(page)
    with whole_path.session() as session:
        assert decisions.history(session) == before
    with table.open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(before) == 5


def test_a_wrong_line_takes_nothing_over(labels_page, whole_path, tmp_path: Path, qtbot):
    page = labels_page
    table = tmp_path / "decisions.csv"
    write_decisions(whole_path, table)
    lines = table.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace(",abnormal,", ",perhaps,")
    table.write_text("\n".join(lines), encoding="utf-8")
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.acts.take_over(table)
    qtbot.waitUntil(lambda: any("line 3 is no decision" in n for n in notices), timeout=WAIT)


def test_every_decision_is_listed_by_image_and_reader(labels_page, qtbot):
    page = labels_page
    page._context.settings.reader = "CC"
    page.gallery.select(0)
    tile = page.gallery.gallery.tile(0)
    page.decide(Label.EXCLUDE)
    page.decide(Label.EXCLUDE)  # it had a decision: said again
    _written(page)
    page.dialogs.show_history(tile.name)
    qtbot.waitUntil(lambda: page.findChild(object, "historyDialog") is not None, timeout=WAIT)
    dialog = page.findChild(object, "historyDialog")
    assert dialog.table.rowCount() == 6
    dialog.reader.setCurrentText("CC")
    assert dialog.table.rowCount() == 1
    assert dialog.table.item(0, 2).text() == tile.name
    dialog.reader.setCurrentText("BB")
    dialog.one_image.setChecked(True)
    assert dialog.table.rowCount() <= 1
