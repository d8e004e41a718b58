"""The viewer of every page: an image at its full depth with a reading room's tools."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, QPointF, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QMenu, QPushButton, QWidget

from amae_app.theme import quiet, restyle
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.image_view import FULL, ImageView
from amae_app.widgets.magnifier import Magnifier
from amae_app.widgets.measuring import Measuring, Scale
from amae_app.widgets.page_keys import PageKeys

PRESETS = {"1": FULL, "2": (0.1, 0.7), "3": (0.25, 0.9), "4": (0.4, 1.0)}
_PRESET_TEXTS = {"1": "as the file says", "2": "dark parts", "3": "middle", "4": "bright parts"}


class WindowLike(Protocol):
    """A window of a file."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def shades(self) -> npt.NDArray[np.float32]: ...  # noqa: D102

    @property
    def black(self) -> float: ...  # noqa: D102

    @property
    def white(self) -> float: ...  # noqa: D102


class DeepImage(Protocol):
    """An image at its full depth."""

    @property
    def codes(self) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]: ...  # noqa: D102

    @property
    def values(self) -> npt.NDArray[np.float64]: ...  # noqa: D102

    @property
    def padded(self) -> npt.NDArray[np.bool_]: ...  # noqa: D102

    @property
    def is_inverse(self) -> bool: ...  # noqa: D102

    @property
    def windows(self) -> tuple[WindowLike, ...]: ...  # noqa: D102


