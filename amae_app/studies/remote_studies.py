"""The studies that a PACS has, with a box to check for each that is wanted."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.widgets.building import column_of, named, row_of
from amae_engine.jobs.importing.find_remote_images import RemoteStudy

_COLUMNS = ("Study of", "Modality", "Body part", "Images", "Here")


class RemoteStudies(QWidget):
    """A list; all studies are checked at first, but those whose images are all here."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studies: tuple[RemoteStudy, ...] = ()
        self.table = named(QTableWidget(0, len(_COLUMNS)), "remoteStudies", "Studies in the PACS")
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.wanted = named(QLabel(), "remoteWanted")
        row = row_of((self.wanted, 1))
        for text, slot in (("All", self.check_all), ("None", self.check_none)):
            button = named(QPushButton(text), f"check{text}Button")
            button.clicked.connect(slot)
            row.addWidget(button)
        column_of((self.table, 1), row, into=self, margins=0)
        self.table.itemChanged.connect(self._count)
        self.show_studies(())

    def show_studies(self, studies: tuple[RemoteStudy, ...]) -> None:
        """List other studies, none where the question is another one now."""
        self._studies = studies
        self.setVisible(bool(studies))
        self.table.blockSignals(True)
        self.table.setRowCount(len(studies))
        for row, study in enumerate(studies):
            day = f"{study.date[:4]}-{study.date[4:6]}-{study.date[6:8]}" if study.date else "–"
            texts = (day, study.modalities, study.body_parts or "–", str(study.images),
                     str(study.known))  # fmt: skip
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                if column == 0:
                    item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                    is_wanted = study.known < study.images
                    state = Qt.CheckState.Checked if is_wanted else Qt.CheckState.Unchecked
                    item.setCheckState(state)
                self.table.setItem(row, column, item)
        self.table.blockSignals(False)
        self._count()

    def chosen(self) -> tuple[RemoteStudy, ...]:
        """The studies that are checked."""
        return tuple(
            study
            for row, study in enumerate(self._studies)
            if self._item(row).checkState() == Qt.CheckState.Checked
        )

    @property
    def are_listed(self) -> bool:
        """Whether there is a list to choose from."""
        return bool(self._studies)

    @Slot()
    def check_all(self) -> None:
        """Want every study."""
        self._check(Qt.CheckState.Checked)

    @Slot()
    def check_none(self) -> None:
        """Want none."""
        self._check(Qt.CheckState.Unchecked)

    def _check(self, state: Qt.CheckState) -> None:
        for row in range(len(self._studies)):
            self._item(row).setCheckState(state)

    def _item(self, row: int) -> QTableWidgetItem:
        item = self.table.item(row, 0)
        assert item is not None
        return item

    @Slot()
    def _count(self) -> None:
        chosen = self.chosen()
        new = sum(study.images - study.known for study in chosen)
        self.wanted.setText(f"{len(chosen)} of {len(self._studies)} studies, {new} new images")
