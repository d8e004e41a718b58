"""The four cards of the pipeline, each with its state and one button."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from amae_app.theme import card, heading, quiet, restyle
from amae_app.training.card import Card, CardState
from amae_app.training.pipeline_state import PipelineState
from amae_app.training.shortcut_panel import ShortcutPanel
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_engine.events import EpochEnd
from amae_engine.jobs.planning.resource_estimate import ResourceEstimate

_GOOD = (CardState.DONE, CardState.READY)


class StepCard(QFrame):
    """One step: heading, state, facts, reason, button; Resume where a run is unfinished."""

    pressed = Signal()
    resumed = Signal(int)

    def __init__(self, title: str, button: str, name: str, explanation: str) -> None:
        super().__init__()
        self._resumable = 0
        self._text = button
        frame, layout = card()
        self.state = QLabel()
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        self.reason = quiet()
        self.button = named(QPushButton(button), name, f"{title}: {button}", explanation)
        self.resume_button = named(
            QPushButton("Resume"),
            name.replace("Button", "ResumeButton"),
            tip="Go on with the unfinished run from its last whole epoch",
        )
        top = QHBoxLayout()
        heading_label = heading(title)
        heading_label.setWordWrap(True)
        fill(top, (heading_label, 1), self.state)
        buttons = row_of((self.resume_button, 1), (self.button, 1))
        fill(layout, top, self.facts, self.reason, buttons)
        column_of(frame, into=self, margins=0)
        self.button.clicked.connect(self.pressed)
        self.resume_button.clicked.connect(self._on_resume)

    def show_card(self, shown: Card, is_next: bool, is_idle: bool) -> None:
        """Show a step's state; `is_next` makes its button the primary one."""
        self.state.setText(str(shown.state))
        restyle(self.state, "state", "good" if shown.state in _GOOD else "warning")
        self.facts.setText(shown.facts)
        self.reason.setText(shown.reason)
        self.reason.setVisible(bool(shown.reason))
        self._resumable = shown.resumable or 0
        self.resume_button.setVisible(bool(self._resumable) and is_idle)
        self.resume_button.setText(f"Resume run {self._resumable}")
        # an unfinished run is resumed, unless the reader wants a new one
        goes_on = shown.state is CardState.UNFINISHED
        anew = "Start anew" if goes_on else self._text
        scores = "Score without stage 2" if shown.without_stage2 else "Score the test images"
        self.button.setText(scores if shown.only_score else anew)
        self.button.setEnabled(is_idle and shown.can_start)
        restyle(self.button, "primary", is_next and not goes_on)
        restyle(self.resume_button, "primary", is_next and goes_on)

    def _on_resume(self) -> None:
        self.resumed.emit(self._resumable)


class PipelineCards(QWidget):
    """Starting weights → stage 1 → pseudo-labels → stage 2, and the checks."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.weights = StepCard(
            "0 · Starting weights",
            "Pre-train on my images",
            "startPretrainButton",
            "Masked pre-training on this project's normal and unlabeled images",
        )
        self.stage1 = StepCard(
            "1 · Synthetic-anomaly classifier",
            "Start stage 1",
            "startStage1Button",
            "Train the classifier on AnatPaste anomalies (Eq. 1, 2)",
        )
        self.pseudo = StepCard(
            "Pseudo-labels",
            "Review pseudo-labels",
            "reviewLabelsButton",
            "Look at what stage 1 believes about the unlabeled images",
        )
        self.stage2 = StepCard(
            "2 · Inter-discrepancy adaptation",
            "Start stage 2",
            "startStage2Button",
            "Adapt modules A and B (Eq. 3), then score the test images (Eq. 4)",
        )
        self.results_button = named(
            QPushButton("See the results"),
            "seeResultsButton",
            tip="Test images with their maps, ROC and scores",
        )
        self.checks = named(QLabel(), "checksLabel")
        self.checks.setWordWrap(True)
        self.needs = named(QLabel(), "needsLabel")
        self.needs.setWordWrap(True)
        self.shortcuts = ShortcutPanel()
        self.queue = quiet()
        layout = column_of(into=self, margins=0, spacing=8)
        for step in (self.weights, self.stage1, self.pseudo, self.stage2):
            layout.addWidget(step)
        frame, inside = card("Before you start")
        fill(inside, self.checks, self.needs, self.shortcuts, self.queue, self.results_button, 0)
        layout.addWidget(frame, 1)

    def show_state(
        self,
        state: PipelineState,
        running: str,
        is_paused: bool,
        busy_with: str,
        waiting: tuple[str, ...],
    ) -> None:
        """Show every card.

        Args:
            state: Of the pipeline.
            running: This project's running job, "" for none.
            is_paused: Whether it is paused.
            busy_with: Another project's running job; what is started now waits for its end.
            waiting: This project's jobs that wait.
        """
        is_idle = not running and not waiting
        self.weights.show_card(state.weights, False, is_idle)
        self.stage1.show_card(state.stage1, state.next_step == "stage1", is_idle)
        self.pseudo.show_card(state.pseudo, False, state.pseudo.state is not CardState.WAITING)
        self.stage2.show_card(state.stage2, state.next_step == "stage2", is_idle)
        self.checks.setText("\n".join(f"{'✓' if good else '!'} {t}" for good, t in state.checks))
        if is_paused:
            for step in (self.weights, self.stage1, self.stage2):
                if step.state.text() == CardState.RUNNING:
                    step.state.setText("paused")
        texts = [f"{'Paused' if is_paused else 'Running'}: {running}"] if running else []
        if busy_with:
            texts.append(f"The machine is busy with {busy_with}; what you start now waits for it.")
        texts += [f"Waiting: {title}" for title in waiting]
        self.queue.setText("\n".join(texts))
        self.queue.setVisible(bool(texts))
        self.results_button.setVisible(state.next_step == "results")
        restyle(self.results_button, "primary", True)

    def show_needs(self, needs: tuple[ResourceEstimate, ...]) -> None:
        """Say what the next steps need and what is free."""
        self.needs.setText("\n".join(f"{'✓' if n.are_met else '!'} {n.text}" for n in needs))
        self.needs.setVisible(bool(needs))

    def forbid(self, why: str) -> None:
        """Let nothing be started, and say why."""
        for step in (self.weights, self.stage1, self.stage2):
            for button in (step.button, step.resume_button):
                button.setEnabled(False)
                button.setToolTip(why)

    def show_epoch(self, event: EpochEnd) -> None:
        """Say how far the running step is, without reading anything again."""
        step = {"Stage 1": self.stage1, "Stage 2": self.stage2, "Starting weights": self.weights}
        shown = step.get(event.step.split(" · ")[0])
        if shown is not None:
            module = f"module {event.module} · " if event.module else ""
            shown.facts.setText(
                f"run {event.run_id} · {module}epoch {event.epoch} of {event.epochs}"
            )
