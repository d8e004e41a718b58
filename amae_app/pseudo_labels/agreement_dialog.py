"""How two readers agree, their conflicts, and the consensus on each."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.image_loader import ImageLoader
from amae_app.image_ref import ImageRef
from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.window_context import WindowContext
from amae_engine.catalog.tables import Label
from amae_engine.jobs.curation.second_reading import Agreement
from amae_engine.words import plural

_CONSENSUS = (
    (Label.NORMAL, "Both: normal"),
    (Label.ABNORMAL, "Both: abnormal"),
    (Label.EXCLUDE, "Both: exclude"),
)


class AgreementDialog(QDialog):
    """κ, and the conflicts with their images.

    Args:
        context: The open project.
        agreement: Of one session.
        refs: Where the conflicts' images are, and their names.

    Signals:
        agreed(session, image id, label): by both readers.
    """

    agreed = Signal(int, int, object)

    def __init__(
        self,
        context: WindowContext,
        agreement: Agreement,
        refs: dict[int, tuple[ImageRef, str]],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("How the readers agree")
        self.setObjectName("agreementDialog")
        self.resize(980, 620)
        self._agreement = agreement
        self._refs = refs
        self.summary = named(QLabel(agreement_text(agreement)), "agreementText")
        self.summary.setWordWrap(True)
        self.table = named(QTableWidget(len(agreement.conflicts), 3), "conflictTable")
        self.table.setHorizontalHeaderLabels(
            ["Image", f"First: {agreement.first}", f"Second: {agreement.second}"]
        )
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for row, item in enumerate(agreement.conflicts):
            name = refs[item.image_id][1] if item.image_id in refs else str(item.image_id)
            for column, text in enumerate((name, str(item.first), str(item.second))):
                cell = QTableWidgetItem(text)
                cell.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, cell)
        self.viewer = ImageViewer("The image on which the readers differ")
        self._loader = ImageLoader(context, self.viewer, "agreement")
        self.buttons = [QPushButton(text) for _, text in _CONSENSUS]
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._on_selected)
        if agreement.conflicts:
            self.table.selectRow(0)
        for button in self.buttons:
            button.setEnabled(bool(agreement.conflicts))

    def _lay_out(self) -> None:
        left = column_of(
            (self.table, 1),
            quiet(
                "Both readers look at the image together; what they agree on becomes a decision."
            ),
        )
        row = QHBoxLayout()
        for button, (label, text) in zip(self.buttons, _CONSENSUS, strict=True):
            button.setObjectName(f"consensus{label.capitalize()}Button")
            button.setToolTip(f"{text}: a decision by {self._agreement.first} and "
                              f"{self._agreement.second}")  # fmt: skip
            button.clicked.connect(partial(self._agree, label))
            row.addWidget(button)
        left.addLayout(row)
        sides = row_of((left, 3), (self.viewer, 4))
        column_of(self.summary, (sides, 1), into=self)

    @Slot()
    def _on_selected(self) -> None:
        row = self.table.currentRow()
        if 0 <= row < len(self._agreement.conflicts):
            image_id = self._agreement.conflicts[row].image_id
            ref = self._refs[image_id][0] if image_id in self._refs else None
            self._loader.show(ref, [])

    def _agree(self, label: Label) -> None:
        row = self.table.currentRow()
        if not 0 <= row < len(self._agreement.conflicts):
            return
        image_id = self._agreement.conflicts[row].image_id
        self.agreed.emit(self._agreement.session_id, image_id, label)
        for column in range(3):
            cell = self.table.item(row, column)
            if cell is not None:
                cell.setFlags(Qt.ItemFlag.ItemIsSelectable)
        first = self.table.item(row, 0)
        if first is not None:
            first.setText(f"{first.text().split(' ')[0]} → {label}")
        self.table.selectRow(min(row + 1, self.table.rowCount() - 1))


def agreement_text(found: Agreement) -> str:
    """κ with its interval, and the counts behind it."""
    if not found.read:
        return "No image is read yet."
    kappa = found.kappa
    pairs = ", ".join(
        f"{first} / {second or 'not read'}: {count}"
        for (first, second), count in sorted(found.table.items())
    )
    return (
        f"Cohen's κ {kappa.value:.2f} (95 % interval {kappa.low:.2f} to {kappa.high:.2f}) of "
        f"{found.first} and {found.second} on {plural(found.read, 'image')} of {found.images}; the "
        f"same on {found.same}. First / second: {pairs}."
    )
