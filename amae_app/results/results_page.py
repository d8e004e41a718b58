"""Workspace 4: list, image and judgement of a score run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QStackedWidget, QTabWidget, QWidget

from amae_app.image_loader import ImageLoader
from amae_app.results.evaluation_acts import EvaluationActs
from amae_app.results.export_acts import ExportActs
from amae_app.results.image_review import ImageReview
from amae_app.results.list_panel import ListPanel
from amae_app.results.region_reading import RegionReading
from amae_app.results.review_state import Listed, ReviewState, lead_text, read_review_state
from amae_app.results.reviewed_image import ReviewedImage, read_reviewed_image
from amae_app.results.roc_panel import RocPanel
from amae_app.results.saved_results_view import SavedResultsView
from amae_app.widgets.building import column_of
from amae_app.widgets.empty_state import EmptyState
from amae_app.widgets.page_keys import PageKeys
from amae_app.widgets.panes import Pane, Panes
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_engine.config import ScoreKind
from amae_engine.errors import AmaeError
from amae_engine.evaluation.operating_rules import RuleChoice
from amae_engine.events import Changed
from amae_engine.jobs.evaluation.operating_points import ChosenPoint

_MADE_AT_ONCE = 32  # maps, where they are made when asked for
_TRUTHS = {0: "truth: normal", 1: "truth: abnormal", -1: "truth unknown"}


class ResultsPage(Workspace):
    """Reads images and maps off the event thread; late answers are dropped."""

    waits_for = Changed.DECISIONS  # which can only change the score in the lead

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._state: ReviewState | None = None
        self._run = 0
        self._thresholds: dict[ScoreKind, float] = {}
        self._bar = (-float("inf"), float("inf"))
        self._left: SavedResultsView | None = None
        self._marked: dict[Listed, frozenset[int]] = {}
        self.list = ListPanel(context.thumbnails)
        self.run_combo, self.score_combo = self.list.run_combo, self.list.score_combo
        self.listed_combo, self.split_combo = self.list.listed_combo, self.list.split_combo
        self.model, self.table = self.list.model, self.list.table
        self.review = ImageReview()
        self.loader = ImageLoader(context, self.review.viewer, "results")
        self.panel = RocPanel()
        self.acts = EvaluationActs(context, self)
        self.exports = ExportActs(context, self)
        self.empty = EmptyState(
            "Reading the newest scores…", "emptyResults", "Go to Train", "Where stage 2 is started"
        )
        self._stack = QStackedWidget()
        mouse = "left drag window/level · wheel zoom · middle drag pan · ↑ ↓ images"
        self.keys = PageKeys(self, "results", context.settings, mouse)
        self._add_keys()
        self.regions = RegionReading(context, self.review, self.keys, self)
        self.side = QTabWidget()
        self._lay_out()
        self._connect()
        self.setFocusProxy(self.table)

    def refresh(self, changed: Changed) -> None:
        """Read the run again after scores, truth, or decisions that can change the lead."""
        if changed & (Changed.SCORES | Changed.IMAGES | Changed.DECISIONS):
            self._read()

    def view(self) -> dict[str, str]:
        """How the page is left, for the next start."""
        self.flush()
        if self._state is None or self.kind not in self._thresholds:
            return {}
        threshold, listed = self._thresholds[self.kind], self.listed_combo.currentText()
        image = self.regions.image_id
        return SavedResultsView(self._state.run_id, self.kind, threshold, listed, image).texts()

    def flush(self) -> None:
        """Hand over a note that is not written yet."""
        self.regions.panel.flush_notes()

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Show it again as it was left, once the run is read."""
        self._left = SavedResultsView.of(view)

    def badge_text(self) -> str:
        """The AUC that the page shows."""
        judged = self._state.judged(self.kind) if self._state else None
        return f"AUC {judged.auc.value:.3f}" if judged else ""

    @property
    def kind(self) -> ScoreKind:
        """The score that is shown."""
        return ScoreKind(self.score_combo.currentData() or ScoreKind.DISCREPANCY)

    def _add_keys(self) -> None:
        self.keys.add("next", "next image", "Space", self._next)
        self.review.add_keys(self.keys)

    def _next(self) -> None:
        self.table.select(min(self.table.currentIndex().row() + 1, self.model.rowCount() - 1))

    def _lay_out(self) -> None:
        self.side.setObjectName("resultsTabs")
        self.side.addTab(self.panel, "Judgement")
        self.side.addTab(self.regions.panel, "Regions")
        panes = (
            Pane(self.list, "Images", 230, 300, fold=2),
            Pane(self.review, "Image", 430, 640, stretch=3),
            Pane(self.side, "Judgement and regions", 330, 370, stretch=1, fold=1),
        )
        work = Panes(panes, "results", self._context.settings)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(work)
        column_of(self._stack, into=self, margins=10)

    def _connect(self) -> None:
        self.empty.pressed.connect(self._on_go)
        self.review.maps_wanted.connect(self._on_maps_wanted)
        self._context.navigator.run_wanted.connect(self._show_run)
        self.run_combo.activated.connect(self._on_run)
        self.score_combo.activated.connect(self._show_score)
        self.listed_combo.currentTextChanged.connect(self._on_listed)
        self.table.selectionModel().currentRowChanged.connect(self._on_current)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.panel.point_picked.connect(self._on_picked)
        operating = self.panel.operating
        operating.listed_chosen.connect(self._on_cell)
        operating.bar_chosen.connect(self._on_bar)
        operating.choice_wanted.connect(self._on_choose)
        operating.lock_wanted.connect(self._on_lock)
        operating.seal_wanted.connect(self.acts.seal)
        self.acts.chosen.connect(self._on_chosen)
        self.acts.grouped.connect(self.panel.show_subgroups)
        self.split_combo.activated.connect(self._on_split)
        self.list.export_button.clicked.connect(self._on_export)
        self.regions.marked_changed.connect(self._on_marked)
        self.loader.shown.connect(self.review.redraw_map)
        self.review.viewer.relink_wanted.connect(self._context.navigator.relink_wanted)

    def _read(self) -> None:
        project, run, reader = self._context.project, self._run, self._context.reader
        validation = self.split_combo.currentIndex() == 1
        self._context.runner.run(
            "results",
            lambda: read_review_state(project, run, reader, validation),
            self._show,
            self._show_error,
        )

    def _show_error(self, error: AmaeError) -> None:
        self._state = None
        self.empty.say(str(error))
        self._stack.setCurrentIndex(0)

    def _show(self, state: ReviewState) -> None:
        before = self._state
        is_new_run = (
            before is None
            or (before.run_id, before.starts) != (state.run_id, state.starts)
            or before.shows_validation != state.shows_validation
        )
        if text := lead_text(before, state):
            self._context.announcer.notify(text)
        self._state = state
        self._stack.setCurrentIndex(1)
        self.list.show_choices(state, state.first if is_new_run else self.kind)
        if is_new_run:
            self._thresholds = {}
        left, self._left = self._left, None
        if left is not None and left.run == state.run_id and left.score in state.values:
            self._thresholds[left.score] = left.threshold
            self.score_combo.setCurrentIndex(self.score_combo.findData(str(left.score)))
            self.listed_combo.setCurrentText(left.listed)
        self._show_score()
        if left is not None and left.run == state.run_id:
            self.return_to(left.image)
        self.regions.read_marked()

    @Slot()
    def _show_score(self) -> None:
        if self._state is None:
            return
        kind = self.kind
        if kind not in self._thresholds:
            self._thresholds[kind] = self._state.starts[kind].threshold
        self.panel.show_state(self._state, kind, self._thresholds[kind])
        self.panel.show_subgroups(None)
        self.acts.group(self._state.evaluation, kind)
        self._list(keep=True)
        self.badge_changed.emit()

    @Slot()
    def _on_listed(self) -> None:
        self._list(keep=False)

    def _list(self, keep: bool) -> None:
        if self._state is None or self.kind not in self._thresholds:
            return
        before = self.model.place(self.table.currentIndex().row())
        listed, threshold = self.list.listed, self._thresholds[self.kind]
        among = self._marked.get(listed, frozenset())
        places = self._state.listed(self.kind, threshold, listed, self._bar, among)
        self.model.show_places(self._state, self.kind, places)
        self.list.count.setText(f"{len(places)} of {len(self._state.image_ids)}")
        if len(places):
            row = self.model.row_of(before) if keep and before is not None else None
            self.table.select(row or 0)
        else:
            self.loader.show(None, [])
            self.review.show_image(None)
            self.regions.show_image(0, 0, None)

    @Slot()
    def _on_current(self) -> None:
        place = self.model.place(self.table.currentIndex().row())
        if self._state is None or place is None:
            return
        read = partial(read_reviewed_image, self._context.project, self._state, place, self.kind)
        self.loader.show(self._state.ref(place), self._near((1, -1, 2)))
        self._context.runner.run("results-image", read, self._show_image)

    def _near(self, steps: Iterable[int]) -> list[int]:
        """Ids of the images so many rows below the current one."""
        row = self.table.currentIndex().row()
        places = [self.model.place(row + step) for step in steps]
        ids = self._state.image_ids if self._state is not None else ()
        return [int(ids[place]) for place in places if place is not None]

    @Slot()
    def _on_maps_wanted(self) -> None:
        """Make the maps of this image and of those that come after it."""
        if self._state is not None:
            self.acts.make_maps(self._state.run_id, self._near(range(_MADE_AT_ONCE)))

    def _show_image(self, shown: ReviewedImage) -> None:
        self.review.show_image(shown)
        if self._state is not None:
            self.regions.show_image(shown.image_id, self._state.run_id, shown)
        self._show_caption()

    def _show_caption(self) -> None:
        """Truth, and what the current operating point makes of the image."""
        place = self.model.place(self.table.currentIndex().row())
        if self._state is None or place is None or self.kind not in self._thresholds:
            return
        called = self._state.called(place, self.kind, self._thresholds[self.kind])
        self.review.show_caption(f"{_TRUTHS[int(self._state.truth[place])]} · {called}")

    @Slot(float)
    def _on_threshold(self, value: float) -> None:
        self._thresholds[self.kind] = value
        self.panel.show_threshold(value)
        self._show_caption()
        if self.list.listed is not Listed.ALL:
            self._list(keep=True)

    @Slot(object, object)
    def _on_marked(self, with_regions: frozenset[int], with_notes: frozenset[int]) -> None:
        self._marked = {Listed.REGIONS: with_regions, Listed.NOTES: with_notes}
        if self.list.listed in self._marked:
            self._list(keep=True)

    @Slot(int)
    def return_to(self, image_id: int) -> None:
        """Go to an image, all of them listed where it is not."""
        if self._state is None:
            return
        places = (self._state.image_ids == image_id).nonzero()[0]
        if not len(places):
            return
        if self.model.row_of(int(places[0])) is None:
            self.listed_combo.setCurrentText(str(Listed.ALL))
        row = self.model.row_of(int(places[0]))
        if row is not None:
            self.table.select(row)

    @Slot(object)
    def _on_cell(self, listed: Listed) -> None:
        self.listed_combo.setCurrentText(str(listed))

    @Slot(float)
    def _on_picked(self, value: float) -> None:
        """A point of a curve: the images around it; a locked point stays where it is."""
        if self.panel.operating.is_locked:
            self.panel.show_threshold(self._thresholds[self.kind])
        else:
            self._on_threshold(value)
            self.listed_combo.setCurrentText(str(Listed.AROUND))

    @Slot(float, float)
    def _on_bar(self, low: float, high: float) -> None:
        self._bar = (low, high)
        self.listed_combo.setCurrentText(str(Listed.BAR))
        self._list(keep=False)

    @Slot(object)
    def _on_choose(self, choice: RuleChoice) -> None:
        if self._state is not None:
            self.acts.choose(self._state.run_id, self.kind, choice)

    @Slot(object)
    def _on_chosen(self, point: ChosenPoint) -> None:
        if self._state and (point.run_id, point.kind) == (self._state.run_id, self.kind):
            self._on_threshold(point.threshold)
            self.panel.operating.show_choice(point)

    @Slot(object)
    def _on_lock(self, choice: RuleChoice) -> None:
        if self._state is not None:
            self.acts.ask_lock(self._state.run_id, self.kind, choice)

    @Slot()
    def _on_split(self) -> None:
        self._thresholds = {}
        self._read()

    @Slot(int)
    def _show_run(self, run: int) -> None:
        self._run = run
        self._read()
        self._context.navigator.page_wanted.emit("results")

    @Slot()
    def _on_run(self) -> None:
        self._run = int(self.run_combo.currentData() or 0)
        self._read()

    @Slot()
    def _on_export(self) -> None:
        if self._state is None:
            return
        rows = (self.model.place(row) for row in range(self.model.rowCount()))
        listed = tuple(int(self._state.image_ids[place]) for place in rows if place is not None)
        self.exports.ask(self._state.run_id, listed, self.regions.image_id)

    @Slot()
    def _on_go(self) -> None:
        self._context.navigator.page_wanted.emit("train")
