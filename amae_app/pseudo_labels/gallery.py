"""Images in a grid: framed by their pseudo-label, marked where a reader decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from amae_app.pseudo_labels.curation_state import ABNORMAL, EXCLUDED, NORMAL, CurationState, Ids
from amae_app.theme import IMAGE_GROUND, colours
from amae_app.widgets.thumbnails import ThumbnailCache

Index = QModelIndex | QPersistentModelIndex
_TILE = QSize(132, 156)


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of the grid."""

    image_id: int
    store_row: int
    name: str
    probability: float
    label: int
    checked: bool


class GalleryModel(QAbstractListModel):
    """Tiles in the order of `places` into a state."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state: CurationState | None = None
        self._probability = np.zeros(0)
        self._places: Ids = np.zeros(0, dtype=np.int64)

    def _set(self, state: CurationState | None) -> None:
        self._state = state
        self._probability = np.zeros(0) if state is None else state.view.probability

    def show_state(self, state: CurationState | None, places: Ids) -> None:
        """Replace the tiles."""
        self.beginResetModel()
        self._set(state)
        self._places = places
        self.endResetModel()

    def update_state(self, state: CurationState) -> None:
        """New labels for the same images in the same order."""
        self._set(state)
        if len(self._places):
            self.dataChanged.emit(self.index(0), self.index(len(self._places) - 1))

    def tile(self, number: int) -> Tile | None:
        """The tile at a place of the grid."""
        if self._state is None or not 0 <= number < len(self._places):
            return None
        view, place = self._state.view, int(self._places[number])
        return Tile(
            int(view.image_ids[place]),
            int(view.unlabeled.store_rows[place]),
            view.names[place],
            float(self._probability[place]),
            int(view.labels[place]),
            bool(view.by_reader[place]),
        )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self._places)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        tile = self.tile(index.row())
        if tile is None:
            return None
        if role == Qt.ItemDataRole.UserRole:
            return tile
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            names = {NORMAL: "pseudo-normal", ABNORMAL: "pseudo-abnormal", EXCLUDED: "excluded"}
            kind = names.get(tile.label, "unused")
            by = "decided by a reader" if tile.checked else "unchecked"
            return f"{tile.name}: P(abnormal) {tile.probability:.2f}, {kind}, {by}"
        return None


class _TileDelegate(QStyledItemDelegate):
    def __init__(self, thumbnails: ThumbnailCache, parent: QObject) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return _TILE

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        tile = index.data(Qt.ItemDataRole.UserRole)
        if not isinstance(tile, Tile):
            return
        c = colours()
        frame = option.rect.adjusted(4, 4, -4, -4)
        tint = {NORMAL: c.normal, ABNORMAL: c.abnormal}.get(tile.label, c.line)
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.fillRect(frame, QColor(IMAGE_GROUND))
        image = QRect(frame.left() + 3, frame.top() + 3, frame.width() - 6, frame.width() - 6)
        picture = self._thumbnails.get(tile.store_row)
        if picture is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(0.35 if tile.label == EXCLUDED else 1.0)
            painter.drawPixmap(image, picture)
            painter.setOpacity(1.0)
        painter.setPen(QPen(QColor("#ffffff" if is_selected else tint), 3 if is_selected else 2))
        painter.drawRect(frame)
        text = frame.adjusted(6, image.height() + 4, -6, 0)
        # the strip below the image is dark in both themes: use the dark theme's tints
        dark = {NORMAL: "#6cb2f7", ABNORMAL: "#f0a350"}.get(tile.label, "#c3c8d0")
        painter.setPen(QColor(dark))
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft, f"{tile.probability:.2f}")
        mark = "excluded" if tile.label == EXCLUDED else ("✓" if tile.checked else "")
        painter.setPen(QColor("#c3c8d0"))
        painter.drawText(text, Qt.AlignmentFlag.AlignRight, mark)
        painter.restore()


class Gallery(QListView):
    """The grid; arrows and Shift select as in every list, the page has the keys.

    Signals:
        current_changed(tile): another image is in focus.
    """

    current_changed = Signal(object)

    def __init__(self, thumbnails: ThumbnailCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("labelGallery")
        self.setAccessibleName("Unlabeled images")
        self.gallery = GalleryModel(self)
        self.setModel(self.gallery)
        self.setItemDelegate(_TileDelegate(thumbnails, self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        thumbnails.loaded.connect(self._on_thumbnails)
        self.selectionModel().currentChanged.connect(self._on_current)

    def selected_tiles(self) -> list[Tile]:
        """The selected images."""
        tiles = [self.gallery.tile(i.row()) for i in self.selectionModel().selectedIndexes()]
        return [tile for tile in tiles if tile is not None]

    def select(self, number: int) -> None:
        """Put the focus on a place of the grid."""
        count = self.gallery.rowCount()
        if count:
            self.setCurrentIndex(self.gallery.index(min(max(number, 0), count - 1)))

    @Slot()
    def _on_thumbnails(self) -> None:
        self.viewport().update()

    @Slot()
    def _on_current(self) -> None:
        self.current_changed.emit(self.gallery.tile(self.currentIndex().row()))
