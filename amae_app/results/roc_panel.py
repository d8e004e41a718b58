"""Curves, score histogram and confusion matrix at an operating point."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from amae_app.results.review_state import Listed, ReviewState
from amae_app.theme import card, colours, quiet
from amae_app.widgets.curve_plot import PALETTE, CurvePlot, PlottedCurve
from amae_app.widgets.score_histogram import Histogram
from amae_engine.config import ScoreKind
from amae_engine.evaluation.agreement import wilson_interval


class RocPanel(QWidget):
    """Judges one score run; the operating point can be dragged in every plot.

    Signals:
        threshold_changed(value): another operating point.
        cell_chosen(listed): a cell of the confusion matrix was clicked.
    """

    threshold_changed = Signal(float)
    cell_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: ReviewState | None = None
        self._kind = ScoreKind.DISCREPANCY
        self.roc = CurvePlot("1 − specificity", "sensitivity", diagonal=True)
        self.roc.setObjectName("rocPlot")
        self.pr = CurvePlot("recall (sensitivity)", "precision", diagonal=False)
        self.pr.setObjectName("prPlot")
        self.numbers = QLabel()
        self.numbers.setObjectName("aucLabel")
        self.measured = quiet()
        self.problem = quiet()
        self.problem.setObjectName("rocProblem")
        self.histogram = Histogram("score")
        self.histogram.setObjectName("scoreHistogram")
        self.point = quiet()
        self.cells: dict[Listed, QPushButton] = {}
        self._lay_out()
        for plot in (self.roc, self.pr):
            plot.threshold_picked.connect(self.threshold_changed)
        self.histogram.line_dragged.connect(self._on_line)

    def show_state(self, state: ReviewState, kind: ScoreKind, threshold: float) -> None:
        """Draw a run with one score active."""
        self._state, self._kind = state, kind
        evaluation = state.evaluation
        self.tabs.setVisible(evaluation is not None)
        self.numbers.setVisible(evaluation is not None)
        self.problem.setVisible(evaluation is None)
        self.problem.setText(state.problem)
        c = colours()
        if evaluation is None:
            values = state.values[kind]
            self.histogram.show_groups([(values[~np.isnan(values)], c.quiet)])
            self.measured.setText(f"{len(values)} test images without truth, run {state.run_id}")
        else:
            judged_kinds = [s.kind for s in evaluation.scores]
            active = judged_kinds.index(kind) if kind in judged_kinds else 0
            tints = [PALETTE[i % len(PALETTE)] for i in range(len(evaluation.scores))]
            pairs = list(zip(evaluation.scores, tints, strict=True))
            self.roc.show_curves(
                [
                    PlottedCurve(state.name(s.kind), s.roc.x, s.roc.y, s.roc.thresholds, tint)
                    for s, tint in pairs
                ],
                active,
            )
            self.pr.show_curves(
                [
                    PlottedCurve(state.name(s.kind), s.pr.x, s.pr.y, s.pr.thresholds, tint)
                    for s, tint in pairs
                ],
                active,
            )
            self._show_numbers()
            below = [state.name(s.kind) for s in evaluation.scores if s.auc.high < 0.5]
            note = f" Below chance, shown as it is: {', '.join(below)}." if below else ""
            if state.leading is not None:
                note += f" {state.name(state.leading.kind)} leads: {state.leading.reason}."
            note += f" Not judged: {'; '.join(evaluation.unjudged)}." if evaluation.unjudged else ""
            self.measured.setText(
                f"Measured on {evaluation.measured_on}. AUC: DeLong; AP: bootstrap over patients."
                + note
            )
            shown = pairs[active][0]
            self.histogram.show_groups(
                [
                    (shown.values[shown.truth == 0], c.normal),
                    (shown.values[shown.truth == 1], c.abnormal),
                ]
            )
        self.histogram.name_values(state.name(kind))
        self.show_threshold(threshold)

    def show_threshold(self, threshold: float) -> None:
        """Move the operating point."""
        if self._state is None:
            return
        self.histogram.set_lines([threshold], [colours().text])
        self.roc.show_threshold(threshold)
        self.pr.show_threshold(threshold)
        point = self._state.point(self._kind, threshold)
        judged = self._state.judged(self._kind)
        for button in self.cells.values():
            button.setEnabled(point is not None)
        if point is None or judged is None:
            self.point.setText("Set the truth of test images to see sensitivity and specificity.")
            return
        found = wilson_interval(point.true_positives, point.true_positives + point.false_negatives)
        spared = wilson_interval(point.true_negatives, point.true_negatives + point.false_positives)
        self.point.setText(
            f"threshold {threshold:.4g} · sensitivity {found.value:.2f} "
            f"({found.low:.2f}–{found.high:.2f}) · specificity {spared.value:.2f} "
            f"({spared.low:.2f}–{spared.high:.2f}) · χ² distance {judged.chi_square:.1f}\n"
            f"Chosen on these same test images: optimistic."
        )
        for listed, count in (
            (Listed.TRUE_POSITIVE, point.true_positives),
            (Listed.FALSE_NEGATIVE, point.false_negatives),
            (Listed.FALSE_POSITIVE, point.false_positives),
            (Listed.TRUE_NEGATIVE, point.true_negatives),
        ):
            self.cells[listed].setText(str(count))

    def _lay_out(self) -> None:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        frame, layout = card()
        self.tabs = QTabWidget()
        self.tabs.setObjectName("curveTabs")
        self.tabs.addTab(self.roc, "ROC")
        self.tabs.addTab(self.pr, "PR")
        for plot in (self.roc, self.pr):
            plot.setMinimumHeight(210)
        self.tabs.setMaximumHeight(380)
        self.tabs.currentChanged.connect(self._show_numbers)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setWordWrap(True)
        for widget in (self.problem, self.tabs, self.numbers, self.measured):
            layout.addWidget(widget)
        column.addWidget(frame, 3)
        frame, layout = card("Scores and operating point")
        self.histogram.setMinimumHeight(120)
        layout.addWidget(self.histogram, 1)
        layout.addWidget(self.point)
        column.addWidget(frame, 2)
        frame, layout = card("Confusion at this threshold")
        layout.addLayout(self._matrix())
        column.addWidget(frame)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(box)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def _matrix(self) -> QGridLayout:
        grid = QGridLayout()
        for column, text in enumerate(("called abnormal", "called normal"), start=1):
            grid.addWidget(quiet(text), 0, column)
        lines = (
            ("abnormal", Listed.TRUE_POSITIVE, Listed.FALSE_NEGATIVE),
            ("normal", Listed.FALSE_POSITIVE, Listed.TRUE_NEGATIVE),
        )
        for row, (text, *cells) in enumerate(lines, start=1):
            grid.addWidget(QLabel(text), row, 0)
            for column, listed in enumerate(cells, start=1):
                button = QPushButton("–")
                button.setObjectName(f"cell{listed.title().replace(' ', '')}")
                button.setAccessibleName(str(listed))
                button.setToolTip(f"List the {listed}")
                button.clicked.connect(self._on_cell)
                self.cells[listed] = button
                grid.addWidget(button, row, column)
        return grid

    @Slot()
    def _show_numbers(self) -> None:
        if self._state is not None:
            is_pr = self.tabs.currentWidget() is self.pr
            self.numbers.setText(_numbers_html(self._state, self._kind, is_pr))

    @Slot()
    def _on_cell(self) -> None:
        sender = self.sender()
        for listed, button in self.cells.items():
            if button is sender:
                self.cell_chosen.emit(listed)

    @Slot(int, float)
    def _on_line(self, _number: int, value: float) -> None:
        self.threshold_changed.emit(value)


def _numbers_html(state: ReviewState, active: ScoreKind, is_pr: bool) -> str:
    """One line a score: AUC under the ROC plot, AP under the PR plot, each with its interval."""
    if state.evaluation is None:
        return ""
    head = "AP" if is_pr else "AUC"
    lines = [f"<tr><td></td><td><b>{head}</b></td><td>95 % interval</td></tr>"]
    for number, score in enumerate(state.evaluation.scores):
        tint = PALETTE[number % len(PALETTE)]
        fewer = len(score.image_ids) < len(state.evaluation.image_ids)
        on = f", on {score.images}" if fewer else ""
        name = f"{state.name(score.kind)} <i>({score.kind.origin}{on})</i>".replace(
            " <i>", "&nbsp;<i>"
        )
        name = name.replace("Stage 2 A", "Stage&nbsp;2&nbsp;A")
        name = f"<b>{name}</b>" if score.kind is active else name
        value, low, high = (
            (score.ap, score.ap_low, score.ap_high)
            if is_pr
            else (score.auc.value, score.auc.low, score.auc.high)
        )
        lines.append(
            f"<tr><td><span style='color:{tint}'>■</span>&nbsp;{name}&nbsp;&nbsp;</td>"
            f"<td><b>{value:.3f}</b>&nbsp;&nbsp;</td><td>{low:.3f}–{high:.3f}</td></tr>"
        )
    return f"<table cellspacing='2'>{''.join(lines)}</table>"
