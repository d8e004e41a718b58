"""Results as a reader judges honestly: validation, a locked point, subgroups, lists behind numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QSizeF
from PySide6.QtGui import QPdfWriter
from PySide6.QtWidgets import QMessageBox, QPushButton
from widgets_by_name import WAIT, click

from amae_app import report_printer
from amae_app.results.review_state import Listed
from amae_app.widgets.curve_plot import CurvePlot, PlottedCurve
from amae_engine.catalog import image_tables, locked_points, looks, validation_images
from amae_engine.catalog.tables import Image, Split
from amae_engine.config import ScoreKind
from amae_engine.evaluation.operating_rules import Rule, RuleChoice
from amae_engine.evaluation.roc import operating_point, roc_curve
from amae_engine.jobs.evaluation.operating_points import ChosenPoint


@pytest.fixture
def judged(whole_path):
    """Three normal and three abnormal test images set apart, and views known."""
    with whole_path.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        chosen = [*table.ids[table.truth == 0][:3], *table.ids[table.truth == 1][:3]]
        validation_images.set_validation(session, chosen, True, "BB")
        for image in session.query(Image):
            image.view = "PA"
    return whole_path


@pytest.fixture
def page(open_window, judged, qtbot):
    window = open_window(judged)
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.model.rowCount() == 4, timeout=WAIT)
    return page


def _listed(page) -> list[str]:
    return [page.model.index(row, 1).data() for row in range(page.model.rowCount())]


def test_the_first_point_comes_from_validation_images(page):
    why = page.panel.operating.why.text()
    assert why.startswith("Chosen: sensitivity + specificity highest")
    assert "3 normal + 3 abnormal validation images" in why
    assert "on 2 normal + 2 abnormal test images" in page.panel.point.text()
    page.panel.threshold_changed.emit(0.123)
    assert "optimistic" in page.panel.operating.why.text()


def test_the_validation_images_are_seen_apart(page, qtbot):
    page.split_combo.setCurrentIndex(1)
    page.split_combo.activated.emit(1)
    qtbot.waitUntil(lambda: page.model.rowCount() == 6, timeout=WAIT)
    assert "3 normal + 3 abnormal validation images" in page.panel.measured.text()


def _lock(window, qtbot) -> None:
    """Press Lock, read what it fixes, and mean it."""
    click(qtbot, window, "lockPointButton")
    qtbot.waitUntil(lambda: window.findChild(QMessageBox, "lockPoint") is not None, timeout=WAIT)
    box = window.findChild(QMessageBox, "lockPoint")
    assert "A locked point stays" in box.text()
    assert "chosen on" in box.text()
    box.findChild(QPushButton, "lockPointYes").click()


def test_lock_takes_the_rule_whose_point_is_shown(open_window, whole_path, qtbot):
    window = open_window(whole_path)  # no validation images: normal ones alone
    window.show_page(3)
    page = window.pages[3]
    qtbot.waitUntil(lambda: page.model.rowCount() > 0, timeout=WAIT)
    operating = page.panel.operating
    assert operating.why.text().startswith(f"Chosen: {Rule.NORMALS.label} 95 %")
    assert operating.choice().rule is Rule.NORMALS
    shown = page._thresholds[page.kind]
    _lock(window, qtbot)
    qtbot.waitUntil(lambda: operating.lock.text() == "Locked", timeout=WAIT)
    assert page._thresholds[page.kind] == shown
    page.panel.point_picked.emit(shown + 1)  # a click on the curve afterwards moves nothing
    assert page._thresholds[page.kind] == shown


def test_a_sealed_set_shows_no_truth_until_a_point_is_locked(page, judged, qtbot):
    operating = page.panel.operating
    click(qtbot, page.window(), "sealButton")
    qtbot.waitUntil(lambda: page._state.is_sealed, timeout=WAIT)
    studies_page = page.window().pages[0]
    page.window().show_page(0)
    qtbot.waitUntil(lambda: "truth sealed, 6 for" in studies_page.splits.text(), timeout=WAIT)
    with judged.session() as session:
        assert {look.reader for look in looks.seen(session)} == {"BB"}  # Compare's looks too
    page.window().show_page(3)
    assert {page.model.index(row, 3).data() for row in range(4)} == {"–"}
    assert not page.panel.tabs.isVisible()
    assert "sealed" in page.panel.problem.text()
    assert operating.cells[Listed.TRUE_POSITIVE].text() == "–"
    assert page.badge_text() == ""
    operating.rule.setCurrentText(Rule.SENSITIVITY.label)
    operating.target.setValue(90)
    _lock(page.window(), qtbot)
    qtbot.waitUntil(lambda: not page._state.is_sealed, timeout=WAIT)
    assert operating.why.text().startswith("Locked by BB at ")
    assert "before the test images were opened" not in operating.why.text()  # it was open at first
    assert operating.lock.text() == "Locked"
    assert not operating.lock.isEnabled()
    with judged.session() as session:
        row = locked_points.locked(session, page._state.run_id, page.kind)
    assert row.threshold == page._thresholds[page.kind]
    page.panel.threshold_changed.emit(row.threshold + 1)
    assert operating.why.text().startswith("Not the locked point.")


def test_a_rule_chooses_and_says_on_what(page, qtbot):
    operating = page.panel.operating
    operating.rule.setCurrentText(Rule.NORMALS.label)
    operating.target.setValue(80)
    click(qtbot, page.window(), "choosePointButton")
    qtbot.waitUntil(lambda: "Not locked" in operating.why.text(), timeout=WAIT)
    assert "normal training images" in operating.why.text()
    place = page.score_combo.findData(str(ScoreKind.DISCREPANCY))
    page.score_combo.setCurrentIndex(place)
    page.score_combo.activated.emit(place)
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    click(qtbot, page.window(), "choosePointButton")
    qtbot.waitUntil(lambda: any("was trained on every normal" in n for n in notices), timeout=WAIT)


def test_a_point_that_does_not_keep_its_word_says_so(page):
    """Here it calls every image abnormal, though it asked to spare 95 % of the normal ones."""
    operating, state = page.panel.operating, page._state
    low = float(np.nanmin(state.values[page.kind]))
    choice = RuleChoice(Rule.NORMALS, 0.95)
    page._on_chosen(
        ChosenPoint(state.run_id, page.kind, low, choice, "5 normal training images", 5, 0, None)
    )
    assert operating.short.isVisible()
    assert "Asked for specificity of at least 95 %; here it is 0 %" in operating.short.text()
    operating.prevalence.setValue(10)  # another prevalence, the same point
    assert operating.why.text().endswith("on 5 normal training images. Not locked.")
    assert operating.short.isVisible()
    page._on_threshold(low - 1)
    assert "optimistic" in operating.why.text()
    assert not operating.short.isVisible()


def test_the_small_views_stand_apart_in_the_smallest_window(page, qtbot):
    window = page.window()
    window.resize(1024, 640)
    qtbot.waitUntil(lambda: (window.width(), window.height()) == (1024, 640), timeout=WAIT)
    review = page.review
    review.why.setText("\n".join(["Normal against unlabeled: 8.523 · above 100 %"] * 6))
    qtbot.wait(100)  # the lines of six scores take their place
    stacked = [part for pair in zip(review.choices, review.small, strict=True) for part in pair]
    edges = [(part.geometry().top(), part.geometry().bottom()) for part in stacked]
    assert all(above[1] < below[0] for above, below in pairwise(edges))


def test_every_number_lists_its_images(page, qtbot):
    operating, state = page.panel.operating, page._state
    page.panel.threshold_changed.emit(float(np.median(state.values[page.kind])))
    values, threshold = state.values[page.kind], page._thresholds[page.kind]
    for listed, keep in (
        (Listed.ABNORMAL, state.truth == 1),
        (Listed.NORMAL, state.truth == 0),
        (Listed.CALLED_ABNORMAL, values >= threshold),
        (Listed.CALLED_NORMAL, values < threshold),
        (Listed.TRUE_POSITIVE, (values >= threshold) & (state.truth == 1)),
    ):
        button = operating.numbers.get(listed) or operating.cells[listed]
        button.click()
        assert set(_listed(page)) == {n for n, k in zip(state.names, keep, strict=True) if k}
    operating.bar_chosen.emit(float(values.max()), float(values.max()) + 1)
    assert _listed(page) == [state.names[int(np.argmax(values))]]
    page.panel.point_picked.emit(float(values.min()))
    assert page.listed_combo.currentText() == str(Listed.AROUND)
    assert _listed(page)[0] == state.names[int(np.argmin(values))]


def test_predictive_values_follow_the_stated_prevalence(page):
    operating = page.panel.operating
    page.panel.threshold_changed.emit(float(page._state.values[page.kind].min()))  # all called
    operating.prevalence.setValue(10)
    assert operating.numbers[Listed.CALLED_ABNORMAL].text() == "PPV 0.10 (0.04–0.25)"
    assert operating.numbers[Listed.CALLED_NORMAL].text() == "NPV –"
    assert operating.numbers[Listed.CALLED_NORMAL].toolTip().endswith("10 %")


def test_subgroups_and_calibration_stand_beside_the_curves(page, qtbot):
    qtbot.waitUntil(lambda: "PA" in page.panel.subgroups.text(), timeout=WAIT)
    assert "grey below 10 images of the rarer class" in page.panel.subgroups.text()
    # three of each class are too few to calibrate on, and it says so
    assert "at least 5 normal and 5 abnormal" in page.panel.calibrated.text()


def test_a_bar_of_the_histogram_is_clicked(page, qtbot):
    histogram, got = page.panel.operating.histogram, []
    histogram.bar_clicked.connect(lambda low, high: got.append((low, high)))

    class Click:
        def scenePos(self):
            return histogram.plotItem.vb.mapViewToScene(histogram.plotItem.vb.viewRect().center())

    histogram._on_clicked(Click())
    middle = histogram.plotItem.vb.viewRect().center().x()
    assert got
    assert got[0][0] - 1e-9 <= middle <= got[0][1] + 1e-9


def test_the_curve_s_point_is_the_one_whose_counts_are_said(qtbot):
    truth = np.array([0, 0, 1, 0, 1, 1])
    scores = np.array([0.1, 0.4, 0.5, 0.6, 0.7, 0.9])
    curve = roc_curve(truth, scores)
    plot = CurvePlot("1 − specificity", "sensitivity", diagonal=True)
    qtbot.addWidget(plot)
    plot.show_curves([PlottedCurve("a score", curve.x, curve.y, curve.thresholds, "#fff")], 0)
    # between two scores, nearer to the one below or to the one above
    for threshold in (0.05, 0.1, 0.42, 0.48, 0.5, 0.69, 0.95):
        plot.show_threshold(threshold)
        at = operating_point(truth, scores, threshold)
        said = at.false_positives / 3, at.true_positives / 3
        assert (plot._point.pos().x(), plot._point.pos().y()) == pytest.approx(said)


def test_no_heading_of_a_printed_report_is_parted_from_what_it_heads(qtbot, tmp_path):
    body = "".join(
        f"<h2>Section {n} with a heading that is long enough for two lines of a narrow page</h2>"
        + "".join(f"<p>Line {k} of a section.</p>" for k in range(n % 7 + 3))
        for n in range(40)
    )
    writer = QPdfWriter(str(tmp_path / "a.pdf"))
    page = QSizeF(writer.width(), writer.height())
    document = report_printer._document(f"<html><body>{body}</body></html>", page, writer)
    document.setPageSize(page)
    report_printer._keep_headings(document, page.height())
    layout, block, headings = document.documentLayout(), document.begin(), 0
    while block.isValid():
        if block.blockFormat().headingLevel():
            headings += 1
            place, after = (layout.blockBoundingRect(b) for b in (block, block.next()))
            assert int(place.top() // page.height()) == int((after.bottom() - 1) // page.height())
        block = block.next()
    assert headings == 40
    assert document.pageCount() > 2
