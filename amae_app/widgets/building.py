"""Rows and columns of widgets, each in one call, and the names by which widgets are found."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QLayout, QVBoxLayout, QWidget

Widget = TypeVar("Widget", bound=QWidget)
Box = TypeVar("Box", bound=QBoxLayout)
# a widget or a layout, alone or with its stretch; a number is stretch without anything in it
Item = QWidget | QLayout | tuple[QWidget | QLayout, int] | int
Margins = int | tuple[int, int, int, int] | None


def column_of(
    *items: Item, into: QWidget | None = None, margins: Margins = None, spacing: int | None = None
) -> QVBoxLayout:
    """Items from top to bottom.

    Args:
        items: What it holds.
        into: The widget that it fills.
        margins: Around it, in pixels: one for all, or left, top, right and bottom.
        spacing: Between two items, in pixels.
    """
    return _box(QVBoxLayout(), items, into, margins, spacing)


def row_of(
    *items: Item, into: QWidget | None = None, margins: Margins = None, spacing: int | None = None
) -> QHBoxLayout:
    """Items from left to right; see `column_of`."""
    return _box(QHBoxLayout(), items, into, margins, spacing)


def fill(layout: QBoxLayout, *items: Item) -> None:
    """Add items behind those that a layout holds."""
    for item in items:
        if isinstance(item, int):
            layout.addStretch(item)
            continue
        what, stretch = item if isinstance(item, tuple) else (item, 0)
        if isinstance(what, QLayout):
            layout.addLayout(what, stretch)
        else:
            layout.addWidget(what, stretch)


def named(widget: Widget, name: str = "", label: str = "", tip: str = "") -> Widget:
    """The widget, with what finds it and what explains it.

    Args:
        widget: Any.
        name: Its object name.
        label: What a screen reader says.
        tip: Its tool tip.
    """
    for text, give in (
        (name, widget.setObjectName),
        (label, widget.setAccessibleName),
        (tip, widget.setToolTip),
    ):
        if text:
            give(text)
    return widget


def _box(
    box: Box, items: tuple[Item, ...], into: QWidget | None, margins: Margins, spacing: int | None
) -> Box:
    if into is not None:
        into.setLayout(box)
    if margins is not None:
        box.setContentsMargins(*(margins if isinstance(margins, tuple) else (margins,) * 4))
    if spacing is not None:
        box.setSpacing(spacing)
    fill(box, *items)
    return box
