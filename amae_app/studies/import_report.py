"""Every file's fate after an import."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.ask_files import ask_target
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_engine.jobs.importing.import_report import FileFate, ImportReport, Outcome, Twins
from amae_engine.words import plural

_SHOWN = 2000  # lines on screen; the CSV has them all
# what a reader may have to do something about
_FIRST = (Outcome.REFUSED, Outcome.CONFLICT, Outcome.LARGER, Outcome.SUSPECT, Outcome.HELD)


class ImportReportWindow(QDialog):
    """A list of files with outcome and reason, first those that may need the reader.

    Signals:
        twins_wanted(twins): the images that were left out as probable twins are to be kept too, or
            the larger ones to take the smaller ones' place.
    """

    twins_wanted = Signal(object)

    def __init__(self, report: ImportReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import report")
        self.setObjectName("importReport")
        self.resize(760, 460)
        self._report = report
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["File", "Outcome", "Reason"])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.filter = ComboBox()
        self.filter.addItems(["all files", *map(str, Outcome)])
        self.filter.currentTextChanged.connect(self._fill)
        self.search = QLineEdit()
        self.search.setPlaceholderText("file or reason")
        self.search.setAccessibleName("Search the report")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._fill)
        keep = named(
            QPushButton("Import probable duplicates too"),
            "keepSuspectsButton",
            tip="Import the images that look like others: you have seen that they are not",
        )
        larger = report.count(Outcome.LARGER)
        take = named(
            QPushButton(f"Take {plural(larger, 'larger image')} in place of the smaller"),
            "replaceSmallerButton",
            tip="The image keeps its name, its split, its truth and every decision; its pixels are the larger file's",
        )
        keep.setVisible(report.count(Outcome.SUSPECT) + larger > 0)
        take.setVisible(larger > 0)
        for button, twins in ((keep, Twins.KEEP), (take, Twins.REPLACE)):
            button.clicked.connect(partial(self.twins_wanted.emit, twins))
            button.clicked.connect(self.close)
        save = QPushButton("Save as CSV…")
        save.clicked.connect(self._on_save)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        summary = QLabel(report.summary())
        summary.setWordWrap(True)
        self.search.setMinimumWidth(140)
        top = row_of((summary, 1), self.search, self.filter)
        bottom = row_of(0, take, keep, save, close)
        column_of(top, self.table, bottom, into=self)
        self._fill()

    @Slot()
    def _fill(self) -> None:
        wanted, text = self.filter.currentText(), self.search.text().lower()
        fates: list[tuple[int, FileFate]] = [
            (number, fate)
            for number, fate in enumerate(self._report.fates, start=1)
            if wanted in ("all files", str(fate.outcome))
            and (text in fate.path.name.lower() or text in fate.reason.lower())
        ]
        fates = sorted(fates, key=lambda each: each[1].outcome not in _FIRST)[:_SHOWN]
        self.table.setRowCount(len(fates))
        self.table.setVerticalHeaderLabels([str(number) for number, _ in fates])  # as in the CSV
        for row, (_, fate) in enumerate(fates):
            for column, text in enumerate((fate.path.name, str(fate.outcome), fate.reason)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
                self.table.setItem(row, column, item)
        self.table.resizeColumnToContents(0)

    @Slot()
    def _on_save(self) -> None:
        name = ask_target(self, "Save the report", "import.csv", "CSV (*.csv)")
        if name:
            self._report.write_csv(Path(name))
