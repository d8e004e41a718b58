"""How good the labels are, what the decisions did to stage 2, and the newest of them."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from amae_app.pseudo_labels.curation_state import CurationState
from amae_app.theme import card, quiet


class ReviewPanel(QWidget):
    """Two tabs: this review, and the history.

    Signals:
        retrain_wanted(effect), undo_wanted(), redo_wanted(), history_wanted(): by their buttons.
    """

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
        self.history = quiet()
        self.retrain = QPushButton("Retrain module B")
        self.retrain.setObjectName("retrainButton")
        self.retrain.setToolTip("Stage 2 again, on the labels as they stand")
        self.retrain.clicked.connect(self._on_retrain)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("This review, and the newest decisions")
        review, layout = QWidget(), QVBoxLayout()
        review.setLayout(layout)
        for widget in (self.purity, self.truth, self.effect, self.retrain):
            layout.addWidget(widget)
        layout.addStretch()
        self.tabs.addTab(review, "This review")
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
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch()
        layout.addLayout(buttons)
        self.tabs.addTab(newest, "History")
        frame, outer = card()
        outer.addWidget(self.tabs)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(frame)

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

    @Slot()
    def _on_retrain(self) -> None:
        if self._state is not None:
            self.retrain.setEnabled(False)
            self.retrain_wanted.emit(self._state.effect)
