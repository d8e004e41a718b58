"""Curves, score histogram and confusion matrix at an operating point."""

from __future__ import annotations

from html import escape

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QLabel,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from amae_app.results.operating_panel import OperatingPanel
from amae_app.results.review_state import ReviewState
from amae_app.theme import card, colours, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.widgets.curve_plot import PALETTE, CurvePlot, PlottedCurve
from amae_engine.config import ScoreKind
from amae_engine.jobs.evaluation.operating_points import Calibration
from amae_engine.jobs.evaluation.subgroups import FEW, Subgroup

_FLATTEST = 215  # logical pixels of the curves with their tabs


class _FlatTabs(QTabWidget):
    """As flat as it may be where the window is small, so that the operating point is in sight."""

    def sizeHint(self) -> QSize:
        """Of the curves, whatever the other tabs ask for."""
        return QSize(300, _FLATTEST)

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()


class RocPanel(QWidget):
    """Judges one score run; the operating point can be dragged in every plot.

    Signals:
        threshold_changed(value): another operating point.
        point_picked(value): the same, picked on a curve.
    """

    threshold_changed = Signal(float)
    point_picked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: ReviewState | None = None
        self._kind = ScoreKind.DISCREPANCY
        self.roc = CurvePlot("1 − specificity", "sensitivity", diagonal=True)
        self.roc.setObjectName("rocPlot")
        self.pr = CurvePlot("recall (sensitivity)", "precision", diagonal=False)
        self.pr.setObjectName("prPlot")
        self.numbers = named(QLabel(), "aucLabel")
        self.on = named(quiet(), "measuredOn")
        self.measured = quiet()
        self.learned = named(quiet(), "learnedLabel")
        self.problem = named(quiet(), "rocProblem")
        self.calibration = CurvePlot(
            "probability said", "share abnormal", diagonal=True, has_point=False
        )
        self.calibration.setObjectName("calibrationPlot")
        self.subgroups = named(QLabel(), "subgroups")
        self.operating = OperatingPanel()
        self.point, self.cells = self.operating.point, self.operating.cells
        self._lay_out()
        for plot in (self.roc, self.pr):
            plot.threshold_picked.connect(self.point_picked)
        self.operating.threshold_changed.connect(self.threshold_changed)

    def show_state(self, state: ReviewState, kind: ScoreKind, threshold: float) -> None:
        """Draw a run with one score active."""
        self._state, self._kind = state, kind
        evaluation = state.evaluation
        self.tabs.setVisible(evaluation is not None)
        self.numbers.setVisible(evaluation is not None)
        self.problem.setVisible(evaluation is None)
        self.problem.setText(state.problem)
        if evaluation is None:
            count = len(state.values[kind])
            why = "sealed" if state.is_sealed else "without truth"
            self.measured.setText(f"{count} {state.images_are}, {why}, run {state.run_id}")
            self.on.clear()
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
                note += f" Leading score: {state.name(state.leading.kind)}, since {state.leading.reason}."
            note += f" Not judged: {'; '.join(evaluation.unjudged)}." if evaluation.unjudged else ""
            self.on.setText(f"On {evaluation.measured_on}")
            self.measured.setText(
                f"Measured on {evaluation.measured_on}. {evaluation.intervals}{note}"
            )
            self.learned.setText(
                "\n\n".join(evaluation.learned)
                or "This run kept no record of what its scores have learned."
            )
        self._show_calibration(state, kind)
        self.operating.show_state(state, kind, state.starts[kind])
        self.show_threshold(threshold)

    def show_threshold(self, threshold: float) -> None:
        """Move the operating point."""
        if self._state is None:
            return
        self.roc.show_threshold(threshold)
        self.pr.show_threshold(threshold)
        self.operating.show_threshold(threshold)

    def show_subgroups(self, groups: list[Subgroup] | None) -> None:
        """Show a score's AUC in each group; None while it is worked out."""
        if groups is None:
            self.subgroups.setText("Working out the subgroups…")
            return
        c = colours()
        lines = []
        for group in groups:
            auc = group.auc
            text = "one class only"
            if auc is not None:
                text = f"<b>{auc.value:.2f}</b> ({auc.interval()})"
            tint = c.quiet if group.is_small else c.text
            lines.append(
                f"<tr style='color:{tint}'><td>{group.of}&nbsp;</td><td>{escape(group.value)}"
                f"&nbsp;&nbsp;</td><td align='right'>{group.normal} + {group.abnormal}&nbsp;&nbsp;"
                f"</td><td>{text}</td></tr>"
            )
        self.subgroups.setText(
            f"<table>{''.join(lines)}</table>AUC with its 95 % interval, normal + abnormal images; "
            f"grey below {FEW} images of the rarer class."
            if lines
            else "No recorded property would group these images."
        )

    def _show_calibration(self, state: ReviewState, kind: ScoreKind) -> None:
        found = state.calibrations.get(kind)
        if not isinstance(found, Calibration):
            self.calibration.show_curves([], 0)
            self.calibrated.setText(
                found or "A probability needs validation images and open test images."
            )
            return
        said, share = (
            np.array([getattr(each, name) for each in found.bins]) for name in ("said", "found")
        )
        self.calibration.show_curves(
            [PlottedCurve(state.name(kind), said, share, said, PALETTE[1])], 0
        )
        self.calibrated.setText(
            f"Brier score {found.brier.text(3)} (saying the share of abnormal images always: "
            f"{found.brier_base:.3f}), on {found.images} test images; logistic calibration on "
            f"{found.validation} validation images."
        )

    def _lay_out(self) -> None:
        box = QWidget()
        column = column_of(into=box, margins=0, spacing=8)
        frame, layout = card()
        self.tabs = _FlatTabs()
        self.tabs.setObjectName("curveTabs")
        self.tabs.addTab(self.roc, "ROC")
        self.tabs.addTab(self.pr, "PR")
        calibration, inner = QWidget(), QVBoxLayout()
        calibration.setLayout(inner)
        self.calibrated = quiet()
        inner.addWidget(self.calibration, 1)
        inner.addWidget(self.calibrated)
        self.tabs.addTab(calibration, "Calibration")
        self.subgroups.setTextFormat(Qt.TextFormat.RichText)
        self.subgroups.setWordWrap(True)
        self.subgroups.setAlignment(Qt.AlignmentFlag.AlignTop)
        groups = QScrollArea()
        groups.setWidgetResizable(True)
        groups.setWidget(self.subgroups)
        self.tabs.addTab(groups, "Subgroups")
        self.learned.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.learned.setContentsMargins(0, 8, 0, 0)
        learned = QScrollArea()
        learned.setWidgetResizable(True)
        learned.setWidget(self.learned)
        self.tabs.addTab(learned, "Learned")
        self.tabs.setTabToolTip(
            self.tabs.count() - 1, "What the scores have learned: the proxy task's worth, shortcuts"
        )
        self.tabs.currentChanged.connect(self._show_numbers)
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setWordWrap(True)
        fill(layout, self.problem, (self.tabs, 1), self.numbers, self.on)
        fill(column, (frame, 3), (self.operating, 2))
        how, inner_how = card("How it was measured")
        inner_how.addWidget(self.measured)
        column.addWidget(how)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(box)
        column_of(area, into=self, margins=0)

    @Slot()
    def _show_numbers(self) -> None:
        if self._state is not None:
            is_pr = self.tabs.currentWidget() is self.pr
            self.numbers.setText(_numbers_html(self._state, self._kind, is_pr))


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
        name = (
            f"{state.name(score.kind)} <i>({state.evaluation.origin(score.kind)}{on})</i>".replace(
                " <i>", "&nbsp;<i>"
            )
        )
        name = name.replace("Stage 2 A", "Stage&nbsp;2&nbsp;A")
        name = f"<b>{name}</b>" if score.kind is active else name
        area = score.area(is_pr)
        lines.append(
            f"<tr><td><span style='color:{tint}'>■</span>&nbsp;{name}&nbsp;&nbsp;</td>"
            f"<td><b>{area.value:.3f}</b>&nbsp;&nbsp;</td><td>{area.interval(3)}</td></tr>"
        )
    return f"<table cellspacing='2'>{''.join(lines)}</table>"
