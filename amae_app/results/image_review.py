"""One test image: the map over it, and next to it what else its run has of it, all linked."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from amae_app.results.map_views import Colouring, MapView, map_of, views_of
from amae_app.results.reviewed_image import ReviewedImage
from amae_app.theme import card, heading, quiet
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.colour_bar import ColourBar
from amae_app.widgets.fields import ComboBox, Slider
from amae_app.widgets.image_view import ImageView
from amae_app.widgets.image_viewer import ImageViewer
from amae_app.widgets.map_colours import SEQUENTIAL, map_colours
from amae_app.widgets.page_keys import PageKeys

_LOW = 520  # logical pixels


class ImageReview(QWidget):
    """Large image with overlay, three small linked views, and the overlay's controls.

    Signals:
        map_cut(): the map is cut at another value.
        maps_wanted(): maps are to be made, of this image and those that come after it.
    """

    map_cut = Signal()
    maps_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: ReviewedImage | None = None
        self._views: list[MapView] = []
        self.name = heading("")
        self.caption = QLabel()
        self.why = quiet()
        self.viewer = ImageViewer("Image with the map over it")
        self.main = self.viewer.view
        self.main.setObjectName("mapView")
        self.small = tuple(ImageView(f"View {number} next to the image") for number in (1, 2, 3))
        self.choices = tuple(ComboBox() for _ in self.small)
        self.map_name = quiet()
        self.make_maps = QPushButton("Make maps")
        self._buttons: dict[str, QPushButton] = {}
        self._foot = QVBoxLayout()
        self.opacity = Slider(Qt.Orientation.Horizontal)
        self.threshold = Slider(Qt.Orientation.Horizontal)
        self.colour_map = ComboBox()
        self.bar = ColourBar()
        self.overlay_on = True
        self._lay_out()
        for view in (self.main, *self.small):
            view.levels_changed.connect(self._copy_levels)
            view.moved.connect(self._on_moved)

    def show_image(self, shown: ReviewedImage | None) -> None:
        """Show the maps and texts of another image, or none."""
        self._shown = shown
        self._views = views_of(shown.maps, shown.kind) if shown is not None else []
        if shown is None:
            self.main.show_map(None)
            for view in self.small:
                view.show_image(None)
            return
        self.name.setText(shown.name)
        self.why.setText(shown.why)
        self.caption.setToolTip(shown.why)  # a low window has no room for it
        self._fill_choices()
        self._draw_maps()

    def show_caption(self, caption: str) -> None:
        """Say something else of the same image: the operating point has moved."""
        self.caption.setText(caption)

    @property
    def map_threshold(self) -> float:
        """Where the map is cut, in its own units; NaN where the score has none."""
        maps = self._shown.maps if self._shown is not None else None
        own = map_of(maps, self._shown.kind) if maps is not None and self._shown else None
        return own.scale * self.threshold.value() / 100 if own is not None else math.nan

    @property
    def map_cut_text(self) -> str:
        """The same for the reader; "" where the score has no map."""
        value = self.map_threshold
        return "" if math.isnan(value) else f"{value:.3g}, {self.threshold.value()} % of the scale"

    def toggle_overlay(self) -> None:
        """Show or hide the map."""
        self.overlay_on = not self.overlay_on
        self._draw_maps()

    def toggle_invert(self) -> None:
        """Swap black and white in every view."""
        self.viewer.toggle_invert()
        for view in self._grey_views():
            view.invert()

    def zoom(self, factor: float) -> None:
        """Zoom every view."""
        self.main.zoom(factor)

    @Slot()
    def redraw_map(self) -> None:
        """Lay the map over the image again: the original has taken the stored image's place."""
        self._draw_maps()

    def add_keys(self, keys: PageKeys) -> None:
        """Give the page the viewer's keys and those of the map; show them at the foot."""
        self.viewer.add_keys(keys)
        keys.add("invert", "invert", "I", self.toggle_invert)
        keys.add("overlay", "overlay", "G", self.toggle_overlay)
        self._foot.addWidget(keys.line)
        self._name_buttons(keys)
        keys.changed.connect(partial(self._name_buttons, keys))

    def _name_buttons(self, keys: PageKeys) -> None:
        """Each button with its key."""
        for act, button in self._buttons.items():
            button.setText(f"{act.capitalize()}  {keys.shown(act)}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A low window leaves its room to the image."""
        self.why.setVisible(self.height() >= _LOW)
        super().resizeEvent(event)

    def _lay_out(self) -> None:
        frame, layout = card()
        top = row_of((self.name, 1))
        for act, tip, slot in (
            ("overlay", "Show or hide the map", self.toggle_overlay),
            ("invert", "Swap black and white", self.toggle_invert),
            ("fit", "Show the whole image", self.main.fit),
        ):
            button = named(QPushButton(), f"{act}Button", tip=tip)
            button.clicked.connect(slot)
            top.addWidget(button)
            self._buttons[act] = button
        fill(layout, top, self.caption)
        grid = QGridLayout()
        grid.setSpacing(6)
        grid.addWidget(self.viewer, 0, 0, 6, 1)
        for place, (choice, view) in enumerate(zip(self.choices, self.small, strict=True)):
            named(
                choice,
                f"viewCombo{place + 1}",
                f"What view {place + 1} shows",
                "What this view shows; it zooms and pans with the image",
            )
            choice.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            choice.setMinimumContentsLength(8)
            choice.activated.connect(self._draw_maps)
            view.setMinimumHeight(50)  # three of them fit a window of 640 pixels
            grid.addWidget(choice, 2 * place, 1)
            grid.addWidget(view, 2 * place + 1, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 1)
        for row in (1, 3, 5):
            grid.setRowStretch(row, 1)
        layout.addLayout(grid, 1)
        for row_of_controls in self._controls():
            layout.addLayout(row_of_controls)
        fill(layout, self.why, self._foot)
        column_of(frame, into=self, margins=0)

    def _controls(self) -> tuple[QHBoxLayout, QHBoxLayout]:
        self.colour_map.addItems(list(SEQUENTIAL))
        self.opacity.setRange(0, 100)
        self.opacity.setValue(50)
        self.threshold.setRange(0, 100)
        self.threshold.setValue(25)
        choices, sliders = QHBoxLayout(), QHBoxLayout()
        named(self.map_name, "mapName", tip="The map always belongs to the score that is chosen")
        choices.addWidget(self.map_name, 1)
        named(
            self.make_maps,
            "makeMapsButton",
            tip="Of this image and the next in the list; they are kept",
        )
        self.make_maps.clicked.connect(self.maps_wanted)
        self.make_maps.hide()
        choices.addWidget(self.make_maps)
        for text, widget, name, tip in (
            ("Opacity", self.opacity, "overlaySlider", "The same for every value of the map"),
            ("Show above", self.threshold, "thresholdSlider", "Share of the scale below which "
             "nothing is drawn"),
            ("", self.colour_map, "colourMapCombo", "Perceptually uniform colours"),
        ):  # fmt: skip
            named(widget, name, text or "Colour map", tip)
            row = sliders if isinstance(widget, QSlider) else choices
            if text:
                row.addWidget(QLabel(text))
            row.addWidget(widget, 1 if isinstance(widget, QSlider) else 0)
        choices.addWidget(self.bar)
        self.opacity.valueChanged.connect(self._draw_maps)
        self.threshold.valueChanged.connect(self._draw_maps)
        self.threshold.valueChanged.connect(self.map_cut)
        self.colour_map.currentTextChanged.connect(self._draw_maps)
        return choices, sliders

    def _fill_choices(self) -> None:
        """Offer what there is; a reader's choice stays where the next image has it too."""
        keys = [view.key for view in self._views]
        for place, (choice, view) in enumerate(zip(self.choices, self.small, strict=True)):
            before = [choice.itemData(n) for n in range(choice.count())]
            if before != keys:
                chosen = choice.currentData() if choice.property("chosen") else None
                choice.clear()
                for each in self._views:
                    choice.addItem(each.text, each.key)
                choice.setCurrentIndex(
                    keys.index(chosen) if chosen in keys else min(place, len(keys) - 1)
                )
            choice.setVisible(place < len(keys))
            view.setVisible(place < len(keys))

    @Slot()
    def _on_moved(self) -> None:
        moved = self.sender()
        for view in (self.main, *self.small):
            if isinstance(moved, ImageView) and view is not moved:
                view.follow(moved)

    @Slot()
    def _draw_maps(self) -> None:
        sender = self.sender()
        if isinstance(sender, QComboBox) and sender in self.choices:
            sender.setProperty("chosen", True)
        shown, name = self._shown, self.colour_map.currentText()
        self.make_maps.setVisible(shown is not None and shown.can_make)
        if shown is None:
            return
        self._draw_beside(shown.aspect, name)
        own = map_of(shown.maps, shown.kind) if shown.maps is not None else None
        if own is None:
            others = [kind.label for kind in shown.maps.scored] if shown.maps else []
            hint = f"; choose {' or '.join(others)} to see one" if others else ""
            none = "not made yet" if shown.can_make else f"this score has none{hint}"
            self.map_name.setText(f"Map: {none}")
            self.main.show_map(None)
            self.bar.show_scale(name, 0.0, 0.0, signed=False)
            return
        signed = own.colouring is Colouring.SIGNED
        self.map_name.setText(f"Map: {shown.kind.map_text or shown.kind.label}")
        opacity, above = self.opacity.value() / 100, self.threshold.value() / 100
        over = map_colours(own.values, own.scale, name, opacity, above, signed)
        self.main.show_map(over if self.overlay_on else None)
        self.bar.show_scale(name, -own.scale if signed else 0.0, own.scale, signed)

    def _draw_beside(self, aspect: float, colours: str) -> None:
        for choice, view in zip(self.choices, self.small, strict=True):
            if not 0 <= choice.currentIndex() < len(self._views):
                view.show_image(None)
                continue
            shown = self._views[choice.currentIndex()]
            view.setAccessibleName(shown.text)
            if shown.colouring is Colouring.GREY:
                view.show_image(shown.values, aspect)
                view.show_map(None)
                continue
            view.show_image(np.zeros(shown.values.shape, dtype=np.uint8), aspect)
            signed = shown.colouring is Colouring.SIGNED
            view.show_map(map_colours(shown.values, shown.scale, colours, 1.0, 0.0, signed))

    @Slot(float, float)
    def _copy_levels(self, low: float, high: float) -> None:
        for view in (self.main, *self._grey_views()):
            view.set_levels(low, high)

    def _grey_views(self) -> list[ImageView]:
        """The small views that show grey values."""
        return [
            view
            for choice, view in zip(self.choices, self.small, strict=True)
            if 0 <= choice.currentIndex() < len(self._views)
            and self._views[choice.currentIndex()].colouring is Colouring.GREY
        ]
