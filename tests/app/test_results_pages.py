"""Results and Compare as a reader uses them, driven through their widgets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from demo_images import finish
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QSlider
from widgets_by_name import WAIT, click, find

from amae_app.compare import compare_state
from amae_app.results.review_state import Listed, lead_text
from amae_engine.catalog import image_tables, studies
from amae_engine.catalog.tables import Split
from amae_engine.config import (
    ScoreConfig,
    ScoreKind,
)
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.jobs.evaluation.leading_score import LeadingScore
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.runs.map_files import mapped_images


@pytest.fixture
def results_page(open_window, scored_project, qtbot):
    window = open_window(scored_project)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    page.score_combo.setCurrentIndex(page.score_combo.findData(str(ScoreKind.DISCREPANCY)))
    page.score_combo.activated.emit(page.score_combo.currentIndex())
    qtbot.waitUntil(lambda: page.review._shown.kind is ScoreKind.DISCREPANCY, timeout=WAIT)
    return page


def test_images_are_listed_by_score_with_their_map(results_page):
    page = results_page
    assert page.model.rowCount() == 10
    values = [float(page.model.data(page.model.index(i, 2))) for i in range(10)]
    assert values == sorted(values, reverse=True)
    assert page.review._shown.maps.of_score(page.kind).shape == (64, 64)
    assert page.review.main._overlay.image is not None


def test_every_score_says_whose_it_is_and_on_what_it_was_measured(results_page):
    text = results_page.panel.numbers.text()
    for kind in ScoreKind:
        assert kind.origin in text or kind.origin == "peer"
    assert "5 normal + 5 abnormal test images of 'Test'" in results_page.panel.measured.text()


def test_the_operating_point_moves_everywhere(results_page):
    page = results_page
    page.panel.threshold_changed.emit(float(np.inf))
    assert page.panel.cells[Listed.TRUE_POSITIVE].text() == "0"
    page.panel.threshold_changed.emit(-1.0)
    assert page.panel.cells[Listed.TRUE_POSITIVE].text() == "5"
    assert page.panel.cells[Listed.FALSE_POSITIVE].text() == "5"
    assert "optimistic" in page.panel.operating.why.text()


def test_a_confusion_cell_filters_the_list(results_page, qtbot):
    page = results_page
    page.panel.threshold_changed.emit(-1.0)
    click(qtbot, page, "cellFalsePositives")
    assert page.model.rowCount() == 5
    truths = {page.model.data(page.model.index(i, 3)) for i in range(5)}
    assert truths == {"normal"}


def test_reading_keys_act_on_the_image(results_page, qtbot):
    page = results_page
    qtbot.keyClick(page.table, Qt.Key.Key_I)
    assert page.review.main.is_inverted
    qtbot.keyClick(page.table, Qt.Key.Key_G)
    assert page.review.main._overlay.image is None
    qtbot.keyClick(page.table, Qt.Key.Key_2)
    assert page.review.main.levels == (0.1, 0.7)
    qtbot.keyClick(page.table, Qt.Key.Key_R)
    assert page.review.main.levels == (0.0, 1.0)
    assert not page.review.main.is_inverted
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Space)
    assert page.table.currentIndex().row() == 1


def test_overlay_controls_change_the_picture(results_page):
    page = results_page
    before = page.review.main._overlay.image.copy()
    slider = find(page, QSlider, "overlaySlider")
    slider.setValue(90)
    assert page.review.main._overlay.image[..., 3].max() > before[..., 3].max()
    find(page, QSlider, "thresholdSlider").setValue(100)
    assert (page.review.main._overlay.image[..., 3] > 0).mean() < 0.1


def test_linked_views_zoom_together(results_page):
    review = results_page.review
    review.zoom(2)
    wide = review.main.box.viewRect()
    small = review.small[0].box.viewRect()
    assert small.center().x() == pytest.approx(wide.center().x(), abs=0.05)
    assert small.width() < 2.5 * wide.width()


def test_missing_truth_explains_what_is_missing(open_window, scored_project, qtbot):
    with scored_project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    window = open_window(scored_project)
    window.show_page(3)
    problem = find(window, QLabel, "rocProblem")
    qtbot.waitUntil(lambda: "Set the truth of test images" in problem.text(), timeout=WAIT)
    assert window.pages[3].model.rowCount() == 10


def test_every_form_of_export_is_a_job_of_its_own(open_window, whole_path, qtbot):
    results_page, scored_project = _results_page(open_window(whole_path), qtbot), whole_path
    click(qtbot, results_page, "exportButton")
    dialog = results_page.exports.dialog
    dialog.bundle.setChecked(True)
    dialog.share.setChecked(True)
    click(qtbot, dialog, "startExportButton")
    assert "Choose a new or empty folder" in dialog.problem.text()
    dialog.folder.setText(str(scored_project.folder.parent / "copy"))
    dialog.dicom.setChecked(True)
    dialog.images.setCurrentIndex(2)
    click(qtbot, dialog, "startExportButton")
    folder = scored_project.exports_folder / "run-003"
    written = ("images.png", "scores.parquet", "report.html", "report.pdf", "bundle.zip")
    for name in written:
        qtbot.waitUntil(lambda name=name: (folder / name).is_file(), timeout=WAIT)
    qtbot.waitUntil(
        lambda: (scored_project.folder.parent / "copy" / "project.json").is_file(), timeout=WAIT
    )
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")


def test_compare_lists_runs_and_tests_two(open_window, scored_project, qtbot):
    from demo_images import finish

    from amae_engine.config import MaskPlan, ScoreConfig
    from amae_engine.jobs.scoring.score_images import score_images

    finish(score_images(scored_project, ScoreConfig(mask_plan=MaskPlan.COMPLEMENTARY)))
    window = open_window(scored_project)
    window.show_page(4)
    page = window.pages[4]
    qtbot.waitUntil(lambda: page.table.rowCount() == 2, timeout=WAIT)
    assert "paired p =" in page.test.text()
    differing = {page.settings.item(r, 0).text() for r in range(page.settings.rowCount())}
    assert differing == {"score.mask_plan"}


def _results_page(window, qtbot):
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    return page


def _choose_score(page, kind: ScoreKind, qtbot) -> None:
    page.score_combo.setCurrentIndex(page.score_combo.findData(str(kind)))
    page.score_combo.activated.emit(page.score_combo.currentIndex())
    qtbot.waitUntil(lambda: page.review._shown.kind is kind, timeout=WAIT)


def test_called_abnormal_follows_the_operating_point(open_window, whole_path, qtbot):
    page = _results_page(open_window(whole_path), qtbot)
    page.panel.threshold_changed.emit(float("inf"))
    assert page.review.caption.text().endswith("called normal")
    page.panel.threshold_changed.emit(-1.0)
    assert page.review.caption.text().endswith("called abnormal")


def test_the_map_is_the_chosen_score_s(open_window, whole_path, qtbot):
    page = _results_page(open_window(whole_path), qtbot)
    _choose_score(page, ScoreKind.DISCREPANCY, qtbot)
    assert "Eq. 4" in page.review.map_name.text()
    first = page.review.main._overlay.image.copy()
    _choose_score(page, ScoreKind.UNLABELED_PROBE, qtbot)
    assert "above normal images at its place" in page.review.map_name.text()
    assert (page.review.main._overlay.image != first).any()
    _choose_score(page, ScoreKind.STAGE1_PROBABILITY, qtbot)
    hint = page.review.map_name.text()
    assert "this score has none; choose " in hint
    assert ScoreKind.DISCREPANCY.label in hint
    assert page.review.main._overlay.image is None


def test_a_peer_s_scores_and_map_are_seen_like_all_others(open_window, whole_path, qtbot):
    config = PeerConfig(method=PeerMethod.AE, epochs=1, batch_size=8)
    run, _ = finish(train_peer(whole_path, config))
    page = _results_page(open_window(whole_path), qtbot)
    place = page.run_combo.findData(run)
    assert "AE (N)" in page.run_combo.itemText(place)
    page.run_combo.setCurrentIndex(place)
    page.run_combo.activated.emit(place)
    qtbot.waitUntil(lambda: page._state.run_id == run, timeout=WAIT)
    qtbot.waitUntil(lambda: page.review._shown.kind is ScoreKind.PEER, timeout=WAIT)
    assert page.review.main._overlay.image is not None
    assert "AE (N)" in page.panel.numbers.text()
    assert "AE (N)" in page.panel.measured.text()


def test_compare_says_that_there_are_older_runs(open_window, whole_path, qtbot, monkeypatch):
    monkeypatch.setattr(compare_state, "AT_FIRST", 1)
    finish(score_images(whole_path, ScoreConfig()))
    state = compare_state.read_compare_state(whole_path, 1)
    assert (len(state.runs), state.more) == (1, 1)
    window = open_window(whole_path)
    page = window.pages[4]
    page._most = 1
    window.show_page(4)
    page._read()
    qtbot.waitUntil(lambda: page.table.rowCount() == 1, timeout=WAIT)
    assert page.more.text() == "Show older runs (1 more)"
    page.more.click()
    qtbot.waitUntil(lambda: page.table.rowCount() == 2, timeout=WAIT)
    assert not page.more.isVisible()


def test_maps_that_are_not_kept_are_made_when_asked_for(
    open_window, whole_path, qtbot, monkeypatch
):
    monkeypatch.setattr("amae_app.results.results_page._MADE_AT_ONCE", 3)
    run, _ = finish(score_images(whole_path, ScoreConfig(keep_maps=False)))
    window = open_window(whole_path)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.review._shown is not None, timeout=WAIT)
    button = find(page, QPushButton, "makeMapsButton")
    assert page._state.run_id == run
    assert button.isVisible()
    assert page.review.map_name.text() == "Map: not made yet"
    click(qtbot, page, "makeMapsButton")
    qtbot.waitUntil(lambda: not button.isVisible(), timeout=WAIT)
    assert page.review._shown.maps is not None
    wanted = [int(page._state.image_ids[page.model.place(row)]) for row in range(3)]
    assert mapped_images(whole_path, run).tolist() == sorted(wanted)
    qtbot.keyClick(page.table, Qt.Key.Key_Space)  # the page's keys work after the click
    qtbot.waitUntil(lambda: page.review._shown.image_id == wanted[1], timeout=WAIT)
    assert not button.isVisible()
    page.table.selectRow(3)
    qtbot.waitUntil(button.isVisible, timeout=WAIT)


def test_the_rail_says_what_the_page_says(results_page):
    page = results_page
    for place in range(page.score_combo.count()):
        page.score_combo.setCurrentIndex(place)
        page.score_combo.activated.emit(place)
        judged = page._state.judged(page.kind)
        said = f"AUC {judged.auc.value:.3f}" if judged else ""
        assert page.badge_text() == said
        assert said in page.window().rail._counts[3]


def test_that_another_score_leads_is_said_with_its_reason(results_page):
    before = results_page._state
    other = next(kind for kind in before.values if kind is not before.leading.kind)
    now = replace(before, leading=LeadingScore(other, "it is better on a fair sample"))
    assert lead_text(before, before) == lead_text(None, now) == ""
    assert lead_text(before, now) == (
        f"Run {now.run_id} is led by {now.name(other)} now, no longer by "
        f"{now.name(before.leading.kind)}: it is better on a fair sample."
    )
    notices = []
    results_page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    kind, badge = results_page.kind, results_page.badge_text()
    results_page._show(now)
    assert notices == [lead_text(before, now)]
    assert (results_page.kind, results_page.badge_text()) == (kind, badge)  # the page stays
