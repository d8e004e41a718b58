"""The operating point: how it is chosen, whether it is locked, what it does to the images."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from amae_app.results.review_state import Listed, ReviewState
from amae_app.results.start_points import MOVED, StartPoint
from amae_app.theme import card, colours, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.widgets.fields import ComboBox, DoubleSpinBox
from amae_app.widgets.score_histogram import Histogram
from amae_engine.config import ScoreKind
from amae_engine.evaluation.operating_rules import Rule, RuleChoice
from amae_engine.jobs.evaluation.operating_points import ChosenPoint, falls_short, result_at

_TARGETS = {Rule.SENSITIVITY: 0.95, Rule.SPECIFICITY: 0.95, Rule.NORMALS: 0.95, Rule.COST: 5.0}


class OperatingPanel(QWidget):
    """Histogram, rule, lock, and the numbers at the threshold; each lists its images.

    Signals:
        threshold_changed(value): dragged in the histogram.
        listed_chosen(listed): a number or a cell was clicked.
        bar_chosen(low, high): a bar of the histogram was clicked.
        choice_wanted(choice): choose a point by a rule.
        lock_wanted(choice): the same, and lock it.
        seal_wanted(): close the test images' truth.
    """

    threshold_changed = Signal(float)
    listed_chosen = Signal(object)
    bar_chosen = Signal(float, float)
    choice_wanted = Signal(object)
    lock_wanted = Signal(object)
    seal_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: ReviewState | None = None
        self._kind = ScoreKind.DISCREPANCY
        self._start: StartPoint | None = None
        self._chosen: ChosenPoint | None = None  # by hand, since a score is shown
        self._threshold = 0.0
        self.histogram = Histogram("score")
        self.histogram.setObjectName("scoreHistogram")
        self.point = named(quiet(), "pointLabel")
        self.why = named(quiet(), "pointReason")
        self.short = named(quiet(), "pointShort")
        self.short.setProperty("state", "warning")
        self.rule = ComboBox()
        self.target = DoubleSpinBox()
        self.prevalence = DoubleSpinBox()
        self.choose = QPushButton("Choose")
        self.lock = QPushButton("Lock")
        self.seal = QPushButton("Seal the test images")
        self.cells: dict[Listed, QPushButton] = {}
        self.numbers: dict[Listed, QPushButton] = {}
        frame, layout = card("Operating point")
        fill(
            layout,
            self._choice(),
            self._numbers(),
            self._matrix(),
            self.point,
            self.why,
            self.short,
            (self.histogram, 1),
            self.seal,
        )
        column_of(frame, into=self, margins=0)
        self._connect()
        self._on_rule()

    def show_state(self, state: ReviewState, kind: ScoreKind, start: StartPoint) -> None:
        """Draw a score of a run."""
        is_untouched = (
            self._start is None or self._start.rule is list(Rule)[self.rule.currentIndex()]
        )
        if start.rule is not None and is_untouched:  # what is shown is what Lock locks
            self.rule.setCurrentIndex(list(Rule).index(start.rule))
        self._state, self._kind, self._start, self._chosen = state, kind, start, None
        c, judged = colours(), state.judged(kind)
        if judged is None:
            values = state.values[kind]
            self.histogram.show_groups([(values[~np.isnan(values)], c.quiet)])
        else:
            self.histogram.show_groups(
                [
                    (judged.values[judged.truth == 0], c.normal),
                    (judged.values[judged.truth == 1], c.abnormal),
                ]
            )
        self.histogram.name_values(state.name(kind))
        locked = start.locked is not None
        self.lock.setEnabled(not locked)
        self.lock.setText("Locked" if locked else "Lock")
        self.seal.setVisible(not state.is_sealed)

    def show_threshold(self, threshold: float) -> None:
        """Move the operating point."""
        if self._state is None or self._start is None:
            return
        self._threshold = threshold
        self.histogram.set_lines([threshold], [colours().text])
        why, by = self._chosen_by(threshold)
        self.why.setText(why)
        self.short.hide()
        judged = self._state.judged(self._kind)
        for button in (*self.cells.values(), *self.numbers.values()):
            button.setEnabled(judged is not None)
        if judged is None:
            reported = (
                "Sealed: lock a point to open the test images."
                if self._state.is_sealed
                else ("Set the truth of test images to see sensitivity and specificity.")
            )
            self.point.setText(f"threshold {threshold:.4g}. {reported}")
            for button in (*self.cells.values(), *self.numbers.values()):
                button.setText("–")
            return
        prevalence = self.prevalence.value() / 100
        found = result_at(judged.truth, judged.values, threshold, prevalence, judged.patients)
        self.short.setText(falls_short(by, found) if by is not None else "")
        self.short.setVisible(bool(self.short.text()))
        self.point.setText(
            f"threshold {threshold:.4g} · on {judged.images} {self._state.images_are} · χ² distance "
            f"of the histograms {judged.chi_square:.1f} ({judged.chi_square_by_chance:.1f} by chance)"
        )
        for listed, count in (
            (Listed.TRUE_POSITIVE, found.point.true_positives),
            (Listed.FALSE_NEGATIVE, found.point.false_negatives),
            (Listed.FALSE_POSITIVE, found.point.false_positives),
            (Listed.TRUE_NEGATIVE, found.point.true_negatives),
        ):
            self.cells[listed].setText(str(count))
        for listed, name, share in (
            (Listed.ABNORMAL, "sensitivity", found.sensitivity),
            (Listed.NORMAL, "specificity", found.specificity),
        ):
            self.numbers[listed].setText(f"{name} {share.text()}")
        for listed, name, value in (
            (Listed.CALLED_ABNORMAL, "PPV", found.predictive.ppv),
            (Listed.CALLED_NORMAL, "NPV", found.predictive.npv),
        ):
            text = "–" if np.isnan(value.value) else value.text()
            self.numbers[listed].setText(f"{name} {text}")
            at = f"At the prevalence that is stated, {self.prevalence.value():g} %"
            self.numbers[listed].setToolTip(at)

    def show_choice(self, point: ChosenPoint) -> None:
        """Say how the threshold that is shown was chosen; it is not locked."""
        self._chosen = point
        self.show_threshold(point.threshold)

    @property
    def is_locked(self) -> bool:
        """Whether a reader has locked a point of the shown score."""
        return self.lock.text() == "Locked"

    def choice(self) -> RuleChoice:
        """The current rule."""
        rule = list(Rule)[self.rule.currentIndex()]
        target = self.target.value() if rule is Rule.COST else self.target.value() / 100
        if rule is Rule.YOUDEN:
            target = 0.5
        return RuleChoice(rule, target, self.prevalence.value() / 100)

    def _chosen_by(self, threshold: float) -> tuple[str, RuleChoice | None]:
        """How a threshold came about, in words, and the rule that chose it, where one did."""
        point, start = self._chosen, self._start
        if point is not None and threshold == point.threshold:
            why = f"Chosen: {point.choice.text}; on {point.chosen_on}. Not locked."
            return why, point.choice
        if start is not None and threshold == start.threshold:
            return start.why, start.choice
        locked = None if start is None else start.locked
        return (MOVED if locked is None else f"Not the locked point. {locked.text}"), None

    def _choice(self) -> QVBoxLayout:
        self.rule.addItems([rule.label for rule in Rule])
        self.rule.setCurrentIndex(list(Rule).index(Rule.YOUDEN))
        short = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.rule.setSizeAdjustPolicy(short)
        self.rule.setMinimumContentsLength(12)
        self.prevalence.setRange(0.1, 99.9)
        self.prevalence.setValue(50)
        self.prevalence.setDecimals(1)
        self.prevalence.setSuffix(" %")
        for widget, name, tip in (
            (self.rule, "ruleCombo", "How the threshold is chosen; never on test images"),
            (self.target, "targetSpin", "What the rule asks for"),
            (self.prevalence, "prevalenceSpin",
             "How frequent abnormal images are where the score will be used"),
            (self.choose, "choosePointButton", "On validation images, or on normal ones"),
            (self.lock, "lockPointButton",
             "Choose, fix it with your name and the time, and open the test images"),
            (self.seal, "sealButton", "Show no result of test images before a point is locked"),
        ):  # fmt: skip
            named(widget, name, tip, tip)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.rule, 1)
        first.addWidget(self.target)
        second.addWidget(QLabel("Prevalence"))
        second.addWidget(self.prevalence)
        second.addStretch()
        second.addWidget(self.choose)
        second.addWidget(self.lock)
        return column_of(first, second)

    def _numbers(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, (listed, tip) in enumerate(
            (
                (Listed.ABNORMAL, "List the abnormal images"),
                (Listed.CALLED_ABNORMAL, "List the images that are called abnormal"),
                (Listed.NORMAL, "List the normal images"),
                (Listed.CALLED_NORMAL, "List the images that are called normal"),
            )
        ):
            button = self._listing(listed, tip)
            self.numbers[listed] = button
            grid.addWidget(button, place // 2, place % 2)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        return grid

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
                button = self._listing(listed, f"List the {listed}")
                self.cells[listed] = button
                grid.addWidget(button, row, column)
        return grid

    def _listing(self, listed: Listed, tip: str) -> QPushButton:
        button = named(QPushButton("–"), f"cell{listed.title().replace(' ', '')}", str(listed), tip)
        button.setStyleSheet("padding: 3px 2px;")
        button.setMinimumWidth(1)
        button.clicked.connect(partial(self.listed_chosen.emit, listed))
        return button

    def _connect(self) -> None:
        self.histogram.line_dragged.connect(self._on_line)
        self.histogram.bar_clicked.connect(self.bar_chosen)
        self.rule.currentIndexChanged.connect(self._on_rule)
        self.prevalence.valueChanged.connect(self._on_prevalence)
        self.choose.clicked.connect(self._on_choose)
        self.lock.clicked.connect(self._on_lock)
        self.seal.clicked.connect(self.seal_wanted)

    @Slot()
    def _on_rule(self) -> None:
        rule = list(Rule)[self.rule.currentIndex()]
        self.target.setEnabled(rule is not Rule.YOUDEN)
        is_cost = rule is Rule.COST
        self.target.setRange(0.01 if is_cost else 1, 1000 if is_cost else 99.9)
        self.target.setSuffix("" if is_cost else " %")
        self.target.setDecimals(1)
        wanted = _TARGETS.get(rule, 0.95)
        self.target.setValue(wanted if is_cost else 100 * wanted)

    @Slot()
    def _on_prevalence(self) -> None:
        self.show_threshold(self._threshold)

    @Slot()
    def _on_choose(self) -> None:
        self.choice_wanted.emit(self.choice())

    @Slot()
    def _on_lock(self) -> None:
        self.lock_wanted.emit(self.choice())

    @Slot(int, float)
    def _on_line(self, _number: int, value: float) -> None:
        self.threshold_changed.emit(value)
