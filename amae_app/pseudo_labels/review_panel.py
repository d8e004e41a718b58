"""How good the labels and their sources are, what the decisions did, and the newest of them."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from amae_app.pseudo_labels.curation_state import CurationState
from amae_app.theme import card, quiet
from amae_app.widgets.building import column_of, named
from amae_engine.jobs.pseudo_labels.source_quality import SourceQuality
from amae_engine.words import plural


class ReviewPanel(QWidget):
    """Three tabs: this review, the sources of pseudo-labels, and the history.

    Signals:
        sources_wanted(): the sources are looked at, so they should be judged.
        retrain_wanted(effect), undo_wanted(), redo_wanted(), history_wanted(): by their buttons.
    """

    sources_wanted = Signal()
    retrain_wanted = Signal(object)
    undo_wanted = Signal()
    redo_wanted = Signal()
    history_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: CurationState | None = None
        self.purity = quiet()
        self.truth = quiet()
        self.effect = quiet()
        self.sources = named(quiet(), "sourcesLabel")
        self.sources.setTextFormat(Qt.TextFormat.RichText)
        self.sources.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.sources.setContentsMargins(0, 8, 0, 0)
        self.history = quiet()
        self.retrain = named(
            QPushButton("Retrain module B"),
            "retrainButton",
            tip="Stage 2 again, on the current labels",
        )
        self.retrain.clicked.connect(self._on_retrain)
        self.tabs = named(QTabWidget(), label="This review, and the newest decisions")
        review, layout = QWidget(), QVBoxLayout()
        review.setLayout(layout)
        for widget in (self.purity, self.truth, self.effect, self.retrain):
            layout.addWidget(widget)
        layout.addStretch()
        self.tabs.addTab(review, "This review")
        judged = QScrollArea()
        judged.setWidgetResizable(True)
        judged.setWidget(self.sources)
        self.tabs.addTab(judged, "Sources")
        self.tabs.currentChanged.connect(self._on_tab)
        newest, layout = QWidget(), QVBoxLayout()
        newest.setLayout(layout)
        self.history.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.history, 1)
        buttons = QHBoxLayout()
        for text, name, tip, signal in (
            ("Undo", "undoButton", "Undo your last labelling act (Ctrl+Z)", self.undo_wanted),
            ("Redo", "redoButton", "Redo your last labelling act (Ctrl+Y)", self.redo_wanted),
            ("All…", "historyButton", "Every decision, by image and by reader",
             self.history_wanted),
        ):  # fmt: skip
            button = named(QPushButton(text), name, tip=tip)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch()
        layout.addLayout(buttons)
        self.tabs.addTab(newest, "History")
        frame, outer = card()
        outer.addWidget(self.tabs)
        column_of(frame, into=self, margins=0)

    def show_state(self, state: CurationState, shows_truth: bool, is_training: bool) -> None:
        """Show another state.

        Args:
            state: The labels and decisions.
            shows_truth: Whether the reader develops methods and wants the hidden truth.
            is_training: Whether a job runs, so that nothing can be retrained now.
        """
        self._state = state
        self.purity.setText(state.purity_text())
        self.truth.setText(state.truth_text())
        self.truth.setVisible(shows_truth)
        self.effect.setText(state.effect_text())
        self.effect.setVisible(bool(state.effect_text()))
        effect = state.effect
        self.retrain.setVisible(effect.is_out_of_date)
        self.retrain.setEnabled(not is_training)
        self.retrain.setText("Retrain module B only" if effect.b_alone else "Retrain A and B")
        self.retrain.setToolTip(
            "Module A would learn from the same images, so it serves again; scoring follows"
            if effect.b_alone
            else "Module A's images have changed too; scoring follows"
        )
        self.history.setText(state.history_text())
        self._on_tab()

    def show_sources(self, found: list[SourceQuality]) -> None:
        """Show how right each source is, on what readers checked."""
        self.sources.setText("<br>".join(_source_html(each) for each in found))

    @Slot()
    def _on_tab(self) -> None:
        if self.tabs.tabText(self.tabs.currentIndex()) == "Sources":
            self.sources_wanted.emit()

    @Slot()
    def _on_retrain(self) -> None:
        if self._state is not None:
            self.retrain.setEnabled(False)
            self.retrain_wanted.emit(self._state.effect)


def _source_html(quality: SourceQuality) -> str:
    """One source: purity of both sets, AUC, and its probabilities against what readers find."""
    name = f"<b>{escape(quality.source.label)}</b>"
    if quality.missing:
        return f"{name}: {escape(quality.missing)}<br>"
    order = "in random order" if quality.fair else "not in random order, so this may mislead"
    return f"{name}: {' · '.join(quality.said_of_it())}; {plural(quality.images, 'image')} checked, {order}<br>"
