"""What readers do in Studies: truth by hand, tags, saved filters, images held back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_images import finish
from PIL import Image
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QPushButton
from widgets_by_name import WAIT, click, saved

from amae_engine.catalog import held_images, image_tables, studies, tags
from amae_engine.catalog.tables import Split
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import Outcome
from amae_engine.project import Project


@pytest.fixture
def studies_page(open_window, small_project, qtbot):
    window = open_window(small_project)
    page = window.pages[0]
    qtbot.waitUntil(lambda: page.model.rowCount() == 40, timeout=WAIT)
    return page


def _written(page) -> None:
    saved(page)


def test_truth_is_said_by_hand_and_undone(studies_page, small_project, qtbot):
    page = studies_page
    with small_project.session() as session:
        before = image_tables.images_in(session, Split.TEST).truth.tolist()
        all_before = studies.split_counts(session)
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.table.selectAll()
    page.selected.truth.setCurrentText("abnormal")
    click(qtbot, page.window(), "truthButton")
    qtbot.waitUntil(lambda: any("10 test images: abnormal" in n for n in notices), timeout=WAIT)
    assert any("30 images not of the test split" in n for n in notices)
    with small_project.session() as session:
        assert image_tables.images_in(session, Split.TEST).truth.tolist() == [1] * 10
        assert studies.split_counts(session)[Split.UNLABELED] == all_before[Split.UNLABELED]
    page._context.undo()
    qtbot.waitUntil(lambda: any("Undone: truth" in n for n in notices), timeout=WAIT)
    with small_project.session() as session:
        assert image_tables.images_in(session, Split.TEST).truth.tolist() == before


def test_hidden_truth_is_not_in_the_table(studies_page, qtbot):
    page = studies_page
    page.filter.setText("split:unlabeled")
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    column = 4

    def texts() -> set[str]:
        return {page.model.index(n, column).data() for n in range(10)}

    qtbot.waitUntil(lambda: texts() == {"hidden"}, timeout=WAIT)
    assert "hidden truth" not in page.splits.text()
    page._context.shows_truth = True
    qtbot.waitUntil(lambda: texts() == {"normal (hidden)", "abnormal (hidden)"}, timeout=WAIT)
    assert "hidden truth" in page.splits.text()


def test_tags_are_given_filtered_by_and_taken_back(studies_page, small_project, qtbot):
    page = studies_page
    page.table.selectRow(2)
    page.selected.tag.setText("Device")
    click(qtbot, page.window(), "tagButton")
    _written(page)
    page.filter.setText("tag:device")
    qtbot.waitUntil(lambda: page.model.rowCount() == 1, timeout=WAIT)
    page.selected.tag.setText("two words")
    notices = []
    page._context.announcer.noticed.connect(lambda text, _level: notices.append(text))
    page.table.selectRow(0)
    click(qtbot, page.window(), "tagButton")
    qtbot.waitUntil(lambda: any("A tag is one word" in n for n in notices), timeout=WAIT)
    page._context.undo()
    qtbot.waitUntil(lambda: page.model.rowCount() == 0, timeout=WAIT)
    with small_project.session() as session:
        assert tags.all_tags(session) == []


def test_filters_are_kept_offered_and_forgotten(studies_page, qtbot):
    page = studies_page
    page.actions_of_page.of_images.keep_filter("test set", "split:test")
    qtbot.waitUntil(
        lambda: page._state.saved_filters == (("test set", "split:test"),), timeout=WAIT
    )
    page._fill_filters()
    page.filters.actions()[0].trigger()
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    page.actions_of_page.of_images.forget_filter("test set")
    qtbot.waitUntil(lambda: page._state.saved_filters == (), timeout=WAIT)


def _unlike_a_chest(folder: Path, number: int) -> Path:
    """A picture of stripes."""
    y, x = np.mgrid[:300, :300]
    stripes = (127 + 120 * np.sin((x + y * number) / (9.0 + number))).astype(np.uint8)
    path = folder / f"stripes{number}.png"
    Image.fromarray(stripes).save(path)
    return path


def test_what_is_wrong_with_a_filter_is_seen_whole(studies_page, qtbot):
    page = studies_page
    page.window().resize(1024, 640)
    page.filter.setText("spilt:test")
    qtbot.waitUntil(lambda: "Unknown filter 'spilt:'" in page.summary.text(), timeout=WAIT)
    qtbot.wait(50)  # its lines take their place
    place = QRect(0, 0, page.summary.width(), 1000)
    wrap = int(Qt.TextFlag.TextWordWrap)
    needed = page.summary.fontMetrics().boundingRect(place, wrap, page.summary.text())
    assert needed.height() <= page.summary.height()


def test_what_looks_unlike_a_chest_waits_for_the_reader(
    studies_page, small_project: Project, tmp_path: Path, qtbot
):
    page = studies_page
    files = [SourceFile(_unlike_a_chest(tmp_path, n), "unlabeled") for n in (1, 2, 3)]
    report, events = finish(import_images(small_project, files, "ward"))
    assert [fate.outcome for fate in report.fates] == [Outcome.HELD] * 3
    assert "3 held back" in report.summary()
    assert any("held back" in getattr(event, "message", "") for event in events)
    page._read_ids()
    qtbot.waitUntil(lambda: page._state.held == 3, timeout=WAIT)
    assert page._state.images == 40
    assert page.held_button.text() == "3 images held back…"
    click(qtbot, page.window(), "heldButton")
    qtbot.waitUntil(lambda: page.actions_of_page.of_images.held_dialog is not None, timeout=WAIT)
    dialog = page.actions_of_page.of_images.held_dialog
    qtbot.waitUntil(lambda: dialog.viewer.is_original, timeout=WAIT)
    qtbot.waitUntil(lambda: not dialog.list.item(2).icon().isNull(), timeout=WAIT)
    press = Qt.MouseButton.LeftButton
    qtbot.mouseClick(dialog.findChild(QPushButton, "letInButton"), press)
    assert dialog.list.count() == 2
    dialog.list.setCurrentRow(0)
    qtbot.mouseClick(dialog.findChild(QPushButton, "leaveOutButton"), press)
    qtbot.waitUntil(lambda: page._state.held == 1, timeout=WAIT)
    assert page._state.images == 41
    dialog.close()
    page._context.undo()
    qtbot.waitUntil(lambda: page._state.held == 2, timeout=WAIT)
    with small_project.session() as session:
        assert len(held_images.waiting(session)) == 2
    # what was left out or waits is known: it does not come in a second time
    again, _ = finish(import_images(small_project, files, "ward"))
    assert {fate.outcome for fate in again.fates} == {Outcome.DUPLICATE}


def test_validation_images_are_marked_by_hand_drawn_and_undone(studies_page, small_project, qtbot):
    page = studies_page
    acts = page.actions_of_page.of_images
    page.filter.setText("split:test")
    qtbot.waitUntil(lambda: page.model.rowCount() == 10, timeout=WAIT)
    page.table.selectRow(0)
    acts.set_validation(True)
    qtbot.waitUntil(lambda: "1 for validation" in page.splits.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: page.model.index(0, 3).data() == "validation", timeout=WAIT)
    page._context.undo()
    qtbot.waitUntil(lambda: "for validation" not in page.splits.text(), timeout=WAIT)
    acts.draw_validation(0.4)
    qtbot.waitUntil(lambda: "4 for validation" in page.splits.text(), timeout=WAIT)
    with small_project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
    assert sorted(table.truth[table.is_validation]) == [0, 0, 1, 1]
