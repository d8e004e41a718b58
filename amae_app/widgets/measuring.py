"""Lengths and the cardiothoracic ratio, drawn on an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import pyqtgraph as pg
from PySide6.QtCore import QObject, QPointF, Signal, Slot

from amae_app.widgets.image_view import ImageView

_NEAR_EDGE = 0.6  # of the width, from where a text stands left of its line's end
_RULER, _HEART, _THORAX = "#f5d76e", "#f0a350", "#6cb2f7"


@dataclass(frozen=True, slots=True)
class Scale:
    """How large an image's pixels are.

    Attributes:
        columns, rows: Of the original.
        column_mm, row_mm: From one to the next; None where the file does not say.
        tag: What says so.
    """

    columns: int
    rows: int
    column_mm: float | None = None
    row_mm: float | None = None
    tag: str = ""

    @property
    def unit(self) -> str:
        """What lengths are in: mm, or px where the file says no size."""
        return "mm" if self.column_mm and self.row_mm else "px"

    @property
    def text(self) -> str:
        """What lengths are measured by."""
        if not (self.column_mm and self.row_mm):
            return "px: the file has no pixel size"
        size = f"{self.column_mm:.3g}"
        if self.row_mm != self.column_mm:
            size += f" × {self.row_mm:.3g}"
        where = ", at the detector" if self.tag == "ImagerPixelSpacing" else ""
        return f"{size} mm ({self.tag or 'pixel size'}{where})"

    def between(self, start: QPointF, end: QPointF) -> tuple[float, float]:
        """How far two places (0…1) lie apart across and down, in `unit`."""
        column, row = (1.0, 1.0) if self.unit == "px" else (self.column_mm or 1, self.row_mm or 1)
        across = (end.x() - start.x()) * self.columns * column
        return across, (end.y() - start.y()) * self.rows * row


class Measure(StrEnum):
    """What the next line measures."""

    NOTHING = ""
    LENGTH = "length"
    HEART = "heart"
    THORAX = "thorax"


class Measuring(QObject):
    """Lines on a view: lengths, and heart against thorax.

    Signals:
        said(text): what was measured, or what to draw next.
    """

    said = Signal(str)

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._view = view
        self.scale = Scale(1, 1)
        self.now = Measure.NOTHING
        self._drawn: list[tuple[pg.PlotDataItem, pg.TextItem]] = []
        self._open: tuple[pg.PlotDataItem, pg.TextItem] | None = None
        self._heart = 0.0
        view.line_dragged.connect(self._on_line)
        view.mouse_given.connect(self._on_mouse_given)

    @Slot()
    def start_length(self) -> None:
        """Measure lengths, until asked again."""
        self._start(Measure.NOTHING if self.now is Measure.LENGTH else Measure.LENGTH)
        if self.now is Measure.LENGTH:
            self.said.emit(f"Drag a line to measure it · {self.scale.text}")

    @Slot()
    def start_ratio(self) -> None:
        """Measure the heart, then the thorax."""
        was = self.now in (Measure.HEART, Measure.THORAX)
        self.clear()
        self._start(Measure.NOTHING if was else Measure.HEART)
        if not was:
            self.said.emit("Drag across the widest part of the heart")

    @Slot()
    def clear(self) -> None:
        """Take every line away, and measure nothing."""
        for items in self._drawn:
            for item in items:
                self._view.box.removeItem(item)
        self._drawn, self._open = [], None
        self._start(Measure.NOTHING)
        self.said.emit("")

    def _start(self, measure: Measure) -> None:
        self.now = measure
        if measure is not Measure.NOTHING:
            self._view.give_mouse(self)
        elif self._view.mouse_owner is self:
            self._view.give_mouse(None)

    @Slot()
    def _on_mouse_given(self) -> None:
        """Another tool draws now."""
        if self._view.mouse_owner is not self:
            self.now = Measure.NOTHING

    @Slot(object, object, bool)
    def _on_line(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        if self.now is Measure.NOTHING:
            return
        tint = {Measure.HEART: _HEART, Measure.THORAX: _THORAX}.get(self.now, _RULER)
        if self._open is None:
            line = pg.PlotDataItem(pen=pg.mkPen(tint, width=2), symbol="+", symbolPen=tint)
            text = pg.TextItem(color=tint, anchor=(0, 1), fill=pg.mkBrush(0, 0, 0, 150))
            for item in (line, text):
                item.setZValue(2)
                self._view.box.addItem(item, ignoreBounds=True)
            self._open = (line, text)
            self._drawn.append(self._open)
        line, text = self._open
        a, b = self._view.to_view(start), self._view.to_view(end)
        line.setData([a.x(), b.x()], [a.y(), b.y()])
        text.setPos(b)
        text.setAnchor((1 if end.x() > _NEAR_EDGE else 0, 1))
        across, down = self.scale.between(start, end)
        is_length = self.now is Measure.LENGTH
        size = math.hypot(across, down) if is_length else abs(across)
        text.setText(f"{size:.1f} {self.scale.unit}")
        if is_finished:
            self._open = None
            self._finish(size)

    def _finish(self, size: float) -> None:
        unit = self.scale.unit
        if self.now is Measure.LENGTH:
            self.said.emit(f"{size:.1f} {unit} · {self.scale.text}")
        elif self.now is Measure.HEART:
            self._heart = size
            self._start(Measure.THORAX)
            self.said.emit("Drag across the widest part of the thorax, inside the ribs")
        elif self.now is Measure.THORAX and size > 0:
            self._start(Measure.NOTHING)
            self.said.emit(
                f"Cardiothoracic ratio {self._heart / size:.2f} (heart {self._heart:.1f} {unit}, "
                f"thorax {size:.1f} {unit}, across) · {self.scale.text}"
            )
