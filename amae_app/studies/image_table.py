"""The table of a project's images: which columns are there, and how wide they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QItemSelection, QItemSelectionModel, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHeaderView, QTableView

from amae_app.studies.image_table_model import COLUMNS, THUMBNAIL_SIDE
from amae_app.widgets.building import named

_NAME, _ADDED = 1, len(COLUMNS) - 1
_MEASURED = 24  # rows that give a column its width
_NARROW_BELOW = 640  # pixels, where the others need the room of "Added"


class ImageTable(QTableView):
    """Names are never cut; a narrow table leaves out when an image came."""

    def lay_out(self) -> None:
        """Set the columns up, once there is a model."""
        named(self, "studiesTable", "Images of this project")
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setIconSize(QSize(THUMBNAIL_SIDE - 4, THUMBNAIL_SIDE - 4))
        rows = self.verticalHeader()
        rows.setVisible(False)
        rows.setDefaultSectionSize(THUMBNAIL_SIDE)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns = self.horizontalHeader()
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        columns.resizeSection(0, 60)
        for column in (_NAME, _ADDED):
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        columns.setResizeContentsPrecision(_MEASURED)  # 0 measures every row of a hidden table
        columns.setSectionsClickable(True)

    def show_sort(self, key: str, descending: bool) -> None:
        """Mark the column that the images are sorted by."""
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        header = self.horizontalHeader()
        header.setSortIndicatorShown(True)
        header.setSortIndicator([each for _, each in COLUMNS].index(key), order)

    def select_lines(self, current: int, lines: npt.NDArray[np.int64]) -> None:
        """Make a line the current one, and select lines (n,), ascending; without any the current one."""
        index, last = self.model().index, self.model().columnCount() - 1
        chosen, flags = QItemSelection(), QItemSelectionModel.SelectionFlag
        wanted = lines if len(lines) else np.array([current])
        for part in np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1):
            chosen.select(index(int(part[0]), 0), index(int(part[-1]), last))
        self.selectionModel().setCurrentIndex(index(current, 0), flags.NoUpdate)
        self.selectionModel().select(chosen, flags.ClearAndSelect)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave a column out where there is no room for it."""
        self.setColumnHidden(_ADDED, self.width() < _NARROW_BELOW)
        super().resizeEvent(event)


def line_now(
    before: npt.NDArray[np.int64], line: int, ids: npt.NDArray[np.int64], is_same_list: bool
) -> int:
    """Where the image of a line is now; of one that has left the list, the next that is still there."""
    stayed = np.flatnonzero(np.isin(before[line:], ids))
    if not len(stayed):
        return len(ids) - 1 if is_same_list and len(before) else 0
    if stayed[0] and not is_same_list:
        return 0  # another list begins at its top
    return int(np.flatnonzero(ids == before[line + stayed[0]])[0])
