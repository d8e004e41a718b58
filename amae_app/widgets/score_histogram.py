"""Histograms of scores with lines that can be dragged."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from amae_app.theme import colours
from amae_app.widgets.themed_plot import ThemedPlot

Values = npt.NDArray[np.floating]


class Histogram(ThemedPlot):
    """Bars of one or two groups and any number of draggable lines.

    Signals:
        line_dragged(number, value): while a line moves.
        line_dropped(number, value): when it is let go.
        bar_clicked(low, high): the values of a bar that was clicked.
    """

    line_dragged = Signal(int, float)
    line_dropped = Signal(int, float)
    bar_clicked = Signal(float, float)

    def __init__(self, x: str, bins: int = 40, parent: QWidget | None = None) -> None:
        super().__init__(parent, counts=("left",))
        self._bins = bins
        self._lines: list[pg.InfiniteLine] = []
        self._edges: Values = np.zeros(0)
        self.scene().sigMouseClicked.connect(self._on_clicked)
        self.setLabel("bottom", x)
        self.setLabel("left", "images")
        self.getAxis("left").setWidth(44)
        self.getAxis("bottom").enableAutoSIPrefix(False)

    def sizeHint(self) -> QSize:
        """Room to read it; a graphics view asks for a window's."""
        return QSize(300, 100)

    def minimumSizeHint(self) -> QSize:
        """Never drawn flatter than that."""
        return QSize(120, 100)

    def name_values(self, text: str) -> None:
        """Say what the values are, under the axis; pyqtgraph centres a name at a resize only."""
        self.setLabel("bottom", text)
        self.getAxis("bottom").resizeEvent()

    def show_groups(
        self, groups: list[tuple[Values, str]], limits: tuple[float, float] | None = None
    ) -> None:
        """Draw groups of values over one another, each in its colour."""
        for item in list(self.plotItem.items):
            if isinstance(item, pg.BarGraphItem):
                self.removeItem(item)
        every = np.concatenate([values for values, _ in groups]) if groups else np.zeros(0)
        if len(every) == 0:
            return
        low, high = limits or (float(every.min()), float(every.max()))
        edges = np.linspace(low, high if high > low else low + 1, self._bins + 1)
        self._edges = edges
        for values, colour in groups:
            counts, _ = np.histogram(values, edges)
            brush = QColor(colour)
            brush.setAlpha(190)
            bars = pg.BarGraphItem(
                x0=edges[:-1], x1=edges[1:], height=counts, brush=brush, pen=pg.mkPen(None)
            )
            self.addItem(bars)
        sizes = ", ".join(str(len(values)) for values, _ in groups)
        self.setAccessibleName("Histogram of the scores")
        self.setAccessibleDescription(f"From {low:.3g} to {high:.3g}; images a group: {sizes}")
        self.setXRange(edges[0], edges[-1], padding=0.02)
        self.plotItem.vb.autoRange(padding=0.02)

    def show_bands(
        self, values: Values, low: float, high: float, limits: tuple[float, float]
    ) -> None:
        """One distribution in three bands: at or below `low`, between, at or above `high`."""
        c = colours()
        self.show_groups(
            [
                (values[values <= low], c.normal),
                (values[(values > low) & (values < high)], c.quiet),
                (values[values >= high], c.abnormal),
            ],
            limits,
        )

    def set_lines(self, places: list[float], tints: list[str]) -> None:
        """Put the draggable lines."""
        while len(self._lines) < len(places):
            number = len(self._lines)
            line = pg.InfiniteLine(movable=True, pen=pg.mkPen(tints[number], width=2))
            line.setHoverPen(pg.mkPen(tints[number], width=4))
            line.sigDragged.connect(self._on_dragged)
            line.sigPositionChangeFinished.connect(self._on_dropped)
            self._lines.append(line)
            self.addItem(line, ignoreBounds=True)
        for line, place in zip(self._lines, places, strict=False):
            line.blockSignals(True)
            line.setValue(place)
            line.blockSignals(False)

    def _on_clicked(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        x = self.plotItem.vb.mapSceneToView(event.scenePos()).x()
        place = int(np.searchsorted(self._edges, x, "right")) - 1
        if 0 <= place < len(self._edges) - 1:
            self.bar_clicked.emit(float(self._edges[place]), float(self._edges[place + 1]))

    def _on_dragged(self, line: pg.InfiniteLine) -> None:
        self.line_dragged.emit(self._lines.index(line), float(line.value()))

    def _on_dropped(self, line: pg.InfiniteLine) -> None:
        self.line_dropped.emit(self._lines.index(line), float(line.value()))
