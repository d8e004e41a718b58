"""A plot whose ground, axes and legend follow the theme at once."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QEvent
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget

from amae_app.theme import Colours, colours


class _WholeAxis(pg.AxisItem):
    """An axis of what is counted: no tick between 3 and 4 images."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Pyqtgraph's levels of ticks (spacing, offset) without the broken ones."""
        levels = super().tickSpacing(minVal, maxVal, size)
        return [level for level in levels if level[0] >= 1] or [(1, 0)]


class ThemedPlot(pg.PlotWidget):
    """Base of every plot; `follow_theme` of a subclass gives its own items their colours.

    Args:
        parent: Where it lies.
        counts: The axes that count something ("left", "bottom"): images, epochs.
    """

    def __init__(self, parent: QWidget | None = None, counts: Sequence[str] = ()) -> None:
        self._is_made = False  # pyqtgraph's constructor already changes the style
        self._colours: Colours | None = None  # that it has
        whole = {name: _WholeAxis(name) for name in counts}
        super().__init__(parent, axisItems=whole, enableMenu=False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self._is_made = True

    def changeEvent(self, event: QEvent) -> None:
        """The application has another style; a widget hears of one with each parent it gets, too."""
        super().changeEvent(event)
        of_style = event.type() is QEvent.Type.StyleChange and self._is_made
        if of_style and self._colours is not colours():
            self._colours = colours()
            self.follow_theme()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls what the plot lies in; no plot here zooms."""
        event.ignore()

    def follow_theme(self) -> None:
        """Take the theme's colours."""
        c = colours()
        self.setBackground(c.card)
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(c.quiet)
            axis.setTextPen(c.quiet)
        legend = self.plotItem.legend
        if legend is not None:
            legend.setLabelTextColor(c.text)
            for _, label in legend.items:
                label.setText(label.text, color=c.text)
