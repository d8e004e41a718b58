"""The regions of the shown image: the list, what can be done, notes, and how the map agrees."""

from __future__ import annotations

import math

from PySide6.QtCore import QItemSelectionModel, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from amae_app.results.region_table import RegionTable, RegionTableModel, is_offered
from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.page_keys import PageKeys
from amae_app.widgets.region_layer import Tool
from amae_engine.catalog.regions import LONGEST_NOTE
from amae_engine.jobs.curation.image_regions import ImageRegions, ListedRegion
from amae_engine.words import plural

ACTS = {
    "agree": ("Agree", "A", "This region shows something"),
    "reject": ("Reject", "X", "This region shows nothing"),
    "polygon": ("Polygon", "P", "Draw a region: click its corners, or drag freehand"),
    "ellipse": ("Ellipse", "E", "Draw a region: drag across it"),
    "edit": ("Edit", "D", "Drag the chosen region or its corners; another's becomes yours"),
    "remove": ("Delete", "Del", "Take your region away"),
    "undo": ("Undo", "Ctrl+Z", "Take your last act on regions and notes back"),
    "redo": ("Redo", "Ctrl+Shift+Z", "Repeat what was undone"),
}


class RegionPanel(QWidget):
    """Shows regions and asks for acts; writes nothing itself.

    Signals:
        act_wanted(name): one of `ACTS`.
        chosen(place): a line of the list.
        region_noted(text), image_noted(text): a note was written.
        outlines_toggled(is_shown).
    """

    act_wanted = Signal(str)
    chosen = Signal(int)
    region_noted = Signal(str)
    image_noted = Signal(str)
    outlines_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: ImageRegions | None = None
        self._reader = ""
        self._is_filling = False
        self.noted: ListedRegion | None = None  # whose note the field shows
        self.count = quiet()
        self.model = RegionTableModel()
        self.table = RegionTable()
        self.table.setModel(self.model)
        self.more = quiet()
        self.outlines = QCheckBox("Show outlines")
        self.buttons: dict[str, QPushButton] = {}
        self.region_note = _note_field("regionNote", "Note on the chosen region")
        self.image_note = _note_field("imageNote", "Note on this image")
        self.others = quiet()
        self.agreement = named(QLabel(), "regionAgreement")
        self.agreement.setWordWrap(True)
        self._lay_out()
        self.table.selectionModel().currentRowChanged.connect(self._on_current)
        self.region_note.editingFinished.connect(self._on_region_note)
        self.image_note.editingFinished.connect(self._on_image_note)
        self.outlines.toggled.connect(self.outlines_toggled)

    def show_regions(self, found: ImageRegions | None, reader: str, above: str) -> None:
        """Show an image's regions.

        Args:
            found: None where no image is shown.
            reader: Who reads.
            above: What the map is cut at, for the reader; "" without a map.
        """
        before = self._found.image_id if self._found is not None else 0
        row = self.table.currentIndex().row() if found and found.image_id == before else 0
        self._found, self._reader = found, reader
        listed = found.listed if found is not None else ()
        self._is_filling = True  # a note that is being typed is neither kept nor lost
        self.model.show_regions(listed)
        offered = sum(map(is_offered, listed))
        self.count.setText(f"{len(listed) - offered} marked or judged, {offered} to judge")
        more = found.more if found is not None else 0
        self.more.setText(f"{plural(more, 'smaller part')} of the map not listed" if more else "")
        self.more.setVisible(bool(more))
        if found is not None and not self.image_note.isModified():
            self.image_note.setText(found.note)
        notes = found.notes if found is not None else {}
        self.others.setText("\n".join(f"{who}: {note}" for who, note in notes.items()))
        self.others.setVisible(bool(notes))
        self.agreement.setText(_agreement_text(found, above))
        self.choose(min(max(row, 0), len(listed) - 1))
        self._is_filling = False
        self._show_current()

    @property
    def current(self) -> ListedRegion | None:
        """The chosen region."""
        row = self.table.currentIndex().row()
        listed = self._found.listed if self._found is not None else ()
        return listed[row] if 0 <= row < len(listed) else None

    def choose(self, place: int) -> None:
        """Choose a line; −1 for none."""
        index = self.model.index(place, 0)
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        if place >= 0:
            self.table.scrollTo(index)

    def step(self, by: int) -> None:
        """Choose the next line, or the one before."""
        rows = self.model.rowCount()
        if rows:
            self.choose((self.table.currentIndex().row() + by) % rows)

    def flush_notes(self) -> None:
        """Keep notes that are typed but not yet kept: another image follows."""
        self._on_region_note()
        self._on_image_note()

    def show_tool(self, tool: Tool) -> None:
        """Which tool draws."""
        for name in Tool:
            if name:
                self.buttons[name].setChecked(name is tool)

    def name_buttons(self, keys: PageKeys) -> None:
        """Each button with its key."""
        for name, button in self.buttons.items():
            button.setText(f"{ACTS[name][0]}  {keys.shown(f'region_{name}')}")

    def _lay_out(self) -> None:
        frame, layout = card()
        top = row_of(heading("Regions"), (self.count, 1))
        fill(layout, top, (self.table, 1), self.more)
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, (name, (text, _, tip)) in enumerate(ACTS.items()):
            button = named(QPushButton(text), f"{name}RegionButton", tip=tip)
            button.setCheckable(name in set(Tool))
            button.clicked.connect(lambda _=False, act=name: self.act_wanted.emit(act))
            self.buttons[name] = button
            grid.addWidget(button, number // 2, number % 2)
        layout.addLayout(grid)
        self.outlines.setObjectName("showOutlines")
        self.outlines.setChecked(True)
        fill(layout, self.outlines, self.region_note, self.image_note, self.others, self.agreement)
        column_of(frame, into=self, margins=0)

    @Slot()
    def _on_current(self) -> None:
        if self._is_filling:
            return
        self._on_region_note()
        self._show_current()
        self.chosen.emit(self.table.currentIndex().row())

    def _show_current(self) -> None:
        """What can be done with the chosen region."""
        region = self.current
        is_own = region is not None and region.region > 0 and region.reader == self._reader
        own = region if is_own else None
        same = own is not None and self.noted is not None and own.region == self.noted.region
        is_typing = same and self.region_note.isModified()
        self.noted = own
        self.region_note.setEnabled(is_own)
        if not is_typing:
            self.region_note.setText(region.note if region is not None else "")
        self.region_note.setPlaceholderText(
            "Note on the chosen region" if is_own else "Notes: on a region that is yours"
        )
        for name in ("agree", "reject", "edit"):
            self.buttons[name].setEnabled(region is not None)
        self.buttons["remove"].setEnabled(is_own)

    @Slot()
    def _on_region_note(self) -> None:
        if self.region_note.isModified():
            self.region_note.setModified(False)
            self.region_noted.emit(self.region_note.text())

    @Slot()
    def _on_image_note(self) -> None:
        if self.image_note.isModified():
            self.image_note.setModified(False)
            self.image_noted.emit(self.image_note.text())


def _note_field(name: str, text: str) -> QLineEdit:
    field = named(QLineEdit(), name, text)
    field.setPlaceholderText(text)
    field.setMaxLength(LONGEST_NOTE)
    return field


def _agreement_text(found: ImageRegions | None, above: str) -> str:
    """How the map agrees with what is marked on this image."""
    if found is None:
        return ""
    if not above:
        return "This score has no map."
    every = [each.state for each in found.listed if each.state.is_marked]
    marked = sum(not state.is_from_a_map for state in every)
    if every and not marked:
        return (
            "What is marked here began as parts of a map, which agrees with itself: draw regions to "
            "judge it by."
        )
    if not marked:
        return f"Nothing is marked here. The map is cut at {above} (Show above)."
    parts = []
    if found.overlap is not None and not math.isnan(found.overlap.dice):
        parts.append(f"Dice <b>{found.overlap.dice:.2f}</b>, IoU {found.overlap.iou:.2f}")
    if found.is_pointed is not None:
        where = "inside" if found.is_pointed else "outside"
        parts.append(f"the map's highest point lies <b>{where}</b>")
    return (
        f"{'; '.join(parts)}. This image alone: the map above {above} against "
        f"{plural(marked, 'marked region')}."
    )
