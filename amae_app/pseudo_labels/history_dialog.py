"""Every decision, by image and by reader."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_engine.catalog.decisions import DecisionRow

_COLUMNS = ("When (UTC)", "Reader", "Image", "Before", "After", "How", "Offered")
_ALL = "all readers"


class HistoryDialog(QDialog):
    """The decisions, newest first.

    Args:
        rows: Of the whole project.
        image_name: The image in focus, "" for none.
        parent: The page.
    """

    def __init__(self, rows: list[DecisionRow], image_name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Decisions")
        self.setObjectName("historyDialog")
        self.resize(820, 520)
        self._rows, self._image_name = rows, image_name
        self.reader = named(ComboBox(), label="Whose decisions")
        self.reader.addItems([_ALL, *sorted({row.reader for row in rows})])
        self.one_image = QCheckBox(f"{image_name} only")
        self.one_image.setVisible(bool(image_name))
        self.count = QLabel()
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        top = row_of(self.reader, self.one_image, (self.count, 1))
        column_of(top, (self.table, 1), into=self)
        self.reader.currentTextChanged.connect(self._fill)
        self.one_image.toggled.connect(self._fill)
        self._fill()

    @Slot()
    def _fill(self) -> None:
        reader = self.reader.currentText()
        rows = [
            row
            for row in self._rows
            if reader in (_ALL, row.reader)
            and (not self.one_image.isChecked() or row.image_name == self._image_name)
        ]
        self.count.setText(f"{len(rows)} shown")
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            offered = row.offered + (", truth shown" if row.truth_shown else "")
            texts = (
                row.decided_at[:19].replace("T", " "), row.reader, row.image_name,
                row.before or "–", row.after or "–", row.kind, offered or "–",
            )  # fmt: skip
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(number, column, item)
