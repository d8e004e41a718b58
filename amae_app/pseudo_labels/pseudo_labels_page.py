"""Workspace 3: cuts, gallery, large view, decisions."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from amae_app.pseudo_labels.curation_state import (
    CurationState,
    Order,
    Shown,
    read_curation_state,
)
from amae_app.pseudo_labels.cuts_panel import CutsPanel
from amae_app.pseudo_labels.gallery import Gallery, Tile
from amae_app.theme import card, heading, quiet
from amae_app.widgets.empty_state import EmptyState
from amae_app.widgets.image_view import ImageView
from amae_app.widgets.page_keys import PageKeys
from amae_app.window_context import WindowContext
from amae_app.words import plural
from amae_engine.catalog import decisions
from amae_engine.catalog.tables import Label
from amae_engine.config import PseudoLabelSource
from amae_engine.errors import AmaeError
from amae_engine.events import Changed


class PseudoLabelsPage(QWidget):
    """Every act is in the catalog when it is visible."""

    badge_changed = Signal()
    title = "Pseudo-labels"

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._state: CurationState | None = None
        self._keeps_order = False
        self.cuts = CutsPanel()
        self.review = quiet()
        self.truth = quiet()
        self.history = quiet()
        self.gallery = Gallery(context.thumbnails)
        self.order = QComboBox()
        self.shown = QComboBox()
        self.shown_count = quiet()
        self.large = ImageView("The image in focus")
        self.image_name = heading("")
        self.image_facts = quiet()
        self.label_buttons: dict[Label, QPushButton] = {}
        self.confirm_button = QPushButton()
        self.empty = EmptyState(
            "Reading the ratings…",
            "emptyPseudoLabels",
            "Go to Train",
            "Where stage 1 is started",
        )
        self._stack = QStackedWidget()
        self.keys = PageKeys(self, "pseudoLabels", context.settings, "← → ↑ ↓ move · Shift range")
        self._add_keys()
        self._lay_out()
        self._connect()
        self.setFocusProxy(self.gallery)

    def refresh(self, changed: Changed) -> None:
        """Read labels again after scores, decisions or images changed."""
        if changed:
            self._keeps_order = changed is Changed.DECISIONS
            self._read()

    def count_text(self) -> str:
        """How many labels in use no reader has checked."""
        if self._state is None:
            return ""
        view = self._state.view
        return f"{int((~view.by_reader & (view.labels >= 0)).sum())} to check"

    @Slot(object)
    def decide(self, label: Label) -> None:
        """Give the selected images a label."""
        tiles = self.gallery.selected_tiles()
        self._act([tile.image_id for tile in tiles], [label] * len(tiles), "decide")

    @Slot()
    def confirm(self) -> None:
        """Agree with what the rating says about the selected images, in one act."""
        tiles = self.gallery.selected_tiles()
        labels = [Label.ABNORMAL if t.probability >= 0.5 else Label.NORMAL for t in tiles]
        self._act([tile.image_id for tile in tiles], labels, "confirm")

    @Slot()
    def undo(self) -> None:
        """Reverse the reader's last act."""
        self._step_back(redo=False)

    @Slot()
    def redo(self) -> None:
        """Repeat what was undone."""
        self._step_back(redo=True)

    def _add_keys(self) -> None:
        for label, name, key in (
            (Label.NORMAL, "normal", "N"),
            (Label.ABNORMAL, "abnormal", "A"),
            (Label.EXCLUDE, "exclude", "X"),
        ):
            self.keys.add(name, name, key, partial(self.decide, label))
        self.keys.add("confirm", "confirm", "Space", self.confirm)
        self.keys.add("invert", "invert", "I", self.large.invert)
        self.keys.add("fit", "fit", "=", self.large.fit)
        self.keys.add("undo", "undo", "Ctrl+Z", self.undo)
        self.keys.add("redo", "redo", "Ctrl+Y", self.redo)

    def _act(self, ids: list[int], labels: list[Label], kind: str) -> None:
        if not ids or self._state is None:
            return
        project, reader, run_id = (
            self._context.project, self._context.reader, self._state.view.run_id
        )  # fmt: skip

        def act() -> None:
            with project.session() as session:
                decisions.decide(session, ids, labels, reader, run_id, kind)

        self._context.act(act, lambda _: self._context.announce(Changed.DECISIONS))
        if reader:
            self.gallery.select(self.gallery.currentIndex().row() + 1)

    def _step_back(self, redo: bool) -> None:
        project, reader = self._context.project, self._context.reader

        def act() -> decisions.Step:
            with project.session() as session:
                return (decisions.redo if redo else decisions.undo)(session, reader)

        self._context.act(act, lambda step: self._stepped(step, redo))

    def _stepped(self, step: decisions.Step, redo: bool) -> None:
        word = "Redone" if redo else "Undone"
        nothing = f"There is nothing to {'redo' if redo else 'undo'}."
        text = f"{word}: {plural(step.changed, 'image')}." if step.changed else nothing
        if step.kept:
            text += f" {plural(step.kept, 'image')} left: another reader decided since."
        self._context.notify(text)
        self._context.announce(Changed.DECISIONS)

    def _lay_out(self) -> None:
        work = QWidget()
        row = QHBoxLayout(work)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        left, right = self._left(), self._right()
        left.setFixedWidth(350)
        right.setMinimumWidth(300)
        row.addWidget(left)
        row.addWidget(self._middle(), 5)
        row.addWidget(right, 2)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(work)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.addWidget(self._stack)

    def _left(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.cuts, 3)
        frame, layout = card("This review")
        layout.addWidget(self.review)
        layout.addWidget(self.truth)
        column.addWidget(frame)
        frame, layout = card("History")
        self.history.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.history, 1)
        buttons = QHBoxLayout()
        for text, name, keys, slot in (
            ("Undo", "undoButton", "Ctrl+Z", self.undo),
            ("Redo", "redoButton", "Ctrl+Y", self.redo),
        ):
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(f"{text} your last labelling act ({keys})")
            button.clicked.connect(slot)
            buttons.addWidget(button)
        buttons.addStretch()
        layout.addLayout(buttons)
        column.addWidget(frame, 2)
        return box

    def _middle(self) -> QWidget:
        frame, layout = card()
        top = QHBoxLayout()
        top.addWidget(heading("Unlabeled images"))
        top.addWidget(self.shown_count, 1)
        for combo, items, name, text in (
            (self.order, Order, "orderCombo", "Order of the images"),
            (self.shown, Shown, "shownCombo", "Which images are offered"),
        ):
            combo.addItems([str(item) for item in items])
            combo.setObjectName(name)
            combo.setAccessibleName(text)
            combo.setToolTip(text)
            top.addWidget(combo)
        self.shown.setCurrentText(str(Shown.ALL))
        layout.addLayout(top)
        layout.addWidget(self.gallery, 1)
        layout.addWidget(self.keys.line)
        return frame

    def _right(self) -> QWidget:
        frame, layout = card()
        layout.addWidget(self.image_name)
        self.large.setMinimumHeight(220)
        layout.addWidget(self.large, 1)
        layout.addWidget(self.image_facts)
        for row in (
            ((Label.NORMAL, "Normal"), (Label.ABNORMAL, "Abnormal")),
            ((Label.EXCLUDE, "Exclude"), (Label.NONE, "Take back")),
        ):
            line = QHBoxLayout()
            for label, text in row:
                button = QPushButton(text)
                button.setObjectName(f"label{label.capitalize() or 'None'}Button")
                button.setAccessibleName(text)
                button.setToolTip("Your decision wins over any confidence")
                button.clicked.connect(self._on_label_button)
                self.label_buttons[label] = button
                line.addWidget(button)
            layout.addLayout(line)
        self.confirm_button.setObjectName("confirmButton")
        self.confirm_button.setToolTip(
            "Agree with what rates the selected images, each on its own side"
        )
        self.confirm_button.clicked.connect(self.confirm)
        layout.addWidget(self.confirm_button)
        self._name_buttons()
        return frame

    @Slot()
    def _name_buttons(self) -> None:
        """Each with the key that does the same."""
        for label, name in ((Label.NORMAL, "normal"), (Label.ABNORMAL, "abnormal"),
                            (Label.EXCLUDE, "exclude")):  # fmt: skip
            self.label_buttons[label].setText(f"{self.keys.shown(name)}  {name.capitalize()}")
        self.confirm_button.setText(f"{self.keys.shown('confirm')}  Confirm the rating")

    def _connect(self) -> None:
        self.empty.pressed.connect(self._on_go)
        self.keys.changed.connect(self._name_buttons)
        self.cuts.rule_chosen.connect(self._on_rule)
        self.gallery.current_changed.connect(self._on_current)
        self.order.currentTextChanged.connect(self._on_order)
        self.shown.currentTextChanged.connect(self._on_order)

    def _read(self) -> None:
        project, config = self._context.project, self._context.labels
        self.cuts.show_rule(config)
        self._context.background(
            "pseudo-labels", lambda: read_curation_state(project, config), self._show
        )

    def _show(self, answer: CurationState | AmaeError) -> None:
        if isinstance(answer, AmaeError):
            self._state = None
            self.empty.say(str(answer))
            self._stack.setCurrentIndex(0)
            return
        self._state = answer
        self._stack.setCurrentIndex(1)
        self.cuts.show_state(answer)
        self.review.setText(answer.purity_text())
        self.truth.setText(answer.truth_text())
        self.truth.setVisible(bool(answer.truth_text()))
        self.history.setText(answer.history_text())
        if self._keeps_order:
            self.gallery.gallery.update_state(answer)
            self._on_current(self.gallery.gallery.tile(self.gallery.currentIndex().row()))
        else:
            self._on_order()
        self.badge_changed.emit()

    @Slot()
    def _on_order(self) -> None:
        if self._state is None:
            return
        order, shown = Order(self.order.currentText()), Shown(self.shown.currentText())
        places = self._state.offered(order, shown)
        self.gallery.gallery.show_state(self._state, places)
        self.shown_count.setText(f"{len(places)} of {len(self._state.view.labels)}")
        self.gallery.select(0)

    @Slot(object, float)
    def _on_rule(self, source: PseudoLabelSource, keep: float) -> None:
        self._context.labels = self._context.labels.replace(source=source, keep_percent=keep)

    @Slot()
    def _on_label_button(self) -> None:
        sender = self.sender()
        for label, button in self.label_buttons.items():
            if button is sender:
                self.decide(label)

    @Slot(object)
    def _on_current(self, tile: Tile | None) -> None:
        if tile is None:
            self.image_name.setText("")
            self.large.show_image(None)
            return
        self.image_name.setText(tile.name)
        side = "abnormal" if tile.probability >= 0.5 else "normal"
        used = {0: "in module A", 1: "in module B", -1: "unused", -2: "excluded"}[tile.label]
        by = " · decided by a reader" if tile.checked else ""
        self.image_facts.setText(
            f"{self._rated_by()}: P(abnormal) {tile.probability:.2f}, {side}\nStage 2: {used}{by}"
        )
        project, row = self._context.project, tile.store_row
        self._context.background(
            "pseudo-image", lambda: project.pixels.read(np.array([row]))[0], self._show_image
        )

    def _show_image(self, image: npt.NDArray[np.uint8] | AmaeError) -> None:
        if isinstance(image, AmaeError):
            self._context.tell_error(image)
        else:
            self.large.show_image(image)

    def _rated_by(self) -> str:
        return self._state.rated_by if self._state is not None else ""

    @Slot()
    def _on_go(self) -> None:
        self._context.page_wanted.emit("train")
