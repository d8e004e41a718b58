"""Outlines on a view: shown, picked, drawn as polygon, freehand or ellipse, and edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyqtgraph as pg
from PySide6.QtCore import QObject, QPointF, Qt, Signal, Slot
from PySide6.QtGui import QPainterPath, QPolygonF
from PySide6.QtWidgets import QGraphicsPathItem

from amae_app.widgets.image_view import ImageView
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import MOST_POINTS, Outline, Points, Shape

_NEAR = 10  # of the screen's pixels, within which a corner is taken hold of
_STEP = 0.004  # of the image's side, between the points of a freehand outline
_THINNEST = 0.003  # an ellipse that is narrower was no drag but a click
_DRAWING = "#ffffff"


class Look(StrEnum):
    """How an outline is shown; colours that colour-blind readers tell apart, and dashes."""

    MARKED = "marked"
    IMPORTED = "imported"
    REJECTED = "rejected"
    OFFERED = "offered"


_PENS = {
    Look.MARKED: ("#f0a350", Qt.PenStyle.SolidLine),
    Look.IMPORTED: ("#6cb2f7", Qt.PenStyle.SolidLine),
    Look.REJECTED: ("#b0b7c3", Qt.PenStyle.DotLine),
    Look.OFFERED: ("#f5e663", Qt.PenStyle.DashLine),
}


class Tool(StrEnum):
    """What the left button does."""

    NOTHING = ""
    POLYGON = "polygon"
    ELLIPSE = "ellipse"
    EDIT = "edit"


_SAYS = {
    Tool.POLYGON: "Click the corners, the last one twice; or drag freehand. Esc ends drawing.",
    Tool.ELLIPSE: "Drag from one corner of the ellipse's box to the other. Esc ends drawing.",
    Tool.EDIT: "Drag a corner, or the whole region. Esc ends editing.",
}


@dataclass(frozen=True, slots=True)
class ShownOutline:
    """One outline and how it looks."""

    outline: Outline
    look: Look


class RegionLayer(QObject):
    """The outlines over one view; all of a look are one item, so thousands stay quick.

    Signals:
        drawn(outline): a reader has drawn one.
        edited(place, outline): one has moved or changed its shape.
        picked(place): one was clicked.
        said(text): what to do next; "" when drawing has ended.
        tool_changed(): another tool, or none.
    """

    drawn = Signal(object)
    edited = Signal(int, object)
    picked = Signal(int)
    said = Signal(str)
    tool_changed = Signal()

    def __init__(self, view: ImageView) -> None:
        super().__init__(view)
        self._view = view
        self.tool = Tool.NOTHING
        self._shown: Sequence[ShownOutline] = ()
        self._chosen = -1
        self._is_visible = True
        self._corners: list[QPointF] = []  # of the polygon that is being drawn
        self._grabbed: tuple[Outline, int] | None = None  # what a drag moves: corner, −1 for all
        self._items = {look: _item(*_PENS[look]) for look in Look}
        self._chosen_item = _item(_DRAWING, Qt.PenStyle.SolidLine, 2.5)
        self._open_item = _item(_DRAWING, Qt.PenStyle.DashLine)
        self._handles = pg.ScatterPlotItem(size=8, brush=pg.mkBrush(_DRAWING), pen=pg.mkPen("#000"))
        self._handles.setZValue(4)
        for item in (*self._items.values(), self._chosen_item, self._open_item, self._handles):
            view.box.addItem(item, ignoreBounds=True)
        view.line_dragged.connect(self._on_line)
        view.clicked.connect(self._on_click)
        view.hovered.connect(self._on_hover)
        view.mouse_given.connect(self._on_mouse_given)

    def show_outlines(self, shown: Sequence[ShownOutline], chosen: int = -1) -> None:
        """Show these in place of the others; what is being drawn stays."""
        self._shown, self._grabbed = shown, None
        for look, item in self._items.items():
            path = QPainterPath()
            for each in shown:
                if each.look is look:
                    path.addPolygon(self._closed(each.outline.polygon))
            item.setPath(path)
        self.choose(chosen)

    def choose(self, place: int) -> None:
        """Show one outline as the chosen one; −1 for none."""
        self._chosen = place if 0 <= place < len(self._shown) else -1
        self._show_chosen(self._shown[self._chosen].outline if self._chosen >= 0 else None)

    def set_visible(self, is_visible: bool) -> None:
        """Show or hide every outline."""
        self._is_visible = is_visible
        for item in (*self._items.values(), self._chosen_item, self._handles):
            item.setVisible(is_visible)

    def start(self, tool: Tool) -> None:
        """Let the left button draw or edit; the same tool again ends it."""
        self.drop()
        self.tool = Tool.NOTHING if tool is self.tool else tool
        if self.tool is not Tool.NOTHING:
            self.set_visible(True)
            self._view.give_mouse(self)
        elif self._view.mouse_owner is self:
            self._view.give_mouse(None)
        self.said.emit(_SAYS.get(self.tool, ""))
        self.choose(self._chosen)
        self.tool_changed.emit()

    def stop(self) -> None:
        """Drop what is half drawn; where nothing is, end drawing."""
        if self._corners:
            self.drop()
        else:
            self.start(Tool.NOTHING)

    def drop(self) -> None:
        """Forget what is half drawn."""
        self._corners, self._grabbed = [], None
        self._open_item.setPath(QPainterPath())

    def _closed(self, points: Points) -> QPolygonF:
        corners = [self._view.to_view(QPointF(x, y)) for x, y in points]
        return QPolygonF([*corners, corners[0]])

    def _show_chosen(self, outline: Outline | None) -> None:
        path = QPainterPath()
        if outline is not None:
            path.addPolygon(self._closed(outline.polygon))
        self._chosen_item.setPath(path)
        has_handles = outline is not None and self.tool is Tool.EDIT
        corners = outline.points if outline is not None and has_handles else ()
        places = [self._view.to_view(QPointF(x, y)) for x, y in corners]
        self._handles.setData([place.x() for place in places], [place.y() for place in places])

    def _show_open(self, points: Sequence[QPointF]) -> None:
        path = QPainterPath()
        path.addPolygon(QPolygonF([self._view.to_view(point) for point in points]))
        self._open_item.setPath(path)

    @Slot()
    def _on_mouse_given(self) -> None:
        if self.tool is not Tool.NOTHING and self._view.mouse_owner is not self:
            self.tool = Tool.NOTHING
            self.drop()
            self.choose(self._chosen)
            self.tool_changed.emit()

    @Slot(object, object, bool)
    def _on_line(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        if self.tool is Tool.ELLIPSE:
            self._drag_ellipse(start, end, is_finished)
        elif self.tool is Tool.POLYGON:
            self._drag_freehand(start, end, is_finished)
        elif self.tool is Tool.EDIT:
            self._drag_outline(start, end, is_finished)

    def _drag_ellipse(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        (left, right), (top, bottom) = sorted((start.x(), end.x())), sorted((start.y(), end.y()))
        corners = ((_inside(left), _inside(top)), (_inside(right), _inside(bottom)))
        outline = Outline(Shape.ELLIPSE, corners)
        self._show_open([QPointF(x, y) for x, y in (*outline.polygon, outline.polygon[0])])
        if is_finished:
            self.drop()
            if min(corners[1][0] - corners[0][0], corners[1][1] - corners[0][1]) > _THINNEST:
                self.drawn.emit(outline)

    def _drag_freehand(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        if not self._corners:
            self._corners = [start]
        step = end - self._corners[-1]
        if abs(step.x()) + abs(step.y()) >= _STEP and len(self._corners) < MOST_POINTS:
            self._corners.append(end)
        self._show_open([*self._corners, self._corners[0]])
        if is_finished:
            self._close()

    def _drag_outline(self, start: QPointF, end: QPointF, is_finished: bool) -> None:
        if self._chosen < 0:
            self._pick(start)
            if self._chosen < 0:
                return
        outline = self._shown[self._chosen].outline
        if self._grabbed is None:
            grip = self._grip(outline, start)
            if grip is None:
                return
            self._grabbed = (outline, grip)
        outline, grip = self._grabbed
        moved = _moved(outline, grip, start, end)
        self._show_chosen(moved)
        if is_finished:
            self._grabbed = None
            if moved != outline:
                self.edited.emit(self._chosen, moved)

    def _grip(self, outline: Outline, place: QPointF) -> int | None:
        """Which corner a drag takes hold of; −1 for the whole, None where it misses."""
        at = self._view.on_screen(place)
        near = [
            (at - self._view.on_screen(QPointF(x, y))).manhattanLength() for x, y in outline.points
        ]
        if min(near) <= _NEAR:
            return near.index(min(near))
        return -1 if _holds(outline, place) else None

    @Slot(object, bool)
    def _on_click(self, place: QPointF, is_double: bool) -> None:
        if self.tool is Tool.POLYGON:
            if not is_double and len(self._corners) < MOST_POINTS:
                self._corners.append(QPointF(_inside(place.x()), _inside(place.y())))
                self._show_open(self._corners)
            elif is_double:
                self._close()
        elif not is_double and self._view.mouse_owner in (None, self):
            self._pick(place)

    @Slot(object)
    def _on_hover(self, place: QPointF | None) -> None:
        if self.tool is Tool.POLYGON and self._corners and place is not None:
            self._show_open([*self._corners, place])

    def _pick(self, place: QPointF) -> None:
        """The smallest outline under a place."""
        under = [
            (_area(each.outline), number)
            for number, each in enumerate(self._shown)
            if _holds(each.outline, place)
        ]
        if under and self._is_visible:
            self.choose(min(under)[1])
            self.picked.emit(self._chosen)

    def _close(self) -> None:
        """The polygon is whole: give it away, unless it has too few corners."""
        points = [(_inside(point.x()), _inside(point.y())) for point in self._corners]
        self.drop()
        try:
            outline = Outline(Shape.POLYGON, tuple(dict.fromkeys(points)))
        except BadInput:
            self.said.emit("A region has at least three corners. " + _SAYS[Tool.POLYGON])
            return
        self.drawn.emit(outline)


def _item(colour: str, style: Qt.PenStyle, width: float = 1.6) -> QGraphicsPathItem:
    item = QGraphicsPathItem()
    pen = pg.mkPen(colour, width=width, style=style)
    pen.setCosmetic(True)
    item.setPen(pen)
    item.setZValue(3)
    return item


def _moved(outline: Outline, grip: int, start: QPointF, end: QPointF) -> Outline:
    if grip < 0:
        return outline.moved(end.x() - start.x(), end.y() - start.y())
    points = list(outline.points)
    points[grip] = (_inside(end.x()), _inside(end.y()))
    if outline.shape is Shape.ELLIPSE:  # a corner that is dragged past the other changes places
        (x0, y0), (x1, y1) = points
        points = [(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))]
    return Outline(outline.shape, tuple(points))


def _inside(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _holds(outline: Outline, place: QPointF) -> bool:
    corners = [QPointF(x, y) for x, y in outline.polygon]
    return QPolygonF(corners).containsPoint(place, Qt.FillRule.OddEvenFill)


def _area(outline: Outline) -> float:
    points = outline.polygon
    following = (*points[1:], points[0])
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True)))
