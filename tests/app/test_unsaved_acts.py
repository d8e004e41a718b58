"""Decisions that cannot be written: none is lost, each is named and offered again."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from contextlib import closing

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from sqlalchemy import event
from widgets_by_name import WAIT, click, find, saved

from amae_app import unsaved_acts
from amae_app.act_writer import Act, ActWriter
from amae_app.unsaved_acts import UnsavedActsDialog
from amae_engine.catalog import database, decisions
from amae_engine.catalog.tables import Label
from amae_engine.errors import BadInput, ProjectError
from amae_engine.project import Project

TYPED = 60


@pytest.fixture
def page(open_window, rated_project, qtbot, monkeypatch):
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_MS", 300)
    window = open_window(rated_project)
    window.show_page(2)
    page = window.pages[2]
    qtbot.waitUntil(lambda: page.gallery.gallery.rowCount() == 10, timeout=WAIT)
    return page


def _type(page, qtbot, count: int = TYPED) -> None:
    """So many decisions by keys, over the ten images again and again, each time what they were."""
    for number in range(count):
        page.gallery.select(number % 10)
        qtbot.keyClick(page.gallery, (Qt.Key.Key_A, Qt.Key.Key_N, Qt.Key.Key_X)[number % 10 % 3])


def _written(project: Project) -> int:
    with project.session() as session:
        return len(decisions.history(session, limit=10_000))


def _dialog(page) -> UnsavedActsDialog | None:
    return page.window().findChild(UnsavedActsDialog)


@pytest.fixture
def locked(rated_project, page):
    """Another program writes into the catalog, and goes on."""
    other = sqlite3.connect(rated_project.folder / "catalog.sqlite", isolation_level=None)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_sixty_decisions_under_a_lock_are_kept_and_written_in_their_order(
    page, rated_project, locked, qtbot
):
    _type(page, qtbot)
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    qtbot.waitUntil(lambda: _dialog(page) is not None, timeout=WAIT)
    dialog = _dialog(page)
    assert "Another program has been writing into catalog.sqlite" in dialog.text.text()
    assert f"{TYPED} acts could not be saved" in dialog.text.text()
    assert dialog.list.count() == TYPED
    first = page.gallery.gallery.tile(0)
    assert dialog.list.item(0).text() == f"{first.name}: abnormal"
    assert page.gallery.currentIndex().row() == 0  # back at the image
    assert page.gallery._delegate.saving_failed
    assert first.image_id in page.gallery._delegate.saving
    assert page.window().job_bar.unsaved_button.text() == f"Not saved: {TYPED}"
    locked.execute("ROLLBACK")
    qtbot.mouseClick(dialog.try_again, Qt.MouseButton.LeftButton)
    saved(page)
    with rated_project.session() as session:
        found = decisions.history(session, limit=1000)[::-1]
    labels = (Label.ABNORMAL, Label.NORMAL, Label.EXCLUDE)
    assert [row.after for row in found] == [labels[n % 10 % 3] for n in range(TYPED)]
    qtbot.waitUntil(lambda: page.gallery._delegate.saving == frozenset(), timeout=WAIT)
    assert page.window().job_bar.unsaved_button.isHidden()


def test_the_cross_waits_for_what_is_being_saved(page, rated_project, qtbot):
    _type(page, qtbot)
    window = page.window()
    window.close()
    assert window.isVisible()  # "Saving 60 acts…"
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    with closing(Project.open(rated_project.folder)) as project:
        assert _written(project) == TYPED


def test_the_cross_under_a_lock_offers_to_try_again(page, rated_project, locked, qtbot):
    _type(page, qtbot, 5)
    window = page.window()
    window.close()
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    assert window.isVisible()
    dialog = _dialog(page)
    assert dialog.try_again.isEnabled()
    assert dialog.to_file.isEnabled()
    assert dialog.give_up.isEnabled()
    locked.execute("ROLLBACK")
    qtbot.mouseClick(dialog.try_again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    with closing(Project.open(rated_project.folder)) as project:
        assert _written(project) == 5


def test_they_are_written_to_a_file_or_given_up(page, locked, qtbot, tmp_path, monkeypatch):
    target = tmp_path / "unsaved.csv"
    monkeypatch.setattr(unsaved_acts, "ask_target", lambda *_: str(target))
    _type(page, qtbot, 5)
    window = page.window()
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    window.close()
    qtbot.mouseClick(_dialog(page).to_file, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT)
    with target.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["act"] for row in rows] == ["abnormal", "normal", "exclude", "abnormal", "normal"]
    assert all(row["images"].startswith("CXR-") and row["reader"] == "BB" for row in rows)
    assert "Another program" in rows[0]["not_saved_because"]


def test_a_closed_box_keeps_them_and_a_later_act_tries_again(page, rated_project, locked, qtbot):
    _type(page, qtbot, 2)
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    _dialog(page).reject()
    qtbot.waitUntil(lambda: _dialog(page) is None, timeout=WAIT)
    button = find(page.window(), QPushButton, "unsavedButton")
    assert button.isVisible()
    click(qtbot, page.window(), "unsavedButton")
    assert _dialog(page).list.count() == 2
    _dialog(page).reject()
    qtbot.waitUntil(lambda: _dialog(page) is None, timeout=WAIT)
    locked.execute("ROLLBACK")
    page.window().activateWindow()  # as a window manager does
    page.gallery.setFocus()
    qtbot.waitUntil(page.gallery.hasFocus, timeout=WAIT)
    _type(page, qtbot, 1)
    saved(page)
    assert _written(rated_project) == 3


def test_on_a_full_disk_none_is_lost(page, rated_project, qtbot):
    """SQLite may take no further page: what fits is written, the rest is kept."""
    engine, most = page._context.project._catalog._engine, [1]
    event.listen(
        engine, "connect", lambda made, _: made.execute(f"PRAGMA max_page_count={most[0]}")
    )
    engine.dispose()
    _type(page, qtbot, 10 * TYPED)
    acts = page._context.acts
    qtbot.waitUntil(lambda: bool(acts.cause), timeout=WAIT)
    assert "The disk is full" in acts.cause
    left = len(acts.waiting)
    assert left > 0
    assert _written(rated_project) == 10 * TYPED - left
    assert _dialog(page).list.count() == left
    most[0] = 1 << 30  # room is made
    engine.dispose()
    qtbot.mouseClick(_dialog(page).try_again, Qt.MouseButton.LeftButton)
    saved(page)
    assert _written(rated_project) == 10 * TYPED


def test_on_a_network_folder_that_is_gone_none_is_lost(page, rated_project, qtbot, monkeypatch):
    real, is_gone = decisions.decide, [True]

    def decide(*arguments, **named):
        if is_gone[0]:
            raise OSError(116, "Stale file handle", "catalog.sqlite")
        return real(*arguments, **named)

    monkeypatch.setattr(decisions, "decide", decide)
    _type(page, qtbot)
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    assert "The network folder is gone" in page._context.acts.cause
    assert _dialog(page).list.count() == TYPED
    is_gone[0] = False
    qtbot.mouseClick(_dialog(page).try_again, Qt.MouseButton.LeftButton)
    saved(page)
    assert _written(rated_project) == TYPED


def test_a_folder_that_is_really_gone_keeps_them_till_it_is_back(page, rated_project, qtbot):
    away = rated_project.folder.with_name("away")
    page._context.project._catalog._engine.dispose()
    shutil.move(rated_project.folder, away)
    _type(page, qtbot)
    qtbot.waitUntil(lambda: bool(page._context.acts.cause), timeout=WAIT)
    assert _dialog(page).list.count() == TYPED
    shutil.rmtree(rated_project.folder, ignore_errors=True)
    shutil.move(away, rated_project.folder)
    qtbot.mouseClick(_dialog(page).try_again, Qt.MouseButton.LeftButton)
    saved(page)
    assert _written(rated_project) == TYPED


def test_an_act_that_is_impossible_is_said_and_the_next_ones_are_written(qtbot):
    writer, done, refused = ActWriter(), [], []
    writer.refused.connect(refused.append)

    def impossible() -> None:
        raise BadInput("A tag is one word.")

    writer.add(Act(impossible, done.append, "tag", ("CXR-00001",)))
    writer.add(Act(lambda: 7, done.append))
    qtbot.waitUntil(lambda: not writer.waiting, timeout=WAIT)
    assert done == [7]
    assert refused == ["CXR-00001: tag: A tag is one word."]


def test_what_was_given_up_is_forgotten(qtbot):
    writer = ActWriter()

    def fails() -> None:
        raise ProjectError("The disk is full.")

    for _ in range(3):
        writer.add(Act(fails, print))
    qtbot.waitUntil(lambda: bool(writer.cause), timeout=WAIT)
    assert len(writer.waiting) == 3
    writer.give_up()
    assert writer.waiting == ()
    writer.wait()
