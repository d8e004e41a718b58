"""By what N and U differ, fact by fact, and what stage 1 shall do about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.theme import quiet
from amae_app.widgets.building import column_of, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_engine.config import MatchingMethod
from amae_engine.jobs.confounders.choose_matching import ShortcutCheck

_COLUMNS = ("Match by", "Normal + unlabeled", "AUC of N against U", "What it means")


class ShortcutDialog(QDialog):
    """The facts, a tick at those to match by, and the method.

    Signals:
        check_wanted(): the reader wants it checked again with what is chosen.
    """

    check_wanted = Signal()

    def __init__(self, method: MatchingMethod, match_by: tuple[str, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcut check")
        self.setObjectName("shortcutDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 560)
        self.method_combo = named(
            ComboBox(), "matchingCombo", "What stage 1 does about a confounder"
        )
        self.method_combo.addItems([each.label for each in MatchingMethod])
        self.method_combo.setCurrentIndex(list(MatchingMethod).index(method))
        self.method_combo.setToolTip(
            "Weights keep all images; strata compare each with normal images of its own kind; left "
            "out, as many normal as unlabeled images of each kind remain"
        )
        self.table = named(QTableWidget(0, len(_COLUMNS)), "shortcutTable")
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.table.setColumnWidth(0, 130)  # a tick and a fact
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.why = named(quiet(), "shortcutWhy")
        self._ticked = set(match_by)
        again = named(
            QPushButton("Check again"),
            "checkAgainButton",
            tip="Check with the chosen properties and matching",
        )
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        row = row_of(QLabel("Where N and U differ:"), (self.method_combo, 1), again)
        column_of(
            quiet(
                "A score of normal against unlabeled learns whatever separates the two. Each property is "
                "tried by itself, in images that its model did not see; 0.50 is chance. Without a "
                "tick, stage 1 matches by the confounders that differ."
            ),
            (self.table, 1),
            row,
            self.why,
            buttons,
            into=self,
        )
        again.clicked.connect(self.check_wanted)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)

    @property
    def chosen(self) -> tuple[MatchingMethod, tuple[str, ...]]:
        """The method, and the facts that are ticked."""
        return list(MatchingMethod)[self.method_combo.currentIndex()], self._match_by()

    def _match_by(self) -> tuple[str, ...]:
        rows = range(self.table.rowCount())
        items = [item for row in rows if (item := self.table.item(row, 0)) is not None]
        return tuple(i.text() for i in items if i.checkState() is Qt.CheckState.Checked)

    @Slot(object)
    def show_check(self, check: ShortcutCheck) -> None:
        """Fill the table; ticks stay."""
        if self.table.rowCount():
            self._ticked = set(self._match_by())
        self.table.setRowCount(len(check.differences))
        for row, found in enumerate(check.differences):
            tick = QTableWidgetItem(found.name)
            tick.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            is_ticked = found.name in self._ticked
            tick.setCheckState(Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked)
            self.table.setItem(row, 0, tick)
            meaning = found.meaning + (" · matched" if found.name in check.matched_by else "")
            auc = found.auc.text() if found.auc else "–"
            for column, cell in enumerate((found.images, auc, meaning), start=1):
                item = QTableWidgetItem(cell)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.table.setItem(row, column, item)
        self.why.setText(check.why)
