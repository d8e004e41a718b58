"""The left column of Results: which run, split, score and images, and the list of them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QPushButton, QWidget

from amae_app.results.review_state import Listed, ReviewState
from amae_app.results.score_table import ScoreTable, ScoreTableModel
from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_engine.config import ScoreKind


class ListPanel(QWidget):
    """Choices over the list, and the export under it."""

    def __init__(self, thumbnails: ThumbnailCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_combo = ComboBox()
        self.score_combo = ComboBox()
        self.listed_combo = ComboBox()
        self.split_combo = ComboBox()
        self.count = quiet()
        self.model = ScoreTableModel(thumbnails, self)
        self.table = ScoreTable()
        self.export_button = QPushButton("Export…")
        self._lay_out()

    @property
    def listed(self) -> Listed:
        """Which images are listed."""
        return Listed(self.listed_combo.currentText())

    def show_choices(self, state: ReviewState, chosen: ScoreKind) -> None:
        """Offer the project's runs and the shown run's scores."""
        self.run_combo.clear()
        for run, what in state.runs:
            newest = " (newest)" if run == state.runs[0][0] else ""
            self.run_combo.addItem(f"Run {run} · {what}{newest}", run)
        self.run_combo.setCurrentIndex([run for run, _ in state.runs].index(state.run_id))
        self.score_combo.clear()
        for kind in state.values:
            self.score_combo.addItem(state.label(kind), str(kind))
            number = self.score_combo.count() - 1
            self.score_combo.setItemData(number, kind.help, Qt.ItemDataRole.ToolTipRole)
        self.score_combo.setCurrentIndex(max(self.score_combo.findData(str(chosen)), 0))

    def _lay_out(self) -> None:
        frame, layout = card()
        top = row_of(heading("Test images"), (self.count, 1))
        layout.addLayout(top)
        for combo, name, text in (
            (self.run_combo, "runCombo", "Which score run"),
            (self.split_combo, "splitCombo", "Test images, or those that thresholds are chosen by"),
            (self.score_combo, "scoreCombo", "Which score sorts the list and the plots judge"),
            (self.listed_combo, "listedCombo", "Which images are listed"),
        ):
            named(combo, name, text, text)
            layout.addWidget(combo)
        self.listed_combo.addItems([str(listed) for listed in Listed])
        self.split_combo.addItems(["test images", "validation images"])
        self.table.setModel(self.model)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column, width in ((0, 46), (2, 56), (3, 78)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width)
        layout.addWidget(self.table, 1)
        named(
            self.export_button,
            "exportButton",
            tip="Scores and figures, a report, DICOM objects, a bundle, a copy to share",
        )
        layout.addWidget(self.export_button)
        column_of(frame, into=self, margins=0)
