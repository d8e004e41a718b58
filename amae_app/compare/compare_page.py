"""Workspace 5: evaluated runs, where they disagree, training curves, experiments."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QTabWidget, QWidget

from amae_app.compare.compare_state import AT_FIRST, CompareState, read_compare_state
from amae_app.compare.disagreement_panel import DisagreementPanel
from amae_app.compare.experiments_panel import ExperimentsPanel
from amae_app.compare.maps_panel import MapsPanel
from amae_app.compare.runs_panel import RunsPanel
from amae_app.compare.training_panel import TrainingPanel
from amae_app.widgets.building import column_of, named
from amae_app.widgets.empty_state import EmptyState
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_engine.events import Changed
from amae_engine.words import plural


class ComparePage(Workspace):
    """Tabs over the project's runs."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._state = CompareState(())
        self._most = AT_FIRST
        self.runs = RunsPanel(context)
        self.disagreement = DisagreementPanel(context)
        self.maps = MapsPanel(context)
        self.training = TrainingPanel(context)
        self.experiments = ExperimentsPanel(context)
        self.table, self.more = self.runs.table, self.runs.more
        self.test, self.settings = self.runs.test, self.runs.settings
        empty = EmptyState(
            "No run is evaluated yet. Train both stages, or queue an experiment in the next tab.",
            "emptyCompare",
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(empty)
        self._stack.addWidget(self.runs)
        self.tabs = named(QTabWidget(), "compareTabs")
        for widget, name in (
            (self._stack, "Runs"),
            (self.disagreement, "Where they disagree"),
            (self.maps, "Maps"),
            (self.training, "Training curves"),
            (self.experiments, "Experiments"),
        ):
            self.tabs.addTab(widget, name)
        column_of(self.tabs, into=self, margins=10)
        self.runs.more_wanted.connect(self._on_more)
        self.runs.selection_changed.connect(self._on_selection)
        self.tabs.currentChanged.connect(self._on_tab)
        self.experiments.run_wanted.connect(context.navigator.run_wanted)
        self.maps.run_wanted.connect(context.navigator.run_wanted)
        self.setFocusProxy(self.table)

    def refresh(self, changed: Changed) -> None:
        """Judge the runs again after scores or truth changed."""
        if changed & (Changed.SCORES | Changed.IMAGES):
            self._read()

    def show_part(self, name: str) -> None:
        """Show the experiments and the stored queue."""
        self.tabs.setCurrentWidget(self.experiments)

    def view(self) -> dict[str, str]:
        """How the page is left, for the next start."""
        return {"compare.tab": str(self.tabs.currentIndex())}

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Show it again as it was left."""
        self.tabs.setCurrentIndex(int(view.get("compare.tab", "0")))

    def badge_text(self) -> str:
        """How many runs can be compared."""
        count = len(self._state.runs)
        return plural(count, "run") if count else ""

    def _read(self) -> None:
        project, most, reader = self._context.project, self._most, self._context.reader
        self._context.runner.run(
            "compare", lambda: read_compare_state(project, most, reader), self._show
        )
        self.experiments.read()

    def _show(self, state: CompareState) -> None:
        self._state = state
        self._stack.setCurrentIndex(1 if state.runs else 0)
        self.runs.show_state(state)
        self.badge_changed.emit()

    @Slot()
    def _on_more(self) -> None:
        self._most += AT_FIRST
        self._read()

    @Slot()
    def _on_selection(self) -> None:
        if self.tabs.currentWidget() is self.disagreement:
            self.disagreement.show_pair(self.runs.chosen, self.runs.score)

    @Slot()
    def _on_tab(self) -> None:
        if self.tabs.currentWidget() is self.disagreement:
            self.disagreement.show_pair(self.runs.chosen, self.runs.score)
        elif self.tabs.currentWidget() is self.maps:
            self.maps.read()
        elif self.tabs.currentWidget() is self.experiments:
            self.experiments.read()
