"""The maps of every run, peers' too, on the same images that readers have marked."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.window_context import WindowContext
from amae_engine.errors import AmaeError
from amae_engine.evaluation.localisation import DICE
from amae_engine.jobs.evaluation.evaluate_maps import JudgedMap, compare_maps, regions_by_image

_COLUMNS = (
    ("Run", "Double click to see it in Results"),
    ("Method", "AMAE, or a method that it is compared with"),
    ("Map", "The score that the map is behind"),
    ("Pixel AUC", "Over all pixels of these images, at the map's own size"),
    ("Pixel AP", "Average precision over the same pixels"),
    ("Highest pixel in a region", "Images whose highest pixel lies in a marked region"),
    ("Dice", DICE[:1].upper() + DICE[1:]),
)


class MapsPanel(QWidget):
    """One line a map, the best first.

    Signals:
        run_wanted(number): the reader wants to see a run in Results.
    """

    run_wanted = Signal(int)

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._judged: list[JudgedMap] = []
        self.about = named(quiet(), "mapsAbout")
        self.table = named(
            QTableWidget(0, len(_COLUMNS)), "mapsTable", "Maps against marked regions"
        )
        for column, (name, tip) in enumerate(_COLUMNS):
            head = QTableWidgetItem(name)
            head.setToolTip(tip)
            self.table.setHorizontalHeaderItem(column, head)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        frame, layout = card("Maps against marked regions")
        fill(layout, self.about, (self.table, 1))
        column_of(frame, into=self, margins=0)
        self.table.cellDoubleClicked.connect(self._on_cell)

    @Slot()
    def read(self) -> None:
        """Judge the maps again."""
        project, reader = self._context.project, self._context.reader
        if not self._judged:
            self.about.setText("Judging the maps…")
        self._context.runner.run(
            "maps",
            lambda: compare_maps(project, regions_by_image(project), reader=reader),
            self._show,
            self._show_error,
        )

    def _show_error(self, error: AmaeError) -> None:
        self._judged = []
        self.table.setRowCount(0)
        self.about.setText(str(error))

    def _show(self, judged: list[JudgedMap]) -> None:
        self._judged = judged
        self.table.setRowCount(len(judged))
        first = judged[0].found
        self.about.setText(
            f"Measured on the {first.images} test images with a marked region of which each of "
            f"these runs has a map; {100 * first.marked_share:.0f} % of their pixels are marked. "
            f"Regions that began as a part of a map do not count. 95 % intervals over {first.patients} "
            f"patients."
        )
        for row, each in enumerate(judged):
            found = each.found
            texts = (
                str(each.run_id),
                each.method,
                each.of,
                *found.texts.values(),
            )
            for column, text in enumerate(texts):
                self.table.setItem(row, column, QTableWidgetItem(text))

    @Slot(int, int)
    def _on_cell(self, row: int, _column: int) -> None:
        self.run_wanted.emit(self._judged[row].run_id)
