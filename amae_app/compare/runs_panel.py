"""Judged runs side by side: chosen columns, curves with bands, paired tests, settings that differ."""

from __future__ import annotations

import math
from functools import partial

import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from amae_app.compare.compare_state import (
    ComparedRun,
    CompareState,
    differing_settings,
    pair_tests,
    replicates_text,
)
from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.curve_plot import PALETTE, CurvePlot, PlottedCurve
from amae_app.widgets.fields import ComboBox
from amae_app.window_context import WindowContext
from amae_engine.config import ScoreKind
from amae_engine.evaluation.bands import Band, pr_band, roc_band

_SHOWN = 5  # curves at once
_FIXED = ("Run", "Method", "Images", "Leading score")
_LEADING = "each run's leading score"
_ALWAYS = (ScoreKind.DISCREPANCY, ScoreKind.PEER)
_BAND_OPACITY = 45


class RunsPanel(QWidget):
    """Select runs in the table; every pair of those selected is tested.

    Signals:
        more_wanted(): evaluate older runs too.
        selection_changed(): other runs, or another score.
    """

    more_wanted = Signal()
    selection_changed = Signal()

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._state = CompareState(())
        self._columns: list[ScoreKind] | None = None  # None: the usual ones
        self.more = QPushButton("Show older runs")
        self.columns = QPushButton("Columns")
        self.table = QTableWidget(0, 0)
        self.kind = ComboBox()
        self.curve = ComboBox()
        self.roc = CurvePlot("1 − specificity", "sensitivity", diagonal=True, has_point=False)
        self.legend = QLabel()
        self.test = quiet()
        self.settings = named(
            QTableWidget(0, 3), label="Settings in which the first two runs differ"
        )
        column = column_of((self._runs_card(), 2), into=self, margins=0)
        row = row_of((self._curves_card(), 1), (self._difference_card(), 1))
        column.addLayout(row, 3)
        self.table.itemSelectionChanged.connect(self._show_selected)
        self.kind.activated.connect(self._show_selected)
        self.curve.activated.connect(self._show_selected)

    @property
    def chosen(self) -> list[ComparedRun]:
        """The selected runs, in the table's order."""
        rows = sorted({item.row() for item in self.table.selectedItems()})[:_SHOWN]
        return [self._state.runs[row] for row in rows if row < len(self._state.runs)]

    @property
    def score(self) -> ScoreKind | None:
        """The score that is compared; None for each run's leading one."""
        data = self.kind.currentData()
        return ScoreKind(data) if data else None

    def show_state(self, state: CompareState) -> None:
        """Show the runs, the first two selected."""
        self._state = state
        self.more.setVisible(state.more > 0)
        self.more.setText(f"Show older runs ({state.more} more)")
        self._fill()
        for row in range(min(2, len(state.runs))):
            for column in range(self.table.columnCount()):
                item = self.table.item(row, column)
                if item is not None:
                    item.setSelected(True)
        self._show_selected()

    def _runs_card(self) -> QWidget:
        named(self.table, "runsTable", "Score runs")
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().setVisible(False)
        named(self.more, "moreRunsButton", tip="Evaluate and list older runs too")
        self.more.clicked.connect(self.more_wanted)
        named(self.columns, "columnsButton", tip="Which scores have a column")
        menu = QMenu(self.columns)
        menu.aboutToShow.connect(partial(self._fill_menu, menu))
        self.columns.setMenu(menu)
        frame, layout = card()
        top = row_of(
            (
                quiet(
                    "AUC with its 95 % interval. Select up to five runs (Ctrl adds one); every pair is "
                    "tested."
                ),
                1,
            ),
            self.columns,
        )
        fill(layout, top, self.table, self.more)
        return frame

    def _curves_card(self) -> QWidget:
        self.kind.addItem(_LEADING, "")
        for kind in ScoreKind:
            self.kind.addItem(f"{kind.label} [{kind.origin}]", str(kind))
        named(self.kind, "compareScoreCombo", "Which score is compared")
        self.curve.addItems(["ROC", "PR"])
        named(self.curve, "compareCurveCombo", "Which curve is drawn")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        frame, layout = card()
        top = row_of(self.curve, (self.kind, 1))
        fill(layout, top, (self.roc, 1), self.legend)
        return frame

    def _difference_card(self) -> QWidget:
        self.settings.setHorizontalHeaderLabels(["Setting that differs", "first", "second"])
        self.settings.verticalHeader().setVisible(False)
        self.settings.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.settings.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        frame, layout = card("What differs")
        fill(layout, self.test, (self.settings, 1))
        return frame

    def _kinds(self) -> list[ScoreKind]:
        """The scores with a column: those chosen, else the usual ones that some run has."""
        there = [kind for kind in ScoreKind if any(run.score(kind) for run in self._state.runs)]
        wanted = _ALWAYS if self._columns is None else self._columns
        return [kind for kind in there if kind in wanted]

    def _fill_menu(self, menu: QMenu) -> None:
        menu.clear()
        shown = self._kinds()
        for kind in ScoreKind:
            if any(run.score(kind) for run in self._state.runs):
                action = menu.addAction(kind.label)
                action.setCheckable(True)
                action.setChecked(kind in shown)
                action.toggled.connect(partial(self._choose_column, kind))

    def _choose_column(self, kind: ScoreKind, shows: bool) -> None:
        shown = self._kinds()
        self._columns = [*shown, kind] if shows else [each for each in shown if each is not kind]
        self._fill()

    def _fill(self) -> None:
        kinds = self._kinds()
        titles = [*_FIXED, *(kind.label for kind in kinds)]
        self.table.blockSignals(True)
        self.table.setColumnCount(len(titles))
        self.table.setHorizontalHeaderLabels(titles)
        self.table.setRowCount(len(self._state.runs))
        for row, run in enumerate(self._state.runs):
            for column, text in enumerate(_cells(run, kinds)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.blockSignals(False)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)

    @Slot()
    def _show_selected(self) -> None:
        chosen, is_pr = self.chosen, self.curve.currentText() == "PR"
        curves, lines, bands = [], [], []
        for number, run in enumerate(chosen):
            score = run.chosen(self.score)
            if score is None or run.evaluation is None:
                continue
            tint = PALETTE[(number + 1) % len(PALETTE)]
            curve = score.pr if is_pr else score.roc
            curves.append(
                PlottedCurve(f"run {run.score_run.id}", curve.x, curve.y, curve.thresholds, tint)
            )
            make = pr_band if is_pr else roc_band
            bands.append((partial(make, score.truth, score.values, score.patients), tint))
            area = score.area(is_pr)
            lines.append(
                f"<span style='color:{tint}'>■</span> run {run.score_run.id}, {run.method}, "
                f"{run.evaluation.label(score.kind)}: {'AP' if is_pr else 'AUC'} "
                f"<b>{area.value:.3f}</b> ({area.interval(3)}) on {score.images} test images of "
                f"'{run.evaluation.project}'"
            )
        self.roc.setLabel("bottom", "recall (sensitivity)" if is_pr else "1 − specificity")
        self.roc.setLabel("left", "precision" if is_pr else "sensitivity")
        self.roc.show_curves(curves, 0)
        self._context.runner.run(
            "bands", lambda: [(make(), tint) for make, tint in bands], self._draw_bands
        )
        self.legend.setText("<br>".join(lines))
        self._show_difference(chosen)
        self.selection_changed.emit()

    def _draw_bands(self, bands: list[tuple[Band, str]]) -> None:
        for band, tint in bands:
            colour = QColor(tint)
            colour.setAlpha(_BAND_OPACITY)
            edges = [pg.PlotCurveItem(band.x, y, pen=None) for y in (band.low, band.high)]
            self.roc.addItem(pg.FillBetweenItem(*edges, brush=colour))

    def _show_difference(self, chosen: list[ComparedRun]) -> None:
        if len(chosen) < 2:
            self.settings.setRowCount(0)
            self.test.setText("Select two runs to see which settings differ and a paired test.")
            return
        differing = differing_settings(chosen[0], chosen[1])
        self.settings.setRowCount(len(differing))
        for row, cells in enumerate(differing):
            for column, text in enumerate(cells):
                self.settings.setItem(row, column, QTableWidgetItem(text))
        tests = pair_tests(chosen, self.score)
        lines = [replicates_text(chosen, self.score)]
        for pair in tests:
            if pair.found is None:
                lines.append(f"Runs {pair.first} and {pair.second} {pair.why_not}.")
                continue
            if math.isnan(pair.found.p_value):
                lines.append(
                    f"Run {pair.first} − run {pair.second}: ΔAUC {pair.found.difference:+.3f}; too "
                    f"few images of a class for a test."
                )
                continue
            holm = f", Holm p = {pair.adjusted:.3g}" if len(tests) > 1 else ""
            lines.append(
                f"Run {pair.first} − run {pair.second}: ΔAUC {pair.found.difference:+.3f} "
                f"({pair.found.low:+.3f} to {pair.found.high:+.3f}), paired p = "
                f"{pair.found.p_value:.3g}{holm}"
            )
        lines.append("On the images that both runs scored; settings of the first two.")
        self.test.setText("\n".join(line for line in lines if line))


def _cells(run: ComparedRun, kinds: list[ScoreKind]) -> list[str]:
    images = "no truth"
    if run.evaluation is not None:
        normal = int((run.evaluation.truth == 0).sum())
        images = f"{normal} + {len(run.evaluation.truth) - normal}"
    lead = run.chosen(None)
    leading = "–"
    if lead is not None and run.evaluation is not None:
        leading = f"{run.evaluation.label(lead.kind)}: {lead.auc.text(3)}"
    grid = f", {run.score_run.experiment}" if run.score_run.experiment else ""
    texts = [str(run.score_run.id), f"{run.method}{grid}", images, leading]
    for kind in kinds:
        score = run.score(kind)
        over = ", over tokens" if run.evaluation and run.evaluation.is_over_tokens(kind) else ""
        texts.append(f"{score.auc.text(3)}{over}" if score else "–")
    return texts
