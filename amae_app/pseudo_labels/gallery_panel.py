"""The gallery with what is offered in it, and in which order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from amae_app.pseudo_labels.curation_state import (
    CurationState,
    Ids,
    Order,
    OrderData,
    Shown,
    read_order_data,
)
from amae_app.pseudo_labels.gallery import Gallery
from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, fill, named
from amae_app.widgets.fields import ComboBox
from amae_app.widgets.page_keys import PageKeys
from amae_app.window_context import WindowContext
from amae_engine.catalog.blind_readings import BlindItem
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Label
from amae_engine.errors import AmaeError
from amae_engine.events import Level

_LEFT = ("pseudoLabels.order", "pseudoLabels.shown", "pseudoLabels.image")


class GalleryPanel(QWidget):
    """Shows the images of a state, or those of a blind reading.

    Args:
        context: The open project.
        more: A button that stands next to the orders.
        keys: Of the page; named at the foot.
    """

    def __init__(self, context: WindowContext, more: QPushButton, keys: PageKeys) -> None:
        super().__init__()
        self._context = context
        self._state: CurationState | None = None
        self._items: list[BlindItem] | None = None
        self._data: OrderData | None = None
        self._wanted = 0  # the image to stand at in the list that comes
        self.gallery = Gallery(context.thumbnails)
        self.order = ComboBox()
        self.shown = ComboBox()
        self.count = quiet()
        frame, layout = card()
        top, second = QHBoxLayout(), QHBoxLayout()
        self.count.setWordWrap(False)
        top.addWidget(heading("Unlabeled images"))
        top.addWidget(self.count, 1)
        top.addWidget(more)
        for combo, items, name, text in (
            (self.order, Order, "orderCombo", "Order of the images"),
            (self.shown, Shown, "shownCombo", "Which images are offered"),
        ):
            combo.addItems([str(item) for item in items])
            named(combo, name, text, text)
            second.addWidget(combo, 1)
        self.shown.setCurrentText(str(Shown.ALL))
        fill(layout, top, second, (self.gallery, 1), keys.line)
        column_of(frame, into=self, margins=0)
        self.order.currentTextChanged.connect(self._offer)
        self.shown.currentTextChanged.connect(self._offer)

    @property
    def offer_text(self) -> Offer:
        """How the images come before the reader's eyes now."""
        return Offer(self.order.currentText(), self._context.shows_truth)

    @property
    def readings(self) -> dict[int, Label] | None:
        """What the blind reader has called images; None outside a blind reading."""
        if self._items is None:
            return None
        return {i.image_id: i.second for i in self._items if i.second is not Label.NONE}

    def show_state(
        self, state: CurationState, items: list[BlindItem] | None, keeps_order: bool
    ) -> None:
        """Show another state.

        Args:
            state: Labels and ratings.
            items: Of a blind reading, in its order; None outside one.
            keeps_order: The images and their order stay, their labels are new.
        """
        if self._data is not None and self._data.run_id != state.view.run_id:
            self._data = None
        is_same_reading = (items is None) == (self._items is None)
        self._state, self._items = state, items
        current = self.gallery.current_tile()
        if is_same_reading and not keeps_order and not self._wanted and current is not None:
            self._wanted = current.image_id
        for combo in (self.order, self.shown):
            combo.setEnabled(items is None)
        if keeps_order:
            self.gallery.update_labels(state, self.readings)
            self._stand_at(None)
        else:
            self._offer()

    def return_to(self, image_id: int) -> None:
        """Put the focus on an image, now and in the list that comes."""
        self._wanted = image_id
        row = self.gallery.gallery.row_of(image_id)
        if row is not None:
            self.gallery.select(row)

    def view(self) -> dict[str, str]:
        """Order, choice and image, for the next start."""
        tile = self.gallery.current_tile()
        image = 0 if tile is None else tile.image_id
        texts = (self.order.currentText(), self.shown.currentText(), str(image))
        return dict(zip(_LEFT, texts, strict=True))

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Begin as it was left."""
        order, shown, image = (view.get(name, "") for name in _LEFT)
        self.order.setCurrentText(order)
        self.shown.setCurrentText(shown)
        self._wanted = int(image) if image.isdecimal() else 0

    def _stand_at(self, otherwise: int | None) -> None:
        """Go to the wanted image; where it is not listed, to a row, or stay."""
        wanted, self._wanted = self._wanted, 0
        row = self.gallery.gallery.row_of(wanted) if wanted else None
        row = otherwise if row is None else row
        if row is not None:
            self.gallery.select(row)

    @Slot()
    def _offer(self) -> None:
        state, order = self._state, Order(self.order.currentText())
        if state is None:
            return
        if self._items is not None:
            place = {i: n for n, i in enumerate(state.view.image_ids.tolist())}
            found = [place[i.image_id] for i in self._items if i.image_id in place]
            self._show_places(np.array(found, dtype=np.int64))
        elif self._data_of(order) is None:
            project, view = self._context.project, state.view
            self._context.runner.run(
                "order",
                lambda: read_order_data(project, view, order),
                self._take_data,
                self._on_no_data,
            )
        else:
            shown = Shown(self.shown.currentText())
            self._show_places(state.offered(order, shown, self._data))

    def _data_of(self, order: Order) -> object:
        """What an order needs; None where it has still to be read."""
        needed = {Order.DISAGREEMENT: "disagreement", Order.CLUSTERS: "clusters"}.get(order)
        return True if needed is None else getattr(self._data, needed, None)

    def _on_no_data(self, error: AmaeError) -> None:
        self._context.announcer.notify(str(error), Level.WARNING)
        self.order.setCurrentText(str(Order.NEAREST_CUT))

    def _take_data(self, data: OrderData) -> None:
        self._data = data
        if data.disagreement is not None:
            self._context.announcer.notify(
                f"Ranked by how far these lie apart: {data.disagreement.by}."
            )
        self._offer()

    def _show_places(self, places: Ids) -> None:
        if self._state is None:
            return
        found = self._data.clusters if self._data is not None else None
        is_grouped = found is not None and self.order.currentText() == Order.CLUSTERS
        clusters = found.number if found is not None and is_grouped else None
        self.gallery.gallery.show_state(self._state, places, clusters, self.readings)
        self.count.setText(f"{len(places)} of {len(self._state.view.labels)}")
        self._stand_at(0)