class ImageViewer(QWidget):
    """One image, its value under the mouse, its measures, and why the original is not shown.

    Args:
        name: For screen readers.

    Signals:
        relink_wanted(): the original is gone, and the reader wants to look for it.
    """

    relink_wanted = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = ImageView(name)
        self.measuring = Measuring(self.view)
        self.magnifier = Magnifier(self.view)
        self.state = quiet()
        self.measured = quiet()
        self.notice = quiet()
        self.relink = QPushButton("Find it…")
        self._deep: DeepImage | None = None
        self._stored: npt.NDArray[np.uint8] | None = None
        self._window = 0
        self._aspect = 1.0
        self._keys: PageKeys | None = None
        self.sides = (QLabel("", self.view), QLabel("", self.view))
        self._sides_on = True
        self._lay_out()
        self.view.hovered.connect(self._on_hover)
        self.view.menu_wanted.connect(self._on_menu)
        self.view.reset_wanted.connect(self.reset)
        self.measuring.said.connect(self._on_said)

    @property
    def is_original(self) -> bool:
        """Whether the original's own pixels are shown."""
        return self._deep is not None

    def show_stored(self, image: npt.NDArray[np.uint8] | None, aspect: float = 1.0) -> None:
        """Show the stored image (H, W) uint8, None for nothing; the original may follow.

        Args:
            image: As the store has it, without its aspect.
            aspect: Width over height of the original.
        """
        self._deep, self._stored, self._window, self._aspect = None, image, 0, aspect
        self.measuring.clear()
        side = 1 if image is None else len(image)
        self.measuring.scale = Scale(round(side * aspect), side)
        self.view.show_image(image, aspect)
        self.show_sides(("", "") if image is None else ("R?", "L?"))
        self.show_notice("")
        self._say()

    def show_original(
        self, image: DeepImage, aspect: float, sides: tuple[str, str], scale: Scale
    ) -> None:
        """Show the original's pixels, at the same place and window as what was shown.

        Args:
            image: At its full depth.
            aspect: Its width over its height on the screen.
            sides: Of the patient at the left and right edge, "" where unknown.
            scale: How large its pixels are.
        """
        self._deep, self._window, self._aspect = image, 0, aspect
        self.measuring.scale = scale
        self._draw_original()
        self.show_sides(sides if any(sides) else ("R?", "L?"))
        self.show_notice("")
        self._say()

    def show_notice(self, text: str, can_relink: bool = False) -> None:
        """Say why the original is not shown; "" where it is."""
        self.notice.setText(text)
        self.notice.setVisible(bool(text))
        self.relink.setVisible(bool(text) and can_relink)

    def show_sides(self, sides: tuple[str, str]) -> None:
        """Which side of the patient is left and right on the screen; "?" is by convention alone."""
        for label, side in zip(self.sides, sides, strict=True):
            label.setText(side)
            label.setToolTip(
                "By convention: the file does not say which side this is."
                if side.endswith("?")
                else "As the file says"
            )
            label.setVisible(bool(side) and self._sides_on)
            label.adjustSize()
        self._place_sides()

    def add_keys(self, keys: PageKeys) -> None:
        """Give the page the viewer's keys."""
        self._keys = keys
        view, measuring = self.view, self.measuring
        keys.add("invert", "invert", "I", self.toggle_invert)
        for number in PRESETS:
            preset = partial(self.window_preset, number)
            keys.add(f"window{number}", f"window {number}", number, preset, is_named=False)
        for name, text, key, act in (
            ("closer", "closer", "+", partial(view.zoom, 1.25)),
            ("farther", "farther", "-", partial(view.zoom, 0.8)),
            ("fit", "whole image", "=", view.fit),
            ("pixels", "pixel by pixel", "Z", view.zoom_to_pixels),
            ("reset", "reset", "R", self.reset),
            ("magnifier", "magnifier", "M", self.magnifier.toggle),
            ("ruler", "ruler", "L", measuring.start_length),
            ("ratio", "cardiothoracic ratio", "C", measuring.start_ratio),
            ("clear", "no measures", "Shift+L", measuring.clear),
        ):
            keys.add(name, text, key, act, is_named=False)

    def window_preset(self, number: str) -> None:
        """One of the four windows, by its key."""
        self.view.set_levels(*PRESETS[number])
        self.view.levels_changed.emit(*PRESETS[number])
        self._say()

    def toggle_invert(self) -> None:
        """Swap black and white."""
        self.view.invert()

    @Slot()
    def reset(self) -> None:
        """The file's first window, the whole image, not inverted, nothing measured."""
        self._choose_window(0)
        self.window_preset("1")
        if self.view.is_inverted:
            self.toggle_invert()
        self.measuring.clear()
        self.view.fit()

    def menu(self) -> QMenu:
        """What can be done here; the page's keys stand next to it."""
        menu = QMenu(self)
        windows = menu.addMenu("Window of the file")
        for number, window in enumerate(self._deep.windows if self._deep else ()):
            action = windows.addAction(window.name, partial(self._choose_window, number))
            action.setCheckable(True)
            action.setChecked(number == self._window)
        windows.setEnabled(self._deep is not None)
        presets = menu.addMenu("Preset")
        for preset, text in _PRESET_TEXTS.items():
            presets.addAction(f"{preset}  {text}", partial(self.window_preset, preset))
        menu.addSeparator()
        for text, name, slot in (
            ("Invert", "invert", self.toggle_invert),
            ("Whole image", "fit", self.view.fit),
            ("Pixel by pixel", "pixels", self.view.zoom_to_pixels),
            ("Magnifier", "magnifier", self.magnifier.toggle),
            ("Ruler", "ruler", self.measuring.start_length),
            ("Cardiothoracic ratio", "ratio", self.measuring.start_ratio),
            ("No measures", "clear", self.measuring.clear),
            ("Reset", "reset", self.reset),
        ):
            key = f"\t{self._keys.shown(name)}" if self._keys is not None else ""
            menu.addAction(f"{text}{key}", slot)
        sides = menu.addAction("Side markers", self._toggle_sides)
        sides.setCheckable(True)
        sides.setChecked(self._sides_on)
        return menu

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the side markers in their corners."""
        super().resizeEvent(event)
        self._place_sides()

    def _lay_out(self) -> None:
        layout = column_of((self.view, 1), into=self, margins=0, spacing=4)
        row = row_of((self.notice, 1), self.relink)
        fill(layout, row, self.measured, self.state)
        self.measured.setObjectName("measured")
        self.measured.hide()
        restyle(self.notice, "state", "warning")
        self.notice.setObjectName("originalNotice")
        named(self.relink, "relinkButton", tip="Choose the folder where the original files are now")
        self.relink.clicked.connect(self.relink_wanted)
        self.show_notice("")
        self.state.setObjectName("viewerState")
        self.state.setWordWrap(False)
        self.state.setMinimumWidth(1)
        for label in self.sides:
            label.setStyleSheet("color: #c3c8d0; background: transparent; font-weight: 600;")
            label.hide()

    def _draw_original(self) -> None:
        if self._deep is None:
            return
        shades = self._deep.windows[self._window].shades
        shown = 1 - shades if self._deep.is_inverse else shades
        self.view.show_codes(self._deep.codes, shown, self._aspect, self._deep.padded)

    def _choose_window(self, number: int) -> None:
        self._window = number
        self._draw_original()
        self._say()

    @Slot()
    def _toggle_sides(self) -> None:
        self._sides_on = not self._sides_on
        for label in self.sides:
            label.setVisible(self._sides_on and bool(label.text()))

    def _place_sides(self) -> None:
        left, right = self.sides
        left.move(8, 6)
        right.move(self.view.width() - right.width() - 8, 6)

    @Slot(str)
    def _on_said(self, text: str) -> None:
        self.measured.setText(text)
        self.measured.setVisible(bool(text))

    @Slot(object)
    def _on_hover(self, point: QPointF | None) -> None:
        self._say(point)

    @Slot(object)
    def _on_menu(self, place: QPointF) -> None:
        self.menu().popup(QPoint(round(place.x()), round(place.y())))

    def _say(self, point: QPointF | None = None) -> None:
        """The value under the mouse, else what is shown."""
        text = ""
        if point is not None:
            text = self._value_at(point)
        elif self._deep is not None:
            text = f"{self._deep.windows[self._window].name} · {self.measuring.scale.text}"
        elif self._stored is not None:
            rows, columns = self._stored.shape
            text = f"stored image, {columns} × {rows}"
        self.state.setText(text)
        self.state.setToolTip(text)

    def _value_at(self, point: QPointF) -> str:
        deep = self._deep
        if deep is not None:
            rows, columns = deep.codes.shape
            x, y = int(point.x() * columns), int(point.y() * rows)
            return f"{deep.values[deep.codes[y, x]]:g} at column {x}, row {y}"
        if self._stored is None:
            return ""
        rows, columns = self._stored.shape
        value = self._stored[int(point.y() * rows), int(point.x() * columns)]
        return f"shade {value} of 255 in the stored image"
