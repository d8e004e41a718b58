"""Finding and clicking a window's widgets by their names."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from tests.waiting import wait_until

WAIT = 120_000  # milliseconds: a guard against hanging, never a bound on speed


def find(window, kind, name: str):
    """The widget of a kind and a name."""
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def click(qtbot, window, name: str) -> None:
    """Click a button with the left mouse button."""
    qtbot.mouseClick(find(window, QPushButton, name), Qt.MouseButton.LeftButton)


def saved(page) -> None:
    """Wait until every act of a page is in the catalog."""
    wait_until(lambda: not page._context.acts.waiting, WAIT / 1000)
