"""Two readers press and click at random: what is shown is what is stored, and nothing else changes.

Each step is one act by real events in one of two windows: of two projects of one account, or of one
project on a PostgreSQL server. After it, what the widgets say is compared with what plain SQL reads,
and what changed in the catalog with what the step can have meant.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSlider,
    QTableView,
    QWidget,
)
from sqlalchemy import Engine, create_engine, text

from amae_app.following import Following
from amae_app.main_window import MainWindow
from amae_app.pseudo_labels.pseudo_labels_page import PseudoLabelsPage
from amae_app.results.results_page import ResultsPage
from amae_app.studies.studies_page import StudiesPage
from tests.robustness.own_postgres import PostgresServer, programs
from tests.robustness.scripted_window import close, open_project, scripted_window
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import make_scored_project
from tests.waiting import wait_until

READERS = ("AA", "BB")
_LONGEST = 120.0  # seconds that a step may take: a guard against hanging
_LABELS = {Qt.Key.Key_N: "normal", Qt.Key.Key_A: "abnormal", Qt.Key.Key_X: "exclude"}
_WORDS = {"normal": "normal", "abnormal": "abnormal", "exclude": "excluded"}
_PLACES = {"normal": "in module A", "abnormal": "in module B", "exclude": "excluded"}
_TRUTHS = {0: ("normal",), 1: ("abnormal",), None: ("unknown", "–")}
_ANY = None  # every image may change

# what is stored, by the kind of thing: a key and what it is
_STORED = {
    "decisions": "SELECT image_id, after FROM label_decision WHERE after <> '' AND id IN "
    "(SELECT max(id) FROM label_decision GROUP BY image_id)",
    "images": "SELECT id, split, truth, is_validation, held, removed_at IS NULL FROM image",
    "tags": "SELECT image_id, min(tag), max(tag), count(*) FROM image_tag GROUP BY image_id",
    "regions": "SELECT image_id, count(*), max(id) FROM region_act WHERE id IN (SELECT max(id) "
    "FROM region_act GROUP BY region) GROUP BY image_id",
}
Stored = dict[str, dict[int, tuple[Any, ...]]]
Meant = dict[str, "set[int] | None"]


class Walker:
    """One reader at one window.

    Args:
        window: With the project open.
        reader: Their name.
        place: The project.
        draw: Chance.
    """

    def __init__(self, window: MainWindow, reader: str, place: Place, draw: random.Random) -> None:
        assert window.context is not None
        self.window, self.reader, self._draw = window, reader, draw
        self.context = window.context
        self.following = self.context.findChild(Following)
        url = place.catalog_url or f"sqlite:///{place.folder / 'catalog.sqlite'}"
        self.engine: Engine = create_engine(url)
        window.show_page(1)  # its fields are filled when it is first shown
        self._settle()
        self.stored = self._read()
        self.last_act = self._newest_act()
        self.settings = self._settings()
        self.milliseconds: list[float] = []  # from a label's key to the catalog
        self.wrong: list[str] = []
        self.said = ""

    @property
    def labels(self) -> PseudoLabelsPage:
        """The page of pseudo-labels."""
        page = self.window.pages[2]
        assert isinstance(page, PseudoLabelsPage)
        return page

    @property
    def studies(self) -> StudiesPage:
        """The page of all images."""
        page = self.window.pages[0]
        assert isinstance(page, StudiesPage)
        return page

    @property
    def results(self) -> ResultsPage:
        """The page of test images."""
        page = self.window.pages[3]
        assert isinstance(page, ResultsPage)
        return page

    def step(self) -> None:
        """One act, and what it did."""
        self.window.activateWindow()
        self.following.look()  # what the other reader did meanwhile
        self._settle()
        self.stored, self.last_act = self._read(), self._newest_act()
        act = self._draw.choice(self._acts())
        meant = act()
        self._settle()
        self._answer_dialogs()
        self._settle()
        self._compare(meant or {})

    # what a reader can do

    def _acts(self) -> list[Callable[[], Meant | None]]:
        everywhere = [self._go] * 2 + [self._wheel] * 2 + [self._look_at_keys, self._type_no_name]
        page = self.window.stack.currentWidget()
        if page is self.labels:
            return everywhere + [self._label] * 9 + [self._undo] * 3 + [self._move_tile] * 4 + [
                self._take_back, self._label_many, self._space, self._redo]  # fmt: skip
        if page is self.studies:
            return everywhere + [self._click_row] * 4 + [self._undo] * 3 + [
                self._delete, self._tag, self._set_truth, self._filter, self._filter, self._redo,
                self._stray_label]  # fmt: skip
        if page is self.results:
            return everywhere + [self._move_result] * 4 + [self._judge_region] * 4 + [
                self._note, self._undo, self._undo, self._redo]  # fmt: skip
        return [*everywhere, self._stray_label]

    def _go(self) -> None:
        number = self._draw.randrange(5)
        self._say(f"Ctrl+{number + 1}")
        key = Qt.Key(Qt.Key.Key_1.value + number)
        QTest.keyClick(self._focus(), key, Qt.KeyboardModifier.ControlModifier)
        self._settle()
        if self.window.stack.currentWidget() is not self.window.pages[number]:
            self.wrong.append(f"{self.said}: another page is shown")

    def _wheel(self) -> None:
        """Over something whose value it could change."""
        kinds = (QComboBox, QAbstractSpinBox, QSlider)
        page = self.window.stack.currentWidget()
        found = [w for kind in kinds for w in page.findChildren(kind) if w.isVisible()]
        over = self._draw.choice(found) if found else page
        self._say(f"wheel over {over.objectName() or type(over).__name__}")
        if over.hasFocus():
            return
        middle = QPointF(over.rect().center())
        event = QWheelEvent(
            middle, QPointF(over.mapToGlobal(over.rect().center())), QPoint(0, 0), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(over, event)

    def _look_at_keys(self) -> None:
        self._say("? and Esc")
        QTest.keyClick(self._focus(), Qt.Key.Key_Question)
        self._settle()
        dialog = QApplication.activeModalWidget() or QApplication.activeWindow()
        if isinstance(dialog, QDialog):
            QTest.keyClick(dialog, Qt.Key.Key_Escape)

    def _type_no_name(self) -> None:
        self._say("a letter in the reader's field, and Esc")
        field = self.window.findChild(QLineEdit, "readerEdit")
        QTest.mouseClick(field, Qt.MouseButton.LeftButton)
        QTest.keyClick(field, Qt.Key.Key_Q)
        QTest.keyClick(field, Qt.Key.Key_Escape)

    def _stray_label(self) -> None:
        """A label's key where there is nothing to label."""
        key = self._draw.choice(list(_LABELS))
        self._say(f"{key.name} where it is no key")
        QTest.keyClick(self._focus(), key)

    def _move_tile(self) -> None:
        gallery = self.labels.gallery
        if self._draw.random() < 0.5:
            key = self._draw.choice([Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Down])
            self._say(key.name)
            QTest.keyClick(gallery, key)
            return
        index = gallery.gallery.index(self._draw.randrange(max(gallery.gallery.rowCount(), 1)))
        gallery.scrollTo(index)
        self._say(f"a click on tile {index.row()}")
        middle = gallery.visualRect(index).center()
        QTest.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=middle)

    def _label(self) -> Meant:
        key = self._draw.choice(list(_LABELS))
        chosen = self._chosen_tiles()
        self._say(f"{key.name} on {sorted(chosen)}")
        began = time.perf_counter()
        if self._draw.random() < 0.3:
            name = f"label{_LABELS[key].capitalize()}Button"
            button = self.labels.findChild(QPushButton, name)
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        else:
            QTest.keyClick(self.labels.gallery, key)
        acts = self.context.acts
        wait_until(lambda: not acts.waiting, _LONGEST)
        self.milliseconds.append(1000 * (time.perf_counter() - began))
        decided = {i: row[0] for i, row in self.stored["decisions"].items()}
        free = [i for i in chosen if i not in decided]
        now = {i: row[0] for i, row in self._read()["decisions"].items()}
        if [i for i in free if now.get(i) != _LABELS[key]]:
            self.wrong.append(f"{self.said}: stored is {[now.get(i) for i in free]}")
        return {"decisions": chosen}

    def _label_many(self) -> Meant:
        for _ in range(self._draw.randint(1, 3)):
            QTest.keyClick(self.labels.gallery, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        return self._label()

    def _space(self) -> Meant:
        chosen = self._chosen_tiles()
        self._say(f"Space on {sorted(chosen)}")
        QTest.keyClick(self.labels.gallery, Qt.Key.Key_Space)
        return {"decisions": {i for i in chosen if i not in self.stored["decisions"]}}

    def _take_back(self) -> Meant:
        chosen = self._chosen_tiles()
        self._say(f"take back on {sorted(chosen)}")
        button = self.labels.findChild(QPushButton, "labelNoneButton")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        return {"decisions": chosen}

    def _undo(self) -> Meant:
        self._say("Ctrl+Z")
        QTest.keyClick(self._focus(), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        return dict.fromkeys(_STORED, _ANY)

    def _redo(self) -> Meant:
        self._say("Ctrl+Shift+Z")
        both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        QTest.keyClick(self._focus(), Qt.Key.Key_Z, both)
        return dict.fromkeys(_STORED, _ANY)

    def _click_row(self) -> None:
        self._say("a click on a row")
        with_shift = self._draw.random() < 0.3
        modifier = (
            Qt.KeyboardModifier.ShiftModifier if with_shift else Qt.KeyboardModifier.NoModifier
        )
        self._click_in(self.studies.table, modifier)

    def _delete(self) -> Meant:
        chosen = self._chosen_rows()
        self._say(f"Delete on {sorted(chosen)}")
        if len(chosen) > 3:  # something has to stay
            return {}
        QTest.keyClick(self.studies.table, Qt.Key.Key_Delete)
        return {"images": chosen}

    def _tag(self) -> Meant:
        chosen = self._chosen_rows()
        word = self._draw.choice(("device", "rotated"))
        self._say(f"tag {word} on {sorted(chosen)}")
        field = self.studies.findChild(QLineEdit, "tagEdit")
        field.clear()
        QTest.keyClicks(field, word)
        name = self._draw.choice(("tagButton", "untagButton"))
        QTest.mouseClick(self.studies.findChild(QPushButton, name), Qt.MouseButton.LeftButton)
        return {"tags": chosen}

    def _set_truth(self) -> Meant:
        chosen = self._chosen_rows()
        self._say(f"truth of {sorted(chosen)}")
        combo = self.studies.findChild(QComboBox, "truthCombo")
        combo.setFocus()
        QTest.keyClick(combo, self._draw.choice([Qt.Key.Key_Up, Qt.Key.Key_Down]))
        button = self.studies.findChild(QPushButton, "truthButton")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        test = {i for i in chosen if self.stored["images"][i][0] == "test"}
        return {"images": test}

    def _filter(self) -> None:
        words = self._draw.choice(("split:test", "split:unlabeled", "tag:device", "", ""))
        self._say(f"filter '{words}'")
        self.studies.filter.clear()
        QTest.keyClicks(self.studies.filter, words)
        self.studies.table.setFocus()
        wanted = words
        wait_until(lambda: (self.studies._listed_by or ("-",))[0] == wanted, _LONGEST)

    def _move_result(self) -> None:
        keys = (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Space)
        key = self._draw.choice(keys)
        self._say(key.name)
        QTest.keyClick(self.results.table, key)

    def _judge_region(self) -> Meant:
        key = self._draw.choice([Qt.Key.Key_A, Qt.Key.Key_X, Qt.Key.Key_N, Qt.Key.Key_Delete])
        image = self.results.regions.image_id
        self._say(f"{key.name} (regions) on {image}")
        QTest.keyClick(self.results.table, key)
        return {"regions": {image}}

    def _note(self) -> Meant:
        image = self.results.regions.image_id
        self._say(f"a note on {image}")
        self.results.side.setCurrentIndex(1)
        field = self.results.regions.panel.image_note
        if not field.isVisible():
            return {}
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, self._draw.choice(("seen", "rib", "again")))
        QTest.keyClick(field, Qt.Key.Key_Return)
        self.results.table.setFocus()
        return {"regions": {image}}

    # what is shown, and what is stored

    def _compare(self, meant: Meant) -> None:
        before, self.stored = self.stored, self._read()
        for kind, rows in self.stored.items():
            changed = {i for i in {*rows, *before[kind]} if rows.get(i) != before[kind].get(i)}
            allowed = meant.get(kind, set())
            if allowed is not None and changed - allowed:
                self.wrong.append(f"{self.said}: {kind} of {sorted(changed - allowed)} changed")
        field = self.window.findChild(QLineEdit, "readerEdit")
        self._same("the reader's field", field.text(), self.reader)
        names = self._sql(f"SELECT DISTINCT reader FROM act WHERE id > {self.last_act}")
        for (name,) in names:
            self._same("the acts' reader", name, field.text())
        settings = self._settings()
        for name, value in settings.items():
            self._same(f"the setting {name}", value, self.settings[name])
        self.settings = settings
        self._compare_shown()

    def _compare_shown(self) -> None:
        page = self.window.stack.currentWidget()
        if page is self.labels:
            self._compare_labels()
        elif page is self.studies:
            self._compare_studies()
        elif page is self.results:
            self._compare_results()

    def _compare_labels(self) -> None:
        decided = {i: row[0] for i, row in self.stored["decisions"].items()}
        model, newest = self.labels.gallery.gallery, self._newest_decision()
        for place in range(model.rowCount()):
            tile = model.tile(place)
            if tile is not None and tile.checked != (tile.image_id in decided):
                self.wrong.append(f"{self.said}: tile {tile.name} shows another decision")
        tile = self.labels.gallery.current_tile()
        if tile is not None:
            self._same("the name", self.labels.image_name.text(), tile.name)
            facts, label = self.labels.image_facts.text(), decided.get(tile.image_id)
            self._same("decided", "decided by a reader" in facts, label is not None)
            if label is not None and f"Stage 2: {_PLACES[label]}" not in facts:
                self.wrong.append(f"{self.said}: {tile.name} is {label}, shown is {facts!r}")
        if newest is not None:
            line = self.labels.review.history.text().split("\n")[0]
            said = f"{newest[0]}  {newest[1]}  {newest[2] or 'none'} → {newest[3] or 'none'}"
            if said not in line:
                self.wrong.append(f"{self.said}: the newest decision is '{said}', shown '{line}'")

    def _compare_studies(self) -> None:
        page = self.studies
        here = {i: row for i, row in self.stored["images"].items() if row[4]}
        self._same("the number of images", page.summary.text().split(" ")[0], str(len(here)))
        if not page.filter.text():
            self._same("the listed images", set(page.model.ids.tolist()), set(here))
        for index in page.table.selectionModel().selectedRows()[:1]:
            (image,) = page.model.ids_at([index.row()])
            split, truth, is_validation, *_ = self.stored["images"][image]
            cells = [str(page.model.index(index.row(), n).data()) for n in range(5)]
            self._same("the name", cells[1], f"CXR-{image:05d}")
            self._same("the split", cells[3], "validation" if is_validation else split)
            if split == "test":
                self._same("the truth", cells[4] in _TRUTHS[truth], True)

    def _compare_results(self) -> None:
        page = self.results
        for row in range(page.model.rowCount()):
            cells = [str(page.model.index(row, n).data()) for n in range(4)]
            name = next(cell for cell in cells if cell.startswith("CXR-"))
            truth = self.stored["images"][int(name[4:])][1]
            is_shown = not set(_TRUTHS[truth]).isdisjoint(cells)
            self._same(f"the truth of {name}", is_shown, True)
        image, panel = page.regions.image_id, page.regions.panel
        if not image:
            return
        mine = self._sql(
            "SELECT note FROM region_act WHERE state = 'note' AND reader = :reader AND image_id = "
            ":image AND id IN (SELECT max(id) FROM region_act GROUP BY region)",
            reader=self.reader, image=image,
        )  # fmt: skip
        self._same("the note", panel.image_note.text(), mine[0][0] if mine else "")
        marked = self._sql(
            "SELECT count(*) FROM region_act WHERE state <> '' AND shape <> 'image' AND image_id = "
            ":image AND id IN (SELECT max(id) FROM region_act GROUP BY region)", image=image,
        )  # fmt: skip
        self._same("the regions", panel.count.text().split(" ")[0], str(marked[0][0]))

    def _same(self, what: str, shown: object, stored: object) -> None:
        if shown != stored:
            self.wrong.append(f"{self.said}: {what}: shown {shown!r}, stored {stored!r}")

    # reading

    def _read(self) -> Stored:
        return {
            kind: {row[0]: tuple(row[1:]) for row in self._sql(query)}
            for kind, query in _STORED.items()
        }

    def _sql(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def _newest_act(self) -> int:
        return int(self._sql("SELECT coalesce(max(id), 0) FROM act")[0][0])

    def _newest_decision(self) -> tuple[Any, ...] | None:
        found = self._sql(
            "SELECT d.reader, i.name, d.before, d.after FROM label_decision AS d JOIN image AS i ON "
            "i.id = d.image_id ORDER BY d.id DESC LIMIT 1"
        )
        return found[0] if found else None

    def _settings(self) -> dict[str, object]:
        panel = self.window.pages[1].settings  # type: ignore[attr-defined]
        fields: list[QComboBox | QAbstractSpinBox] = [
            *panel.findChildren(QComboBox), *panel.findChildren(QAbstractSpinBox)
        ]  # fmt: skip
        shown = {
            field.objectName(): field.currentText()
            if isinstance(field, QComboBox)
            else field.text()
            for field in fields
        }
        return {**shown, "labels": self.context.labels.to_dict()}

    def _chosen_tiles(self) -> set[int]:
        return {tile.image_id for tile in self.labels.gallery.selected_tiles()}

    def _chosen_rows(self) -> set[int]:
        return set(self.studies._selected())

    # events

    def _say(self, what: str) -> None:
        self.said = f"{self.reader}, {what}"

    def _focus(self) -> QWidget:
        here = QApplication.focusWidget()
        return here if here is not None and here.window() is self.window else self.window

    def _click_in(self, table: QTableView, modifier: Qt.KeyboardModifier) -> None:
        rows = table.model().rowCount()
        if rows:
            index = table.model().index(self._draw.randrange(rows), 1)
            table.scrollTo(index)
            middle = table.visualRect(index).center()
            QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, middle)

    def _settle(self) -> None:
        """Until everything is written, read and shown."""
        context = self.context
        wait_until(lambda: not context.acts.waiting and not context.runner.is_busy, _LONGEST)
        QApplication.processEvents()

    def _answer_dialogs(self) -> None:
        for box in self.window.findChildren(QMessageBox):
            if box.isVisible():
                QTest.keyClick(box, Qt.Key.Key_Escape)


@dataclass(frozen=True, slots=True)
class Place:
    """A project to walk in: its folder, and the address of its catalog ("" for a file there)."""

    folder: Path
    catalog_url: str = ""


def walk(places: tuple[Place, Place], settings: Path, steps: int, seed: int) -> SelfTestResult:
    """Let two readers act by turns, as chance has it.

    Args:
        places: Of each reader; the same one where they share a server's catalog.
        settings: Where the account's settings are kept.
        steps: Acts in all.
        seed: Of chance.
    """
    draw = random.Random(seed)
    walkers = []
    for place, reader in zip(places, READERS, strict=True):
        window = scripted_window(settings, reader)
        open_project(window, place.folder)
        walkers.append(Walker(window, reader, place, draw))
    for _ in range(steps):
        draw.choice(walkers).step()
    wrong = [text for walker in walkers for text in walker.wrong]
    times = [each for walker in walkers for each in walker.milliseconds] or [0.0]
    for walker in walkers:
        walker.engine.dispose()
        close(walker.window)
    facts = {
        "labels": len(times),
        "key to stored, ms: median": round(float(np.median(times)), 1),
        "p99": round(float(np.percentile(times, 99)), 1),
    }
    survived = steps - min(len(wrong), steps)
    return SelfTestResult("walk", "steps", steps, survived, tuple(wrong[:20]), facts=facts)


def walk_test(steps: int, seed: int) -> SelfTestResult:
    """Half of the steps on two projects of one account, half on one of a server."""
    binaries = programs()
    with tempfile.TemporaryDirectory(prefix="amae-walk-") as name:
        one, two, shared, settings = (
            Path(name) / part for part in ("1", "2", "shared", "settings")
        )
        folder = make_scored_project(one, "ZZ")
        shutil.copytree(folder, two)
        each = steps if binaries is None else steps // 2
        results = [walk((Place(folder), Place(two)), settings, each, seed)]
        if binaries is not None:
            server = PostgresServer(binaries)
            server.start()
            try:
                url = server.new_url()
                place = Place(make_scored_project(shared, "ZZ", url), url)
                results.append(walk((place, place), settings, each, seed + 1))
            finally:
                server.stop()
    return SelfTestResult(
        "walk",
        "steps",
        sum(result.tried for result in results),
        sum(result.survived for result in results),
        tuple(failure for result in results for failure in result.failures),
        () if binaries is not None else ("no PostgreSQL server on this machine",),
        {
            f"{fact}, {where}": value
            for where, result in zip(("files", "server"), results, strict=False)
            for fact, value in result.facts.items()
        },
    )
