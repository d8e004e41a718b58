"""Workspace 2: the pipeline, its settings, and what training does now."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QComboBox, QScrollArea, QWidget

from amae_app.palette import Entry
from amae_app.training.live_plots import LivePlots
from amae_app.training.pipeline_cards import PipelineCards
from amae_app.training.pipeline_state import PipelineState, read_pipeline_state
from amae_app.training.settings_panel import SHOWN, SettingsPanel
from amae_app.training.shortcut_panel import check_some
from amae_app.widgets.building import column_of
from amae_app.widgets.panes import Pane, Panes
from amae_app.window_context import WindowContext
from amae_app.words import reading_only
from amae_app.workspace import Workspace
from amae_engine.catalog.job_queue import NewJob
from amae_engine.config import PseudoLabelConfig, ScoreConfig
from amae_engine.events import Changed, EpochEnd, Event, Preview
from amae_engine.jobs.planning.resource_estimate import (
    ResourceEstimate,
    estimate_scoring_resources,
    estimate_stage1_resources,
    estimate_stage2_resources,
)
from amae_engine.runs.record import read_metrics

Job = Generator[Event, None, object]


class TrainingPage(Workspace):
    """Starts training in child processes and draws its events."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._state: PipelineState | None = None
        self._checked: tuple[object, ...] = ()  # what the shortcut check was made of
        self.cards = PipelineCards()
        self.plots = LivePlots()
        self.settings = SettingsPanel(*context.first_settings)
        left = QScrollArea()
        left.setWidgetResizable(True)
        left.setWidget(self.cards)
        left.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        panes = (
            Pane(left, "Steps", 310, 330),
            Pane(self.plots, "Training now", 330, 500, stretch=1),
            Pane(self.settings, "Settings of the next run", 340, 350, fold=1),
        )
        layout = column_of(into=self, margins=10)
        self._panes = Panes(panes, "train", context.settings)
        layout.addWidget(self._panes)
        self.cards.shortcuts.check_wanted.connect(self._check_shortcuts)
        self.cards.weights.pressed.connect(self.start_pretrain)
        self.cards.stage1.pressed.connect(self.start_stage1)
        self.cards.pseudo.pressed.connect(self._on_review)
        self.cards.stage2.pressed.connect(self.start_stage2)
        self.cards.results_button.clicked.connect(self._on_results)
        self.cards.weights.resumed.connect(self._on_resume_pretrain)
        self.cards.stage1.resumed.connect(self._on_resume_stage1)
        self.cards.stage2.resumed.connect(self._on_resume_stage2)
        self.settings.labels_chosen.connect(self._on_labels)
        self.plots.behind_wanted.connect(self._read_behind)
        self.settings.network_chosen.connect(self._read_needs)
        context.queue.event_came.connect(self._on_event)
        context.queue.changed.connect(self._show_queue)
        context.queue.ended.connect(self._read)

    def refresh(self, changed: Changed) -> None:
        """Judge the pipeline again."""
        if changed:
            self._read()

    def palette_entries(self) -> list[Entry]:
        """The settings of the next run."""
        rows = {row.label: row for row in SHOWN}.values()
        return [
            Entry("setting", f"{row.label}: {row.why}", partial(self._go_to, row.label))
            for row in rows
        ]

    def _go_to(self, setting: str) -> None:
        self._context.navigator.page_wanted.emit("train")
        self.show_part(setting)

    def show_part(self, name: str) -> None:
        """Go to a setting of the next run."""
        self._panes.open(2)
        field = self.settings.fields[name]
        field.setFocus()
        if not isinstance(field, QComboBox):
            field.selectAll()

    def badge_text(self) -> str:
        """What runs, or the next step."""
        if self._context.queue.running:
            return self._context.queue.running.lower()
        if self._state is None:
            return ""
        then = "scoring" if self._state.stage2.only_score else "stage 2"
        names = {"import": "needs images", "stage1": "next: stage 1", "stage2": f"next: {then}"}
        return names.get(self._state.next_step, "done")

    @Slot(object)
    def _on_labels(self, config: PseudoLabelConfig) -> None:
        self._context.labels = config

    @Slot()
    def start_stage1(self) -> None:
        """Queue stage 1 with the settings shown."""
        config = self.cards.shortcuts.settings_of(self.settings.stage1())
        self._context.queue.add(NewJob("Stage 1", "stage1", config.to_dict()))

    @Slot()
    def start_stage2(self) -> None:
        """Queue stage 2, and scoring after it, with the settings shown."""
        card = self._state.stage2 if self._state is not None else None
        if card is not None and card.only_score:
            score = self.settings.score().replace(without_stage2=card.without_stage2)
            begun = card.begun_score
            above = "stage1_run" if card.without_stage2 else "stage2_run"
            wanted = score if begun is None else score.replace(**{above: begun.parent_id})
            if begun is not None and ScoreConfig.from_dict(begun.config) != wanted:
                begun = None  # the reader wants other settings than it has
            run = None if begun is None else begun.id
            self._context.queue.add(NewJob("Scoring", "score", score.to_dict(), run_id=run))
            return
        self._context.queue.add(
            NewJob("Stage 2", "stage2", self.settings.stage2().to_dict()), self._scoring()
        )

    def _scoring(self) -> NewJob:
        return NewJob("Scoring", "score", self.settings.score().to_dict())

    @Slot()
    def start_pretrain(self) -> None:
        """Queue pre-training with the settings shown."""
        config = self.settings.pretrain()
        self._context.queue.add(NewJob("Pre-training", "pretrain", config.to_dict()))

    # a resumed run has its own settings: those shown are for the next one

    @Slot(int)
    def _on_resume_pretrain(self, run_id: int) -> None:
        self._context.queue.add(NewJob("Pre-training", "pretrain", {}, run_id=run_id))

    @Slot(int)
    def _on_resume_stage1(self, run_id: int) -> None:
        self._context.queue.add(NewJob("Stage 1", "stage1", {}, run_id=run_id))

    @Slot(int)
    def _on_resume_stage2(self, run_id: int) -> None:
        self._context.queue.add(NewJob("Stage 2", "stage2", {}, run_id=run_id), self._scoring())

    @Slot()
    def _on_review(self) -> None:
        self._context.navigator.page_wanted.emit("pseudoLabels")

    @Slot()
    def _on_results(self) -> None:
        self._context.navigator.page_wanted.emit("results")

    @Slot()
    def _read(self) -> None:
        project, labels = self._context.project, self._context.labels
        self.settings.show_labels(labels)
        self._context.runner.run(
            "pipeline", lambda: read_pipeline_state(project, labels), self._show
        )

    def _show(self, state: PipelineState) -> None:
        self._state = state
        self.settings.weights.offer(state.pretrain_runs)
        if not self._context.queue.running and self.plots.is_empty:
            self.plots.add_epochs(state.last_epochs)
            for preview in state.last_previews:
                self.plots.show_preview(preview)
        self.plots.offer(state.trained)
        self._show_queue()
        self._check_shortcuts()
        self._read_needs()

    @Slot()
    def _read_needs(self) -> None:
        """Count what the next step needs with the settings shown."""
        project, settings = self._context.project, self.settings
        if self._state is None or self._state.next_step not in ("stage1", "stage2"):
            self.cards.show_needs(())
            return
        first, second, score = settings.stage1(), settings.stage2(), settings.score()
        is_first, card = self._state.next_step == "stage1", self._state.stage2
        score = score.replace(without_stage2=card.without_stage2)

        def needs() -> tuple[ResourceEstimate, ...]:
            if is_first:
                return (estimate_stage1_resources(project, first),)
            before = () if card.only_score else (estimate_stage2_resources(project, second, first),)
            return (*before, estimate_scoring_resources(project, score, first, second))

        # a missing file is reported where the step is started
        self._context.runner.run(
            "needs", needs, self.cards.show_needs, lambda _: self.cards.show_needs(())
        )

    @Slot(int)
    def _read_behind(self, run_id: int) -> None:
        project = self._context.project
        show = self.plots.show_behind
        self._context.runner.run("behind", lambda: read_metrics(project, run_id), show)

    @Slot()
    def _check_shortcuts(self) -> None:
        """Check N against U where other images or another matching are there since the last time."""
        panel = self.cards.shortcuts
        if self._state is None or not self._state.can_compare:
            panel.show_check(None)
            return
        config = panel.settings_of(self.settings.stage1())
        made_of = (self._state.images, config.shortcuts, config.match_by, config.training.seed)
        if made_of == self._checked:
            return
        self._checked = made_of
        project = self._context.project
        self._context.runner.run("shortcuts", lambda: check_some(project, config), panel.show_check)

    @Slot()
    def _show_queue(self) -> None:
        queue = self._context.queue
        if self._state is not None:
            self.cards.show_state(
                self._state,
                queue.running,
                queue.is_paused,
                queue.busy_with,
                tuple(job.title for job in queue.waiting),
            )
        if self._context.project.only_reading:
            self.cards.forbid(reading_only(self._context.project.only_reading))
        self.settings.setEnabled(not queue.running)
        self.badge_changed.emit()

    @Slot(object)
    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochEnd):
            self.plots.add_epoch(event)
            self.cards.show_epoch(event)
        elif isinstance(event, Preview):
            self.plots.show_preview(event)
