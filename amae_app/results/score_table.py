"""The list of test images by score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    Qt,
    Slot,
)
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QTableView

from amae_app.results.review_state import ReviewState
from amae_app.theme import colours
from amae_app.widgets.building import named
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_engine.config import ScoreKind

Index = QModelIndex | QPersistentModelIndex
_PICTURE = ""  # the thumbnails' column needs no heading
_COLUMNS = (_PICTURE, "Image", "Score", "Truth")
_TRUTHS = {0: "normal", 1: "abnormal", -1: "–"}


class ScoreTableModel(QAbstractTableModel):
    """Shows `places` of a state with one score."""

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._state: ReviewState | None = None
        self._kind = ScoreKind.DISCREPANCY
        self._places: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        thumbnails.loaded.connect(self._on_thumbnails)

    def show_places(
        self, state: ReviewState, kind: ScoreKind, places: npt.NDArray[np.int64]
    ) -> None:
        """Replace the list."""
        self.beginResetModel()
        self._state, self._kind, self._places = state, kind, places
        self.endResetModel()

    def place(self, row: int) -> int | None:
        """The state's place of a line."""
        return int(self._places[row]) if 0 <= row < len(self._places) else None

    def row_of(self, place: int) -> int | None:
        """The line of a place, if it is listed."""
        found = np.flatnonzero(self._places == place)
        return int(found[0]) if len(found) else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self._places)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(  # noqa: D102
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        place = self.place(index.row())
        if self._state is None or place is None:
            return None
        column = _COLUMNS[index.column()]
        truth = int(self._state.truth[place])
        if role == Qt.ItemDataRole.DisplayRole:
            value = self._state.values[self._kind][place]
            texts = {
                "Image": self._state.names[place],
                "Score": "–" if np.isnan(value) else f"{value:.3f}",
                "Truth": _TRUTHS[truth],
            }
            return texts.get(column, "")
        if role == Qt.ItemDataRole.DecorationRole and column == _PICTURE:
            return self._thumbnails.icon(
                int(self._state.store_rows[place]), float(self._state.aspects[place])
            )
        if role == Qt.ItemDataRole.ForegroundRole and column == "Truth":
            c = colours()
            return QColor({0: c.normal, 1: c.abnormal, -1: c.quiet}[truth])
        return None

    @Slot()
    def _on_thumbnails(self) -> None:
        if len(self._places):
            roles = [Qt.ItemDataRole.DecorationRole]
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._places) - 1, 0), roles)


class ScoreTable(QTableView):
    """The list; arrows move through it, the page has the keys."""

    def __init__(self) -> None:
        super().__init__()
        named(self, "resultsTable", "Test images by score")
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setIconSize(QSize(38, 38))
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(42)

    def select(self, row: int) -> None:
        """Select a row, whatever key is held down."""
        flags = QItemSelectionModel.SelectionFlag
        index = self.model().index(row, 0)
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
