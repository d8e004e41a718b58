"""What rates the unlabeled images, both cuts, and what the modules get by them."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from amae_app.pseudo_labels.curation_state import CurationState, keep_percent_for_cut
from amae_app.theme import card, colours, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox, DoubleSpinBox
from amae_app.widgets.score_histogram import Histogram
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource
from amae_engine.evaluation.ranks import share_below

_PAPER_KEEP = 50
_OUTER = (0.5, 99.5)  # percentiles of the log-odds at which the axis ends
Doubles = npt.NDArray[np.float64]


class Axis(StrEnum):
    """What the ratings are drawn over."""

    LOG_ODDS = "log-odds"
    RANK = "rank"


class CutsPanel(QWidget):
    """Histogram with draggable cuts, source, and K of each class.

    Signals:
        rule_chosen(source, keep_percent, keep_abnormal_percent): other pseudo-labels are wanted.
    """

    rule_chosen = Signal(object, float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: CurationState | None = None
        self._config = PseudoLabelConfig()
        self._ranked: Doubles = np.zeros(0)
        self._ends = (0.0, 1.0)
        self.histogram = Histogram("log-odds of abnormal")
        self.axis = ComboBox()
        self.keep = DoubleSpinBox()
        self.keep_abnormal = DoubleSpinBox()
        self.source = ComboBox()
        self.bands = quiet()
        self.counts = QLabel()
        self.worth = quiet()
        frame, layout = card("Ratings and cuts")
        self.histogram.setObjectName("confidenceHistogram")
        self.histogram.setMinimumHeight(190)
        self.bands.setObjectName("bands")
        self.counts.setObjectName("labelCounts")
        self.counts.setWordWrap(True)
        self.worth.setObjectName("proxyWorth")
        fill(
            layout,
            self._source_row(),
            (self.histogram, 1),
            self.bands,
            self.counts,
            self.worth,
            self._keep_row(),
        )
        column_of(frame, into=self, margins=0)
        for spin in (self.keep, self.keep_abnormal):
            spin.valueChanged.connect(self._on_rule)
        self.source.activated.connect(self._on_rule)
        self.axis.activated.connect(self._draw)
        self.histogram.line_dragged.connect(self._on_dragged)
        self.histogram.line_dropped.connect(self._on_cut)

    def show_rule(self, config: PseudoLabelConfig) -> None:
        """Show how pseudo-labels are made, without choosing it again."""
        self._config = config
        widgets = (self.keep, self.keep_abnormal, self.source)
        for widget in widgets:
            widget.blockSignals(True)
        self.keep.setValue(config.keep_percent)
        self.keep_abnormal.setValue(config.keep_of_abnormal)
        self.source.setCurrentIndex(list(PseudoLabelSource).index(config.source))
        for widget in widgets:
            widget.blockSignals(False)

    def show_state(self, state: CurationState) -> None:
        """Draw the ratings, the cuts and the counts."""
        self._state = state
        self._ranked = np.sort(state.view.log_odds)
        low, high = np.percentile(self._ranked, _OUTER)
        room = max(0.05 * (high - low), 0.1)
        self._ends = (float(min(low, 0) - room), float(max(high, 0) + room))
        self._draw()

    @Slot()
    def _draw(self) -> None:
        if self._state is None:
            return
        c, view = colours(), self._state.view
        cuts = (self._place(view.cut_normal), self._place(view.cut_abnormal))
        if self._axis is Axis.RANK:
            places, limits = self._ranks(self._ranked), (0.0, 100.0)
            name = "rank, % of the unlabeled images"
        else:
            places, limits = np.clip(self._ranked, *self._ends), self._ends
            name = "log-odds of abnormal"
        self.histogram.show_bands(places, *cuts, limits)
        self.histogram.name_values(name)
        self.histogram.set_lines(list(cuts), [c.normal, c.abnormal])
        self.bands.setText(
            f"By {view.source.label}: <span style='color:{c.normal}'>■ pseudo-normal</span> · "
            f"■ unused · <span style='color:{c.abnormal}'>■ pseudo-abnormal</span>. Drag a cut."
        )
        self.counts.setText(self._state.counts_html(c.normal, c.abnormal))
        self.worth.setText(self._state.worth)
        self.worth.setVisible(bool(self._state.worth))

    @property
    def _axis(self) -> Axis:
        return Axis(self.axis.currentText())

    def _place(self, log_odds: float) -> float:
        """Where a rating lies on the axis; beyond its ends is at its ends."""
        if self._axis is Axis.RANK:
            return float(self._ranks(np.array([log_odds]))[0])
        return float(np.clip(log_odds, *self._ends))

    def _ranks(self, log_odds: Doubles) -> Doubles:
        """Percent of the images below ratings (n,), equal ones in the middle."""
        return 100 * share_below(log_odds, self._ranked)

    def _rating(self, place: float) -> float:
        """The rating at a place of the axis; its ends mean everything beyond."""
        if self._axis is Axis.RANK:
            number = round(place / 100 * (len(self._ranked) - 1)) if len(self._ranked) else 0
            if not 0 <= number < len(self._ranked):
                return float(np.copysign(np.inf, number))
            return float(self._ranked[number])
        if place <= self._ends[0] or place >= self._ends[1]:
            return float(np.copysign(np.inf, place - np.mean(self._ends)))
        return place

    def _cuts(self, number: int, place: float) -> tuple[float, float]:
        """Both cuts where one is dragged to a place; the other stays."""
        view = self._state.view if self._state is not None else None
        cuts = [view.cut_normal, view.cut_abnormal] if view is not None else [0.0, 0.0]
        cuts[number] = self._rating(place)
        return cuts[0], cuts[1]

    def _source_row(self) -> QHBoxLayout:
        short = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.source.setSizeAdjustPolicy(short)
        self.source.setMinimumContentsLength(10)
        self.source.addItems([source.label for source in PseudoLabelSource])
        named(
            self.source,
            "sourceCombo",
            "What rates the unlabeled images",
            "What the ratings are; the paper: stage 1's classifier",
        )
        self.axis.addItems([str(axis) for axis in Axis])
        named(
            self.axis,
            "axisCombo",
            "What the ratings are drawn over",
            "Log-odds of abnormal, or the rank among the unlabeled images",
        )
        return row_of(QLabel("Rated by"), (self.source, 1), self.axis)

    def _keep_row(self) -> QHBoxLayout:
        row = row_of(QLabel("Top"))
        for spin, name, text in (
            (self.keep, "kSpinBox", "normal"),
            (self.keep_abnormal, "kAbnormalSpinBox", "abnormal"),
        ):
            named(
                spin,
                name,
                f"Keep the top K percent of {text}",
                f"K: share of predicted {text} images that count as reliable (paper: 50)",
            )
            spin.setRange(1, 100)
            spin.setDecimals(0)
            spin.setValue(_PAPER_KEEP)
            spin.setSuffix(" %")
            spin.setMaximumWidth(66)
            fill(row, spin, QLabel(text))
        reset = named(
            QPushButton("50"), label="K = 50 for both classes", tip="The paper's K for both classes"
        )
        reset.clicked.connect(self._on_reset)
        fill(row, 0, reset)
        return row

    @Slot()
    def _on_rule(self) -> None:
        source = list(PseudoLabelSource)[self.source.currentIndex()]
        self.rule_chosen.emit(source, self.keep.value(), self.keep_abnormal.value())

    @Slot()
    def _on_reset(self) -> None:
        self.keep.setValue(_PAPER_KEEP)
        self.keep_abnormal.setValue(_PAPER_KEEP)

    @Slot(int, float)
    def _on_dragged(self, number: int, place: float) -> None:
        """The counts follow the cut; nothing is chosen before it is let go."""
        if self._state is not None:
            c = colours()
            self.counts.setText(
                self._state.counts_html(c.normal, c.abnormal, self._cuts(number, place))
            )

    @Slot(int, float)
    def _on_cut(self, number: int, place: float) -> None:
        if self._state is None:
            return
        share = keep_percent_for_cut(
            self._state.view.log_odds,
            self._cuts(number, place)[number],
            abnormal=number == 1,
            rule=self._config.rule,
        )
        spin = self.keep_abnormal if number == 1 else self.keep
        if round(share) == spin.value():
            self._draw()  # put the line back to where this K has it
        else:
            spin.setValue(round(share))
