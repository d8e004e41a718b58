"""Images in a grid: framed by their pseudo-label, marked where a reader decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from amae_app.image_ref import ImageRef
from amae_app.pseudo_labels.curation_state import (
    ABNORMAL,
    EXCLUDED,
    NORMAL,
    UNUSED,
    CurationState,
    Ids,
)
from amae_app.theme import DARK, IMAGE_GROUND, colours
from amae_app.widgets.building import named
from amae_app.widgets.thumbnails import ThumbnailCache, shape_within
from amae_engine.catalog.tables import Label

Index = QModelIndex | QPersistentModelIndex
_NARROWEST = 124  # pixels of a tile; the tiles of a row share its width
_STRIP = 24  # below the image
_READ_AS = {
    Label.NORMAL: NORMAL,
    Label.ABNORMAL: ABNORMAL,
    Label.EXCLUDE: EXCLUDED,
    Label.NONE: UNUSED,
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of the grid.

    Attributes:
        probability, log_odds: Of abnormal; NaN where they are hidden from the reader.
        label: What stage 2 would make of it; in a blind reading what its reader called it.
        cluster: Of images alike, −1 where they are not grouped.
    """

    image_id: int
    store_row: int
    aspect: float
    name: str
    probability: float
    log_odds: float
    label: int
    checked: bool
    cluster: int = -1

    @property
    def ref(self) -> ImageRef:
        """As the viewer asks for it."""
        return ImageRef(self.image_id, self.store_row, self.aspect)


class GalleryModel(QAbstractListModel):
    """Tiles in the order of `places` into a state."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state: CurationState | None = None
        self._probability = np.zeros(0)
        self._places: Ids = np.zeros(0, dtype=np.int64)
        self._clusters: Ids | None = None
        self._readings: dict[int, Label] | None = None

    def show_state(
        self,
        state: CurationState | None,
        places: Ids,
        clusters: Ids | None = None,
        readings: dict[int, Label] | None = None,
    ) -> None:
        """Replace the tiles.

        Args:
            state: Where the images are.
            places: Which of them, in their order.
            clusters: (M,) of every image, where they are offered by cluster.
            readings: A blind reader's own labels; no other label and no rating is shown then.
        """
        self.beginResetModel()
        self._set(state)
        self._places, self._clusters, self._readings = places, clusters, readings
        self.endResetModel()

    def update_state(self, state: CurationState, readings: dict[int, Label] | None = None) -> None:
        """New labels for the same images in the same order; the grid's layout stays."""
        self._set(state)
        self._readings = readings

    def tile(self, number: int) -> Tile | None:
        """The tile at a place of the grid."""
        if self._state is None or not 0 <= number < len(self._places):
            return None
        view, place = self._state.view, int(self._places[number])
        image_id = int(view.image_ids[place])
        where = (
            image_id,
            int(view.unlabeled.store_rows[place]),
            float(view.unlabeled.aspects[place]),
            view.names[place],
        )
        if self._readings is not None:
            read = self._readings.get(image_id, Label.NONE)
            nothing = float("nan")
            return Tile(*where, nothing, nothing, _READ_AS[read], read is not Label.NONE)
        return Tile(
            *where,
            float(self._probability[place]),
            float(view.log_odds[place]),
            int(view.labels[place]),
            bool(view.by_reader[place]),
            -1 if self._clusters is None else int(self._clusters[place]),
        )

    def row_of(self, image_id: int) -> int | None:
        """The place of an image in the grid; None where it is not listed."""
        if self._state is None:
            return None
        found = np.flatnonzero(self._state.view.image_ids[self._places] == image_id)
        return int(found[0]) if len(found) else None

    def rows_of_cluster(self, cluster: int) -> list[int]:
        """The tiles of images alike, by their places in the grid."""
        if self._clusters is None or cluster < 0:
            return []
        return np.flatnonzero(self._clusters[self._places] == cluster).tolist()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self._places)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        tile = self.tile(index.row())
        if tile is None:
            return None
        if role == Qt.ItemDataRole.UserRole:
            return tile
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return _in_words(tile)
        return None

    def _set(self, state: CurationState | None) -> None:
        self._state = state
        self._probability = np.zeros(0) if state is None else state.view.probability


def _in_words(tile: Tile) -> str:
    if np.isnan(tile.probability):
        names = {NORMAL: "normal", ABNORMAL: "abnormal", EXCLUDED: "exclude", UNUSED: "not read"}
        return f"{tile.name}: {names[tile.label]}"
    names = {NORMAL: "pseudo-normal", ABNORMAL: "pseudo-abnormal", EXCLUDED: "excluded"}
    by = "decided by a reader" if tile.checked else "unchecked"
    alike = f", cluster {tile.cluster + 1}" if tile.cluster >= 0 else ""
    kind = names.get(tile.label, "unused")
    return f"{tile.name}: log-odds {tile.log_odds:+.1f}, P(abnormal) {tile.probability:.2f}, {kind}, {by}{alike}"


