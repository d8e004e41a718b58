"""Workspace 5: runs table, overlaid curves, what differs, paired test."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from amae_app.compare.compare_state import (
    AT_FIRST,
    ComparedRun,
    CompareState,
    differing_settings,
    paired_test,
    read_compare_state,
)
from amae_app.theme import card, heading, quiet
from amae_app.widgets.curve_plot import PALETTE, CurvePlot, PlottedCurve
from amae_app.widgets.empty_state import EmptyState
from amae_app.window_context import WindowContext
from amae_engine.config import ScoreKind
from amae_engine.errors import AmaeError
from amae_engine.events import Changed

_SHOWN = 5  # curves at once


class ComparePage(QWidget):
    """Select runs in the table; the first two selected are tested against each other."""

    badge_changed = Signal()
    title = "Compare"

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._state = CompareState(())
        self._most = AT_FIRST
        self.more = QPushButton("Show older runs")
        self.table = QTableWidget(0, 3 + len(ScoreKind))
        self.kind = QComboBox()
        self.roc = CurvePlot("1 − specificity", "sensitivity", diagonal=True, has_point=False)
        self.legend = QLabel()
        self.test = quiet()
        self.settings = QTableWidget(0, 3)
        self._stack = QStackedWidget()
        self._lay_out()
        self.table.itemSelectionChanged.connect(self._show_selected)
        self.kind.activated.connect(self._show_selected)

    def refresh(self, changed: Changed) -> None:
        """Judge the runs again after scores or truth changed."""
        if changed & (Changed.SCORES | Changed.IMAGES):
            self._read()

    def count_text(self) -> str:
        """How many runs can be compared."""
        count = len(self._state.runs)
        return f"{count} run{'' if count == 1 else 's'}" if count else ""

    def _read(self) -> None:
        project, most = self._context.project, self._most
        self._context.background("compare", lambda: read_compare_state(project, most), self._show)

    @Slot()
    def _on_more(self) -> None:
        self._most += AT_FIRST
        self._read()

    def _lay_out(self) -> None:
        work = QWidget()
        column = QVBoxLayout(work)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._runs_card(), 2)
        row = QHBoxLayout()
        row.addWidget(self._curves_card(), 1)
        row.addWidget(self._difference_card(), 1)
        column.addLayout(row, 3)
        empty = EmptyState(
            "No run has scored test images yet. Train stage 1 and stage 2; each scored run then "
            "appears here, and two of them can be compared.",
            "emptyCompare",
        )
        self._stack.addWidget(empty)
        self._stack.addWidget(work)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 10, 10, 10)
        outer.addWidget(self._stack)

    def _runs_card(self) -> QWidget:
        titles = ["Run", "Finished (UTC)", "Images", *(k.label for k in ScoreKind)]
        self.table.setObjectName("runsTable")
        self.table.setAccessibleName("Score runs")
        self.table.setHorizontalHeaderLabels(titles)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().setVisible(False)
        self.table.setWordWrap(True)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for column, width in ((0, 60), (1, 130), (2, 120)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width)
        self.more.setObjectName("moreRunsButton")
        self.more.setToolTip("Judge and list older runs too")
        self.more.clicked.connect(self._on_more)
        frame, layout = card("Score runs")
        layout.addWidget(
            quiet(
                "AUC with its 95 % interval for every score. Select up to five runs (Ctrl adds "
                "one); the first two are tested against each other."
            )
        )
        layout.addWidget(self.table)
        layout.addWidget(self.more)
        return frame

    def _curves_card(self) -> QWidget:
        for kind in ScoreKind:
            self.kind.addItem(f"{kind.label} [{kind.origin}]", str(kind))
        self.kind.setCurrentIndex(1)
        self.kind.setObjectName("compareScoreCombo")
        self.kind.setAccessibleName("Which score is compared")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        frame, layout = card()
        top = QHBoxLayout()
        top.addWidget(heading("ROC"))
        top.addWidget(self.kind, 1)
        layout.addLayout(top)
        layout.addWidget(self.roc, 1)
        layout.addWidget(self.legend)
        return frame

    def _difference_card(self) -> QWidget:
        self.settings.setHorizontalHeaderLabels(["Setting that differs", "first", "second"])
        self.settings.verticalHeader().setVisible(False)
        self.settings.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.settings.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        frame, layout = card("What differs")
        layout.addWidget(self.test)
        layout.addWidget(self.settings, 1)
        return frame

    def _show(self, state: CompareState | AmaeError) -> None:
        if isinstance(state, AmaeError):
            self._context.tell_error(state)
            return
        self._state = state
        self.more.setVisible(state.more > 0)
        self.more.setText(f"Show older runs ({state.more} more)")
        self._stack.setCurrentIndex(1 if state.runs else 0)
        self.table.setRowCount(len(state.runs))
        for row, run in enumerate(state.runs):
            for column, text in enumerate(_cells(run)):
                self.table.setItem(row, column, QTableWidgetItem(text))
        for row in range(min(2, len(state.runs))):
            for column in range(self.table.columnCount()):
                item = self.table.item(row, column)
                if item is not None:
                    item.setSelected(True)
        self.badge_changed.emit()
        self._show_selected()

    @Slot()
    def _show_selected(self) -> None:
        rows = sorted({item.row() for item in self.table.selectedItems()})[:_SHOWN]
        chosen = [self._state.runs[row] for row in rows if row < len(self._state.runs)]
        kind = ScoreKind(self.kind.currentData())
        curves, lines = [], []
        for number, run in enumerate(chosen):
            score = run.score(kind)
            if score is None or run.evaluation is None:
                continue
            tint = PALETTE[(number + 1) % len(PALETTE)]
            roc = score.roc
            curves.append(
                PlottedCurve(f"run {run.score_run.id}", roc.x, roc.y, roc.thresholds, tint)
            )
            lines.append(
                f"<span style='color:{tint}'>■</span> run {run.score_run.id}: AUC "
                f"<b>{score.auc.value:.3f}</b> ({score.auc.low:.3f}–{score.auc.high:.3f}) on "
                f"{score.images} test images of '{run.evaluation.project}'"
            )
        self.roc.show_curves(curves, 0)
        self.legend.setText("<br>".join(lines))
        self._show_difference(chosen, kind)

    def _show_difference(self, chosen: list[ComparedRun], kind: ScoreKind) -> None:
        if len(chosen) < 2:
            self.settings.setRowCount(0)
            self.test.setText("Select two runs to see which settings differ and a paired test.")
            return
        differing = differing_settings(chosen[0], chosen[1])
        self.settings.setRowCount(len(differing))
        for row, cells in enumerate(differing):
            for column, text in enumerate(cells):
                self.settings.setItem(row, column, QTableWidgetItem(text))
        found = paired_test(chosen[0], chosen[1], kind)
        first, second = chosen[0].score_run.id, chosen[1].score_run.id
        if found is None:
            self.test.setText(f"Runs {first} and {second} share no judged images.")
            return
        self.test.setText(
            f"Run {first} − run {second}: ΔAUC {found.difference:+.3f} "
            f"({found.low:+.3f} to {found.high:+.3f}), DeLong p = {found.p_value:.3g}, on the images "
            f"both runs judged."
        )


def _cells(run: ComparedRun) -> list[str]:
    images = "no truth"
    if run.evaluation is not None:
        normal = int((run.evaluation.truth == 0).sum())
        images = f"{normal} + {len(run.evaluation.truth) - normal}"
    finished = (run.score_run.finished_at or "")[:16].replace("T", " ")
    texts = [str(run.score_run.id), finished, images]
    for kind in ScoreKind:
        score = run.score(kind)
        texts.append(
            f"{score.auc.value:.3f} ({score.auc.low:.3f}–{score.auc.high:.3f})" if score else "–"
        )
    return texts
