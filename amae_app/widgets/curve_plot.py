"""ROC and precision-recall curves with a point that can be dragged along one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QWidget

from amae_app.theme import colours
from amae_app.widgets.themed_plot import ThemedPlot

PALETTE = ("#8f97a3", "#58a6f5", "#3fb39a", "#f0a350", "#c08ae6", "#d9d25a", "#e0776b", "#e3a6cd")


@dataclass(frozen=True, slots=True)
class PlottedCurve:
    """One curve: x, y and thresholds are (k,)."""

    label: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    colour: str


class CurvePlot(ThemedPlot):
    """Curves in the unit square.

    Signals:
        threshold_picked(value): the reader clicked near the active curve or dragged its point.
    """

    threshold_picked = Signal(float)

    def __init__(
        self,
        x: str,
        y: str,
        diagonal: bool,
        has_point: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._has_point = has_point
        self._x, self._y = x, y
        self._active: PlottedCurve | None = None
        self.setLabel("bottom", x)
        self.setLabel("left", y)
        self.setXRange(0, 1, padding=0.02)
        self.setYRange(0, 1, padding=0.02)
        self.showGrid(x=True, y=True, alpha=0.12)
        self._diagonal = diagonal
        self._point = pg.TargetItem(
            pos=(0, 0), size=12, movable=True, pen=pg.mkPen(colours().text, width=2),
            brush=pg.mkBrush(colours().card),
        )  # fmt: skip
        self._point.sigPositionChanged.connect(self._on_moved)
        self._curves: list[pg.PlotDataItem] = []
        self._shown: tuple[Sequence[PlottedCurve], int] = ((), 0)
        self.scene().sigMouseClicked.connect(self._on_clicked)

    def sizeHint(self) -> QSize:
        """Room to read it; a graphics view asks for a window's."""
        return QSize(300, 230)

    def minimumSizeHint(self) -> QSize:
        """Never drawn flatter than that."""
        return QSize(120, 170)

    def show_curves(self, curves: Sequence[PlottedCurve], active: int) -> None:
        """Draw curves; the active one is wide and carries the point."""
        self.clear()
        self._curves, self._shown = [], (curves, active)
        if self._diagonal:
            self.plot([0, 1], [0, 1], pen=pg.mkPen(colours().line, style=Qt.PenStyle.DashLine))
        for number, curve in enumerate(curves):
            pen = pg.mkPen(curve.colour, width=3 if number == active else 1.5)
            self._curves.append(self.plot(curve.x, curve.y, pen=pen))
        self._active = curves[active] if curves else None
        self.setAccessibleName(f"{self._y} over {self._x}")
        self.setAccessibleDescription(_spoken(curves, active))
        if self._active is not None and self._has_point:
            self.addItem(self._point)

    def follow_theme(self) -> None:
        """The point and the diagonal too."""
        super().follow_theme()
        self._point.setPen(pg.mkPen(colours().text, width=2))
        self._point.setBrush(pg.mkBrush(colours().card))
        self.show_curves(*self._shown)

    def show_threshold(self, threshold: float) -> None:
        """Put the point where the active curve has a threshold."""
        if self._active is None:
            return
        thresholds = self._active.thresholds
        at_or_above = np.flatnonzero(thresholds >= threshold)  # what is called is at or above it
        places = at_or_above if len(at_or_above) else np.arange(len(thresholds))
        self._move_point(int(places[np.argmin(_finite(thresholds)[places])]))

    def _move_point(self, place: int) -> None:
        if self._active is None:
            return
        self._point.blockSignals(True)
        self._point.setPos(float(self._active.x[place]), float(self._active.y[place]))
        self._point.blockSignals(False)

    def _on_moved(self) -> None:
        self._pick(self._point.pos().x(), self._point.pos().y())

    def _on_clicked(self, event: object) -> None:
        position = self.plotItem.vb.mapSceneToView(event.scenePos())  # type: ignore[attr-defined]
        self._pick(position.x(), position.y())

    def _pick(self, x: float, y: float) -> None:
        if self._active is None:
            return
        distance = np.hypot(self._active.x - x, self._active.y - y)
        place = int(np.argmin(distance))
        self._move_point(place)
        self.threshold_picked.emit(float(_finite(self._active.thresholds)[place]))


def _spoken(curves: Sequence[PlottedCurve], active: int) -> str:
    """What the plot shows, for a screen reader: each curve's height at three places."""
    lines = []
    for number, curve in enumerate(curves):
        heights = np.interp((0.1, 0.2, 0.5), curve.x, curve.y) if len(curve.x) else np.zeros(3)
        shown = ", ".join(f"{h:.2f} at {x}" for h, x in zip(heights, (0.1, 0.2, 0.5), strict=True))
        lines.append(f"{curve.label}{' (chosen)' if number == active else ''}: {shown}")
    return ". ".join(lines)


def _finite(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Thresholds with the curves' infinite ends put just beyond the scores."""
    finite = thresholds[np.isfinite(thresholds)]
    if len(finite) == 0:
        return np.zeros_like(thresholds)
    return np.nan_to_num(thresholds, posinf=finite.max() + 1e-6, neginf=finite.min())