class _TileDelegate(QStyledItemDelegate):
    def __init__(self, thumbnails: ThumbnailCache, parent: QObject) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self.saving: frozenset[int] = frozenset()
        self.saving_failed = False
        self.size = QSize(_NARROWEST, _NARROWEST + _STRIP)

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return self.size

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
        room = QRect(frame.left() + 3, frame.top() + 3, frame.width() - 6,
                     frame.height() - _STRIP)  # fmt: skip
        picture = self._thumbnails.get(tile.store_row)
        if picture is not None:
            size = shape_within(room.size(), tile.aspect)
            image = QRect(0, 0, size.width(), size.height())
            image.moveCenter(room.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.setOpacity(0.35 if tile.label == EXCLUDED else 1.0)
            painter.drawPixmap(image, picture)
            painter.setOpacity(1.0)
        painter.setPen(QPen(QColor(c.text if is_selected else tint), 4 if is_selected else 2))
        painter.drawRect(frame)
        text = frame.adjusted(6, frame.height() - _STRIP + 3, -6, 0)
        # the strip below the image is dark in both themes: use the dark theme's tints
        dark = {NORMAL: DARK.normal, ABNORMAL: DARK.abnormal}.get(tile.label, "#c3c8d0")
        painter.setPen(QColor(dark))
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft, _strip_text(tile))
        mark = "excluded" if tile.label == EXCLUDED else ("✓" if tile.checked else "")
        if tile.image_id in self.saving:
            mark = "not saved" if self.saving_failed else "saving…"
        painter.setPen(QColor("#c3c8d0"))
        painter.drawText(text, Qt.AlignmentFlag.AlignRight, mark)
        painter.restore()


def _strip_text(tile: Tile) -> str:
    if np.isnan(tile.probability):
        return {NORMAL: "normal", ABNORMAL: "abnormal"}.get(tile.label, "")
    alike = f"  #{tile.cluster + 1}" if tile.cluster >= 0 else ""
    return f"{tile.log_odds:+.1f}{alike}".replace("-", "−")


class Gallery(QListView):
    """The grid; arrows and Shift select as in every list, the page has the keys.

    Signals:
        current_changed(tile): another image is in focus.
    """

    current_changed = Signal(object)

    def __init__(self, thumbnails: ThumbnailCache, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "labelGallery", "Unlabeled images")
        self.gallery = GalleryModel(self)
        self._delegate = _TileDelegate(thumbnails, self)
        self.setModel(self.gallery)
        self.setItemDelegate(self._delegate)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        thumbnails.loaded.connect(self._on_thumbnails)
        self.selectionModel().currentChanged.connect(self._on_current)

    def current_tile(self) -> Tile | None:
        """The image in focus."""
        return self.gallery.tile(self.currentIndex().row())

    def selected_tiles(self) -> list[Tile]:
        """The selected images."""
        tiles = [self.gallery.tile(i.row()) for i in self.selectionModel().selectedIndexes()]
        return [tile for tile in tiles if tile is not None]

    def update_labels(self, state: CurationState, readings: dict[int, Label] | None = None) -> None:
        """Show new labels of the same images."""
        self.gallery.update_state(state, readings)
        self.viewport().update()

    def show_saving(self, images: set[int], failed: bool) -> None:
        """Mark images whose newest label the catalog does not have yet."""
        self._delegate.saving, self._delegate.saving_failed = frozenset(images), failed
        self.viewport().update()

    def select(self, number: int) -> None:
        """Put the focus on a place of the grid, and select it alone, whatever key is held down."""
        count = self.gallery.rowCount()
        if count:
            index = self.gallery.index(min(max(number, 0), count - 1))
            alone = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.selectionModel().setCurrentIndex(index, alone)

    @Slot()
    def select_alike(self) -> None:
        """Select the whole cluster of the image in focus."""
        tile = self.current_tile()
        chosen = QItemSelection()
        for row in self.gallery.rows_of_cluster(tile.cluster) if tile is not None else ():
            chosen.select(self.gallery.index(row), self.gallery.index(row))
        if not chosen.isEmpty():
            self.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def likely(self) -> list[int]:
        """Ids of the images that may be read next."""
        row = self.currentIndex().row()
        tiles = [self.gallery.tile(row + step) for step in (1, 2, -1)]
        return [tile.image_id for tile in tiles if tile is not None]

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the tiles of a row fill it."""
        room = self.viewport().width()
        across = max(1, room // _NARROWEST)
        side = max(_NARROWEST // 2, room // across - 1)
        if self._delegate.size.width() != side:
            self._delegate.size = QSize(side, side + _STRIP)
            self.setGridSize(self._delegate.size)
            self.scheduleDelayedItemsLayout()
        super().resizeEvent(event)

    @Slot()
    def _on_thumbnails(self) -> None:
        self.viewport().update()

    @Slot()
    def _on_current(self) -> None:
        self.current_changed.emit(self.current_tile())
