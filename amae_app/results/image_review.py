"""One test image: the map over it, and what else its run has of it beside it, all linked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QImage, QPainter, QPaintEvent
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

from amae_app.theme import card, heading, quiet
from amae_app.widgets.image_view import FULL, ImageView
from amae_app.widgets.map_colours import SEQUENTIAL, colour_bar, map_colours
from amae_app.widgets.page_keys import PageKeys
from amae_engine.config import ScoreKind
from amae_engine.runs.map_files import MEANS, ImageMaps

_WINDOWS = {"1": FULL, "2": (0.1, 0.7), "3": (0.25, 0.9), "4": (0.4, 1.0)}
_MAP_TEXTS = {
    ScoreKind.DISCREPANCY: "|μA − μB| (Eq. 4)",
    ScoreKind.LIKELIHOOD_RATIO: "error of A − error of B (signed)",
    ScoreKind.UNLABELED_PROBE: "what each patch adds, above normal images at its place",
    ScoreKind.PEER: "this method's own map",
}
_SIGNED = (ScoreKind.LIKELIHOOD_RATIO,)
_MEANS = {MEANS[0]: "Module A (normal): μA", MEANS[1]: "Module B (abnormal): μB"}


@dataclass(frozen=True, slots=True)
class ReviewedImage:
    """What is shown: image (H, W) uint8, its maps, and texts.

    Attributes:
        aspect: Width over height of the original.
        kind: The score that is shown; the map is that score's.
    """

    name: str
    caption: str
    why: str
    image: npt.NDArray[np.uint8]
    aspect: float
    maps: ImageMaps | None
    kind: ScoreKind


class ImageReview(QWidget):
    """Large image with overlay, three small linked views, and the overlay's controls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: ReviewedImage | None = None
        self.name = heading("")
        self.caption = QLabel()
        self.why = quiet()
        self.main = ImageView("Image with the map over it")
        self.main.setObjectName("mapView")
        self.small = tuple(ImageView(f"View {number} beside the image") for number in (1, 2, 3))
        self.captions = tuple(quiet() for _ in self.small)
        self.map_name = quiet()
        self._buttons: dict[str, QPushButton] = {}
        self._foot = QVBoxLayout()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.colour_map = QComboBox()
        self.bar = ColourBar()
        self.overlay_on = True
        self._lay_out()
        for view in (self.main, *self.small):
            view.levels_changed.connect(self._copy_levels)
            view.moved.connect(self._on_moved)

    def show_image(self, shown: ReviewedImage | None) -> None:
        """Show another image, or none."""
        self._shown = shown
        if shown is None:
            for view in (self.main, *self.small):
                view.show_image(None)
            return
        self.name.setText(shown.name)
        self.caption.setText(shown.caption)
        self.why.setText(shown.why)
        self.main.show_image(shown.image, shown.aspect)
        self._draw_maps()

    def show_caption(self, caption: str) -> None:
        """Say something else of the same image: the operating point has moved."""
        self.caption.setText(caption)

    def window_preset(self, number: str) -> None:
        """One of the four windows, by its key."""
        self._set_levels(*_WINDOWS[number])

    def toggle_overlay(self) -> None:
        """Show or hide the map."""
        self.overlay_on = not self.overlay_on
        self._draw_maps()

    def toggle_invert(self) -> None:
        """Swap black and white in every view."""
        for view in self._pictures():
            view.invert()

    def zoom(self, factor: float) -> None:
        """Zoom every view."""
        self.main.zoom(factor)

    def reset(self) -> None:
        """Full window, whole image, not inverted."""
        self._set_levels(*FULL)
        if self.main.is_inverted:
            self.toggle_invert()
        self.main.fit()

    def fit(self) -> None:
        """Show the whole image."""
        self.main.fit()

    def show_keys(self, keys: PageKeys) -> None:
        """Show the page's keys at the foot, and on the buttons that do the same."""
        self._foot.addWidget(keys.line)
        self.name_buttons(keys)

    def name_buttons(self, keys: PageKeys) -> None:
        """Each button with its key."""
        for act, button in self._buttons.items():
            button.setText(f"{act.capitalize()}  {keys.shown(act)}")

    def _lay_out(self) -> None:
        frame, layout = card()
        top = QHBoxLayout()
        titles = QVBoxLayout()
        titles.setSpacing(0)
        titles.addWidget(self.name)
        titles.addWidget(self.caption)
        top.addLayout(titles, 1)
        for act, tip, slot in (
            ("overlay", "Show or hide the map", self.toggle_overlay),
            ("invert", "Swap black and white", self.toggle_invert),
            ("fit", "Show the whole image", self.fit),
        ):
            button = QPushButton()
            button.setObjectName(f"{act}Button")
            button.setToolTip(tip)
            button.clicked.connect(slot)
            top.addWidget(button)
            self._buttons[act] = button
        layout.addLayout(top)
        grid = QGridLayout()
        grid.setSpacing(6)
        grid.addWidget(quiet("Image and map"), 0, 0)
        grid.addWidget(self.main, 1, 0, 5, 1)
        for place, (caption, view) in enumerate(zip(self.captions, self.small, strict=True)):
            caption.setWordWrap(False)
            grid.addWidget(caption, 2 * place, 1)
            grid.addWidget(view, 2 * place + 1, 1)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 1)
        for row in (1, 3, 5):
            grid.setRowStretch(row, 1)
        layout.addLayout(grid, 1)
        for row_of_controls in self._controls():
            layout.addLayout(row_of_controls)
        layout.addWidget(self.why)
        layout.addLayout(self._foot)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)

    def _controls(self) -> tuple[QHBoxLayout, QHBoxLayout]:
        self.colour_map.addItems(list(SEQUENTIAL))
        self.opacity.setRange(0, 100)
        self.opacity.setValue(50)
        self.threshold.setRange(0, 100)
        self.threshold.setValue(25)
        choices, sliders = QHBoxLayout(), QHBoxLayout()
        self.map_name.setObjectName("mapName")
        self.map_name.setToolTip("The map always belongs to the score that is chosen")
        choices.addWidget(self.map_name, 1)
        for text, widget, name, tip in (
            ("Opacity", self.opacity, "overlaySlider", "The same for every value of the map"),
            ("Show above", self.threshold, "thresholdSlider", "Share of the scale below which "
             "nothing is drawn"),
            ("", self.colour_map, "colourMapCombo", "Perceptually uniform colours"),
        ):  # fmt: skip
            widget.setObjectName(name)
            widget.setAccessibleName(text or "Colour map")
            widget.setToolTip(tip)
            row = sliders if isinstance(widget, QSlider) else choices
            if text:
                row.addWidget(QLabel(text))
            row.addWidget(widget, 1 if isinstance(widget, QSlider) else 0)
        choices.addWidget(self.bar)
        self.opacity.valueChanged.connect(self._draw_maps)
        self.threshold.valueChanged.connect(self._draw_maps)
        self.colour_map.currentTextChanged.connect(self._draw_maps)
        return choices, sliders

    @Slot()
    def _on_moved(self) -> None:
        moved = self.sender()
        for view in (self.main, *self.small):
            if isinstance(moved, ImageView) and view is not moved:
                view.follow(moved)

    @Slot()
    def _draw_maps(self) -> None:
        shown, name = self._shown, self.colour_map.currentText()
        if shown is None:
            return
        values = shown.maps.of_score(shown.kind) if shown.maps is not None else None
        self._draw_beside(shown, name)
        if shown.maps is None or values is None:
            others = [ScoreKind(name).label for name in shown.maps.scale] if shown.maps else []
            hint = f"; choose {' or '.join(others)} to see one" if others else ""
            self.map_name.setText(f"Map: this score has none{hint}")
            self.main.show_map(None)
            self.bar.show_scale(name, 0.0, 0.0, signed=False)
            return
        signed = shown.kind in _SIGNED
        self.map_name.setText(f"Map: {_MAP_TEXTS.get(shown.kind, shown.kind.label)}")
        scale = shown.maps.scale[shown.kind]
        opacity, above = self.opacity.value() / 100, self.threshold.value() / 100
        over = map_colours(values, scale, name, opacity, above, signed)
        self.main.show_map(over if self.overlay_on else None)
        self.bar.show_scale(name, -scale if signed else 0.0, scale, signed)

    def _draw_beside(self, shown: ReviewedImage, colours: str) -> None:
        """Mean reconstructions where the modules have them, then the chosen map, then others."""
        maps = shown.maps
        means = [key for key in _MEANS if maps is not None and key in maps.maps]
        kinds = list(dict.fromkeys((shown.kind, *map(ScoreKind, maps.scale)))) if maps else []
        drawn = [*means, *(kind for kind in kinds if maps and maps.of_score(kind) is not None)]
        for place, (caption, view) in enumerate(zip(self.captions, self.small, strict=True)):
            key = drawn[place] if place < len(drawn) else None
            caption.setVisible(key is not None)
            view.setVisible(key is not None)
            if key is None or maps is None:
                view.show_image(None)
                continue
            values = maps.maps[key]
            if key in means:
                caption.setText(_MEANS[key])
                view.show_image(values, shown.aspect)
                view.show_map(None)
                continue
            kind = ScoreKind(key)
            caption.setText("Map alone" if kind is shown.kind else f"Map of {kind.label}")
            view.show_image(np.zeros(values.shape, dtype=np.uint8), shown.aspect)
            scale, signed = maps.scale[kind], kind in _SIGNED
            view.show_map(map_colours(values, scale, colours, 1.0, 0.0, signed))
            view.setAccessibleName(caption.text())

    @Slot(float, float)
    def _copy_levels(self, low: float, high: float) -> None:
        self._set_levels(low, high)

    def _set_levels(self, low: float, high: float) -> None:
        for view in self._pictures():
            view.set_levels(low, high)

    def _pictures(self) -> tuple[ImageView, ...]:
        """The views that show grey values: the image, and the means where there are some."""
        maps = self._shown.maps.maps if self._shown and self._shown.maps else {}
        return (self.main, *self.small[: len(maps.keys() & _MEANS.keys())])


class ColourBar(QWidget):
    """The overlay's colours with the values at both ends."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(150, 26)
        self.setAccessibleName("Colour scale of the map")
        self._picture = QImage()
        self._ends = ("", "")

    def show_scale(self, name: str, low: float, high: float, signed: bool) -> None:
        """Show a colour map from `low` to `high`."""
        table = np.ascontiguousarray(colour_bar(name, signed)[None])  # (1, 256, 4)
        self._picture = QImage(table.data, 256, 1, QImage.Format.Format_RGBA8888).copy()
        self._ends = (f"{low:.2g}", f"{high:.2g}")
        self.setToolTip(
            f"{low:.3g} to {high:.3g} in the map's own units; one scale for all images of this run"
        )
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw bar and ends."""
        painter = QPainter(self)
        painter.drawImage(self.rect().adjusted(0, 0, 0, -15), self._picture)
        line = self.rect().adjusted(0, 11, 0, 0)
        painter.setPen(self.palette().text().color())
        painter.drawText(
            line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, self._ends[0]
        )
        painter.drawText(
            line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, self._ends[1]
        )
