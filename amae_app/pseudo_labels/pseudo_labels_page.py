"""Workspace 3: cuts, gallery, large view, decisions; a second reader's blind reading."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QStackedWidget,
    QWidget,
)

from amae_app.image_loader import ImageLoader
from amae_app.pseudo_labels.blind_panel import BlindPanel
from amae_app.pseudo_labels.curation_actions import CurationActions
from amae_app.pseudo_labels.curation_state import CurationReader, CurationState
from amae_app.pseudo_labels.cuts_panel import CutsPanel
from amae_app.pseudo_labels.disputes import Disputes
from amae_app.pseudo_labels.gallery import Tile
from amae_app.pseudo_labels.gallery_panel import GalleryPanel
from amae_app.pseudo_labels.label_buttons import LabelButtons
from amae_app.pseudo_labels.more_button import more_button
from amae_app.pseudo_labels.reading_dialogs import ReadingDialogs
from amae_app.pseudo_labels.review_panel import ReviewPanel
from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, fill
from amae_app.widgets.empty_state import EmptyState
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.widgets.page_keys import PageKeys
from amae_app.widgets.panes import Pane, Panes
from amae_app.window_context import WindowContext
from amae_app.workspace import Workspace
from amae_engine.catalog import decisions
from amae_engine.catalog.blind_readings import BlindItem
from amae_engine.catalog.tables import Label
from amae_engine.config import PseudoLabelSource
from amae_engine.errors import AmaeError
from amae_engine.events import Changed
from amae_engine.jobs.pseudo_labels.source_quality import source_qualities

_DECIDED = {0: Label.NORMAL, 1: Label.ABNORMAL, -2: Label.EXCLUDE}  # of a tile that is decided
Answer = tuple[CurationState, list[BlindItem] | None]


class PseudoLabelsPage(Workspace):
    """Every act is in the catalog when it is visible."""

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self._reader = CurationReader(context.project)
        self._state: CurationState | None = None
        self._blind: int | None = None
        self._is_other_list = True  # than the one on screen; until it is shown
        self.cuts = CutsPanel()
        self.review = ReviewPanel()
        self.blind = BlindPanel()
        self.viewer = ImageViewer("The image in focus")
        self.large = self.viewer.view
        self.loader = ImageLoader(context, self.viewer, "pseudo-labels")
        self.image_name = heading("")
        self.image_facts = quiet()
        self.labels = LabelButtons()
        self.acts = CurationActions(context, self)
        self.dialogs = ReadingDialogs(context, self.acts, self)
        self.disputes = Disputes(context, self)
        self.empty = EmptyState(
            "Reading the ratings…",
            "emptyPseudoLabels",
            "Go to Train",
            "Where stage 1 is started",
        )
        self._stack = QStackedWidget()
        self._left = QStackedWidget()
        self.keys = PageKeys(self, "pseudoLabels", context.settings, "← → ↑ ↓ move · Shift range")
        self.truth_action = QAction("Show the hidden truth (method development)", self)
        self.truth_action.setCheckable(True)
        self.truth_action.setChecked(context.shows_truth)
        self.truth_action.toggled.connect(self._on_truth)
        more = more_button(self.dialogs, self.acts, self.truth_action)
        self.offered = GalleryPanel(context, more, self.keys)
        self.gallery = self.offered.gallery
        self._add_keys()
        self._lay_out()
        self._connect()
        self.setFocusProxy(self.gallery)

    def refresh(self, changed: Changed) -> None:
        """Read labels again after scores, decisions or images changed."""
        if changed & ~Changed.REGIONS:
            self._is_other_list |= changed is not Changed.DECISIONS
            self._read()

    def view(self) -> dict[str, str]:
        """How the page is left, for the next start."""
        return self.offered.view() if self._blind is None else {}

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Show it again as it was left."""
        self.offered.restore_view(view)

    def badge_text(self) -> str:
        """How many labels in use no reader has checked."""
        if self._state is None:
            return ""
        view = self._state.view
        return f"{int((~view.by_reader & (view.labels >= 0)).sum())} to check"

    @Slot(object)
    def decide(self, label: Label) -> None:
        """Give the selected images a label; in a blind reading, say what they are."""
        tiles = self.gallery.selected_tiles()
        is_plain = self._blind is not None or bool(self._context.project.only_reading)
        if is_plain or self._state is None or not tiles:
            self._act(tiles, [label] * len(tiles), "decide")
            return
        images = {tile.image_id: tile.name for tile in tiles}
        if self.disputes.is_repeated(list(images), label):
            self._act(tiles, [label] * len(tiles), "decide")
        elif len(tiles) == 1 and tiles[0].checked and label is not _DECIDED.get(tiles[0].label):
            self.disputes.ask(images, label)
        else:
            run, offer = self._state.view.run_id, self.offered.offer_text
            self.acts.decide_undisputed(images, label, run, offer)
            self._go_on()

    @Slot()
    def confirm(self) -> None:
        """Agree with what the rating says about the undecided of the selected images, in one act.

        An image that has a decision keeps it, by what the catalog has when the act is written.
        """
        if self._blind is not None:
            self._context.announcer.notify(
                "No rating is shown to agree with: say what the image is."
            )
            return
        tiles = self.gallery.selected_tiles()
        labels = [Label.ABNORMAL if t.probability >= 0.5 else Label.NORMAL for t in tiles]
        self._act(tiles, labels, decisions.CONFIRM)

    @Slot(int)
    def read_blind(self, session_id: int) -> None:
        """Begin or continue a blind second reading."""
        self._blind = session_id
        self._is_other_list = True
        self._read()

    @Slot()
    def end_blind(self) -> None:
        """Go back to ratings and labels."""
        self._blind, self._is_other_list = None, True
        self._read()

    def _add_keys(self) -> None:
        for label, name, key in (
            (Label.NORMAL, "normal", "N"),
            (Label.ABNORMAL, "abnormal", "A"),
            (Label.EXCLUDE, "exclude", "X"),
        ):
            self.keys.add(name, name, key, partial(self.decide, label))
        self.keys.add("confirm", "confirm", "Space", self.confirm)
        self.keys.add("alike", "whole cluster", "E", self.gallery.select_alike)
        self.keys.add("undo", "undo", "Ctrl+Z", self._context.undo)
        self.keys.add("redo", "redo", ("Ctrl+Y", "Ctrl+Shift+Z"), self._context.redo)
        self.viewer.add_keys(self.keys)

    @Slot(int)
    def return_to(self, image_id: int) -> None:
        """Put the focus on an image of the gallery, once it is listed."""
        self.offered.return_to(image_id)

    @Slot()
    def _show_saving(self) -> None:
        acts = self._context.acts
        self.gallery.show_saving(
            {image for act in acts.waiting for image in act.image_ids}, bool(acts.cause)
        )

    def _act(self, tiles: list[Tile], labels: list[Label], kind: str) -> None:
        if not tiles or self._state is None:
            return
        images = {tile.image_id: tile.name for tile in tiles}
        if self._blind is not None:
            self.acts.read_blind(self._blind, images, labels[0])
        else:
            run = self._state.view.run_id
            self.acts.decide(images, labels, kind, run, self.offered.offer_text)
        self._go_on()

    def _go_on(self) -> None:
        if self._context.reader:
            self.gallery.select(self.gallery.currentIndex().row() + 1)

    def _lay_out(self) -> None:
        rated = QWidget()
        column_of((self.cuts, 1), self.review, into=rated, margins=0)
        self._left.addWidget(rated)
        self._left.addWidget(self.blind)
        panes = (
            Pane(self._left, "Ratings and cuts", 330, 350, stretch=1, fold=1),
            Pane(self.offered, "Unlabeled images", 330, 440, stretch=5),
            Pane(self._right(), "Image", 320, 400, stretch=4),
        )
        work = Panes(panes, "pseudoLabels", self._context.settings)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(work)
        column_of(self._stack, into=self, margins=10)

    def _right(self) -> QWidget:
        frame, layout = card()
        layout.addWidget(self.image_name)
        self.viewer.setMinimumHeight(220)
        fill(layout, (self.viewer, 1), self.image_facts, self.disputes.line, self.labels)
        self.labels.name(self.keys)
        return frame

    def _connect(self) -> None:
        self.empty.pressed.connect(self._on_go)
        self.keys.changed.connect(partial(self.labels.name, self.keys))
        self.labels.chosen.connect(self.decide)
        self.labels.confirmed.connect(self.confirm)
        self.cuts.rule_chosen.connect(self._on_rule)
        self.gallery.current_changed.connect(self._on_current)
        self.review.undo_wanted.connect(self._context.undo)
        self.review.redo_wanted.connect(self._context.redo)
        self.review.history_wanted.connect(self._on_history)
        self.review.retrain_wanted.connect(self.acts.retrain)
        self.review.sources_wanted.connect(self._read_sources)
        self.blind.ended.connect(self.end_blind)
        self.blind.agreement_wanted.connect(self._on_agreement)
        self.acts.reading_begun.connect(self.read_blind)
        self.acts.disputed.connect(self.disputes.tell)
        self._context.navigator.reading_wanted.connect(self.read_blind)
        self.disputes.all_wanted.connect(self._decide_all)
        self.viewer.relink_wanted.connect(self._context.navigator.relink_wanted)
        self._context.queue.changed.connect(self._show_review)
        self._context.acts.changed.connect(self._show_saving)

    def _read(self) -> None:
        config, blind = self._context.labels, self._blind
        self.cuts.show_rule(config)

        def read() -> Answer:
            state = self._reader.read(config)
            return state, None if blind is None else self.dialogs.items(blind)

        self._context.runner.run("pseudo-labels", read, self._show, self._show_error)

    def _show_error(self, error: AmaeError) -> None:
        self._state = None
        self.empty.say(str(error))
        self._stack.setCurrentIndex(0)

    def _show(self, answer: Answer) -> None:
        self._state, items = answer
        self._stack.setCurrentIndex(1)
        self._left.setCurrentIndex(1 if self._blind is not None else 0)
        self.labels.show_confirm(self._blind is None)
        self.cuts.show_state(self._state)
        self._show_review()
        self.offered.show_state(self._state, items, keeps_order=not self._is_other_list)
        self._is_other_list = False
        self.blind.show_progress(len(self.offered.readings or {}), len(items or ()))
        self._show_facts(self.gallery.current_tile())
        self.badge_changed.emit()

    @Slot()
    def _show_review(self) -> None:
        if self._state is not None:
            is_training = bool(self._context.queue.running)
            self.review.show_state(self._state, self._context.shows_truth, is_training)

    @Slot()
    def _read_sources(self) -> None:
        project, config = self._context.project, self._context.labels
        self._context.runner.run(
            "sources",
            lambda: source_qualities(project, config),
            self.review.show_sources,
            lambda error: self.review.sources.setText(str(error)),
        )

    @Slot(object, float, float)
    def _on_rule(self, source: PseudoLabelSource, keep: float, keep_abnormal: float) -> None:
        is_unranked = self._state is not None and not self._state.has_ranking
        if source is PseudoLabelSource.ROUNDS and is_unranked:
            self.cuts.show_rule(self._context.labels)
            self._context.announcer.notify(
                "No stage 2 has ranked the unlabeled images yet: More, 'Second round'."
            )
            return
        self._context.labels = self._context.labels.replace(
            source=source,
            keep_percent=keep,
            keep_abnormal_percent=0.0 if keep_abnormal == keep else keep_abnormal,
        )

    @Slot(bool)
    def _on_truth(self, shows: bool) -> None:
        self._context.shows_truth = shows

    @Slot(object, object)
    def _decide_all(self, images: dict[int, str], label: Label) -> None:
        """Decide on images that have another decision: the reader has said so."""
        if self._state is not None:
            labels, run = [label] * len(images), self._state.view.run_id
            self.acts.decide(images, labels, "decide", run, self.offered.offer_text)

    @Slot(object)
    def _on_current(self, tile: Tile | None) -> None:
        self.disputes.leave(None if tile is None else tile.image_id)
        self._show_facts(tile)
        self.loader.show(None if tile is None else tile.ref, self.gallery.likely())

    def _show_facts(self, tile: Tile | None) -> None:
        if tile is None or self._state is None:
            self.image_name.setText("")
            self.image_facts.setText("")
            return
        self.image_name.setText(tile.name)
        if self._blind is not None:
            self.image_facts.setText("")
            return
        truth = self._state.truth_of(tile.image_id) if self._context.shows_truth else ""
        facts = self._state.facts_of(tile.probability, tile.log_odds, tile.label, tile.checked)
        self.image_facts.setText(f"{facts}{truth}")

    @Slot()
    def _on_history(self) -> None:
        tile = self.gallery.current_tile()
        self.dialogs.show_history("" if tile is None else tile.name)

    @Slot()
    def _on_agreement(self) -> None:
        if self._blind is not None:
            self.dialogs.show_agreement(self._blind)

    @Slot()
    def _on_go(self) -> None:
        self._context.navigator.page_wanted.emit("train")
