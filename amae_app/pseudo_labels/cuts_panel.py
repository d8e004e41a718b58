"""What rates the unlabeled images, both cuts, and what the modules get by them."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from amae_app.pseudo_labels.curation_state import CurationState, keep_percent_for_cut
from amae_app.theme import card, colours
from amae_app.widgets.score_histogram import Histogram
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource

_PAPER_KEEP = 50


class CutsPanel(QWidget):
    """Histogram with draggable cuts, source and K.

    Signals:
        rule_chosen(source, keep_percent): the reader wants other pseudo-labels.
    """

    rule_chosen = Signal(object, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: CurationState | None = None
        self.histogram = Histogram("P(abnormal)")
        self.keep = QDoubleSpinBox()
        self.source = QComboBox()
        self.counts = QLabel()
        frame, layout = card("Confidence and cuts")
        self.histogram.setObjectName("confidenceHistogram")
        self.histogram.setMinimumHeight(170)
        self.counts.setObjectName("labelCounts")
        self.counts.setWordWrap(True)
        layout.addWidget(self.histogram, 1)
        layout.addWidget(self.counts)
        layout.addLayout(self._source_row())
        layout.addLayout(self._keep_row())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.keep.valueChanged.connect(self._on_rule)
        self.source.activated.connect(self._on_rule)
        self.histogram.line_dropped.connect(self._on_cut)

    def show_rule(self, config: PseudoLabelConfig) -> None:
        """Show how pseudo-labels are made, without choosing it anew."""
        for widget in (self.keep, self.source):
            widget.blockSignals(True)
        self.keep.setValue(config.keep_percent)
        self.source.setCurrentIndex(list(PseudoLabelSource).index(config.source))
        for widget in (self.keep, self.source):
            widget.blockSignals(False)

    def show_state(self, state: CurationState) -> None:
        """Draw the ratings, the cuts and the counts."""
        self._state = state
        c, view = colours(), state.view
        cuts = view.cut_probabilities
        self.histogram.show_bands(view.probability, *cuts)
        self.histogram.name_values(f"P(abnormal) by {view.source.label}")
        self.histogram.set_lines(list(cuts), [c.normal, c.abnormal])
        self.counts.setText(state.counts_html(c.normal, c.abnormal))

    def _source_row(self) -> QHBoxLayout:
        self.source.addItems([source.label for source in PseudoLabelSource])
        self.source.setObjectName("sourceCombo")
        self.source.setAccessibleName("What rates the unlabeled images")
        self.source.setToolTip("What P(abnormal) is taken from; the paper: stage 1's classifier")
        row = QHBoxLayout()
        row.addWidget(QLabel("Rated by"))
        row.addWidget(self.source, 1)
        return row

    def _keep_row(self) -> QHBoxLayout:
        self.keep.setObjectName("kSpinBox")
        self.keep.setAccessibleName("Keep the top K percent")
        self.keep.setToolTip("K: share of each predicted class that counts as reliable (paper: 50)")
        self.keep.setRange(1, 100)
        self.keep.setDecimals(0)
        self.keep.setValue(_PAPER_KEEP)
        self.keep.setSuffix(" %")
        reset = QPushButton("K = 50")
        reset.setToolTip("The paper's value")
        reset.clicked.connect(self._on_reset)
        row = QHBoxLayout()
        row.addWidget(QLabel("Keep the top"))
        row.addWidget(self.keep)
        row.addWidget(QLabel("of each class"), 1)
        row.addWidget(reset)
        return row

    @Slot()
    def _on_rule(self) -> None:
        source = list(PseudoLabelSource)[self.source.currentIndex()]
        self.rule_chosen.emit(source, float(self.keep.value()))

    @Slot()
    def _on_reset(self) -> None:
        self.keep.setValue(_PAPER_KEEP)

    @Slot(int, float)
    def _on_cut(self, number: int, value: float) -> None:
        if self._state is None:
            return
        share = keep_percent_for_cut(self._state.view.probability, value, abnormal=number == 1)
        if round(share) == self.keep.value():
            self.show_state(self._state)  # put the line back to where this K has it
        else:
            self.keep.setValue(round(share))
