"""Images that are held back, for the reader to let in or leave out."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from amae_app.image_loader import ImageLoader
from amae_app.image_ref import ImageRef
from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.window_context import WindowContext
from amae_engine.catalog.studies import ImageRow

_ICON = QSize(72, 72)


class HeldDialog(QDialog):
    """A list with pictures, and the chosen one large.

    Args:
        context: The open project.
        rows: The images that wait.
        parent: The page.

    Signals:
        decided(ids, lets_in): the reader's decision on the selected images.
    """

    decided = Signal(object, bool)

    def __init__(self, context: WindowContext, rows: list[ImageRow], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Images held back")
        self.setObjectName("heldDialog")
        self.resize(940, 620)
        self._context = context
        self._rows = {row.id: row for row in rows}
        self.list = named(QListWidget(), "heldList", "Images held back")
        self.list.setIconSize(_ICON)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        for row in rows:
            item = QListWidgetItem(
                f"{row.name}\n{row.split}, {row.source}\n{row.flags.replace(',', ', ')}"
            )
            item.setData(Qt.ItemDataRole.UserRole, row.id)
            self.list.addItem(item)
        self.viewer = ImageViewer("The image that is held back")
        self._loader = ImageLoader(context, self.viewer, "held")
        self.buttons: list[QPushButton] = []
        self._lay_out()
        context.thumbnails.loaded.connect(self._draw_icons)
        self.list.currentRowChanged.connect(self._on_current)
        self._draw_icons()
        self.list.setCurrentRow(0)

    def _lay_out(self) -> None:
        left = column_of(
            quiet(
                "These look unlike a frontal chest image. They are in no split and in no training "
                "until you let them in; left out, they stay known, so that they are not imported "
                "again."
            ),
            (self.list, 1),
        )
        row = QHBoxLayout()
        for text, name, lets_in in (
            ("Let in", "letInButton", True),
            ("Leave out", "leaveOutButton", False),
        ):
            button = named(
                QPushButton(text),
                name,
                tip=f"{text} the selected images; Ctrl+Z in Studies takes it back",
            )
            button.clicked.connect(partial(self._decide, lets_in))
            self.buttons.append(button)
            row.addWidget(button)
        left.addLayout(row)
        row_of((left, 2), (self.viewer, 3), into=self)

    def _ids(self) -> list[int]:
        return [int(item.data(Qt.ItemDataRole.UserRole)) for item in self.list.selectedItems()]

    def _decide(self, lets_in: bool) -> None:
        ids = self._ids()
        if not ids:
            return
        self.decided.emit(ids, lets_in)
        for item in self.list.selectedItems():
            self.list.takeItem(self.list.row(item))
        if self.list.count() == 0:
            self.accept()

    @Slot()
    def _on_current(self) -> None:
        item = self.list.currentItem()
        row = self._rows.get(int(item.data(Qt.ItemDataRole.UserRole))) if item is not None else None
        ref = None if row is None else ImageRef(row.id, row.store_row, row.aspect)
        self._loader.show(ref, [])

    @Slot()
    def _draw_icons(self) -> None:
        for number in range(self.list.count()):
            item = self.list.item(number)
            row = self._rows[int(item.data(Qt.ItemDataRole.UserRole))]
            icon = self._context.thumbnails.icon(row.store_row, row.aspect)
            if icon is not None:
                item.setIcon(icon)
