"""A table over ids that SQL has filtered and sorted; rows are read a page at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor

from amae_app.theme import colours
from amae_app.widgets.thumbnails import ThumbnailCache
from amae_engine.catalog.studies import ImageRow
from amae_engine.catalog.tables import Split

_PAGE = 100
_PAGES_KEPT = 20
Index = QModelIndex | QPersistentModelIndex
PICTURE = ""  # the thumbnails' column needs no heading
COLUMNS = (
    (PICTURE, ""),
    ("Image", "name"),
    ("Patient", "patient_id"),
    ("Split", "split"),
    ("Truth", "truth"),
    ("View", "view"),
    ("Size", "rows"),
    ("Source", "source"),
    ("Added", "added_at"),
)
THUMBNAIL_SIDE = 44


class ImageTableModel(QAbstractTableModel):
    """Shows `ids`; asks for the rows it needs, a hundred at a time, and shows them when they come.

    Args:
        thumbnails: Small pictures of the images.

    Signals:
        page_wanted(key, ids): rows that are needed; answer with `take_page`.
        page_came(): rows are there that were not.
    """

    page_wanted = Signal(object, object)
    page_came = Signal()

    def __init__(self, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._version = 0
        self._asked: set[int] = set()
        self._ids: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._pages: dict[int, list[ImageRow]] = {}
        self._shows_truth = False
        thumbnails.loaded.connect(self._on_thumbnails)

    def show_ids(self, ids: npt.NDArray[np.int64], shows_truth: bool = False) -> None:
        """Replace what the table shows.

        Args:
            ids: Of the images.
            shows_truth: Of unlabeled images too, for method developers.
        """
        self.beginResetModel()
        self._shows_truth = shows_truth
        self._ids, self._pages = ids, {}
        self._version += 1
        self._asked = set()
        self.endResetModel()

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The images (n,), in the order of the lines."""
        return self._ids

    def take_page(self, key: tuple[int, int], rows: list[ImageRow]) -> None:
        """Show a page's rows; those of an earlier list are dropped."""
        version, page = key
        if version != self._version:
            return
        self._asked.discard(page)
        if len(self._pages) >= _PAGES_KEPT:
            self._pages.pop(next(iter(self._pages)))
        self._pages[page] = rows
        first = page * _PAGE
        last = min(first + _PAGE, len(self._ids)) - 1
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))
        self.page_came.emit()

    def ids_at(self, numbers: list[int]) -> list[int]:
        """The ids in some lines of the table."""
        return [int(self._ids[number]) for number in numbers if 0 <= number < len(self._ids)]

    def row_at(self, number: int) -> ImageRow | None:
        """The image in a line of the table; None until its page has come."""
        if not 0 <= number < len(self._ids):
            return None
        page, place = divmod(number, _PAGE)
        if page not in self._pages:
            if page not in self._asked:
                self._asked.add(page)
                wanted = self._ids[page * _PAGE : (page + 1) * _PAGE].tolist()
                self.page_wanted.emit((self._version, page), wanted)
            return None
        rows = self._pages[page]
        return rows[place] if place < len(rows) else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(self._ids)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, D102
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(  # noqa: D102
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section][0]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        row = self.row_at(index.row())
        if row is None:
            return None
        column = COLUMNS[index.column()][0]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column, self._shows_truth)
        if role == Qt.ItemDataRole.DecorationRole and column == PICTURE:
            return self._thumbnails.icon(row.store_row, row.aspect)
        if role == Qt.ItemDataRole.ForegroundRole and column in ("Split", "Truth"):
            return _colour(row, column, self._shows_truth)
        return None

    @Slot()
    def _on_thumbnails(self) -> None:
        if len(self._ids):
            roles = [Qt.ItemDataRole.DecorationRole]
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._ids) - 1, 0), roles)


def truth_text(truth: int | None) -> str:
    """A truth in words; a dash where it is unknown."""
    return "–" if truth is None else ("abnormal" if truth else "normal")


def _is_hidden(row: ImageRow) -> bool:
    """Whether a reader who labels must not see what is known."""
    return row.split is Split.UNLABELED and row.truth is not None


def _text(row: ImageRow, column: str, shows_truth: bool) -> str:
    truth = truth_text(row.truth)
    if _is_hidden(row):
        truth = f"{truth} (hidden)" if shows_truth else "hidden"
    texts = {
        "Image": row.name,
        "Patient": f"P{row.patient_id:05d}" if row.patient_known else "unknown",
        "Split": "validation" if row.is_validation else str(row.split),
        "Truth": truth,
        "View": row.view or "–",
        "Size": f"{row.columns} × {row.rows}",
        "Source": row.source,
        "Added": row.added_at[:16].replace("T", " "),
    }
    return texts.get(column, "")


def _colour(row: ImageRow, column: str, shows_truth: bool) -> QColor | None:
    c = colours()
    if column == "Split":
        return QColor(c.normal if row.split is Split.NORMAL else c.text)
    if row.truth is None or (_is_hidden(row) and not shows_truth):
        return QColor(c.quiet)
    return QColor(c.abnormal if row.truth else c.normal)
