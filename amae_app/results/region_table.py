"""The list of an image's regions."""

from __future__ import annotations

import math

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QHeaderView, QTableView

from amae_app.widgets.building import named
from amae_engine.catalog.regions import RegionState
from amae_engine.jobs.curation.image_regions import ListedRegion

Index = QModelIndex | QPersistentModelIndex
_COLUMNS = ("Of", "State", "Size", "Mean", "Peak")
_TIPS = (
    "Who marked it; the map's own parts wait for you",
    "What that reader says of it",
    "Of the image's area; mm² where the file says the size of its pixels",
    "Of the map inside, in the map's units",
    "The highest value of the map inside",
)
OFFERED = "to judge"


class RegionTableModel(QAbstractTableModel):
    """Shows listed regions."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: tuple[ListedRegion, ...] = ()

    def show_regions(self, listed: tuple[ListedRegion, ...]) -> None:
        """Replace the list."""
        self.beginResetModel()
        self._listed = listed
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self._listed)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(  # noqa: D102
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        if not 0 <= index.row() < len(self._listed):
            return None
        each = self._listed[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                each.reader or "map",
                str(each.state) if each.region else OFFERED,
                size_text(each),
                value_text(each.mean),
                value_text(each.peak),
            )[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and each.note:
            return each.note
        return None


class RegionTable(QTableView):
    """The list; a click chooses a region, the page keeps the keys."""

    def __init__(self) -> None:
        super().__init__()
        named(self, "regionTable", "Regions of the image")
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(26)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(40)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)


def size_text(region: ListedRegion) -> str:
    """A region's size: mm² where the pixels' size is known, else the share of the image."""
    if region.mm2 is not None:
        return f"{region.mm2:,.0f} mm²"
    return f"{100 * region.share:.1f} %" if region.share >= 0.001 else "< 0.1 %"


def value_text(value: float) -> str:
    """A value of a map; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def is_offered(region: ListedRegion) -> bool:
    """Whether it is a part of the map that the reader has not judged."""
    return region.region == 0 and region.state is RegionState.GONE
