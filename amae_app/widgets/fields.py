"""Fields with a value that the wheel changes only where they were clicked or reached by Tab.

Without the focus the wheel goes on to what scrolls behind them. Every page and dialog takes its combos,
spin boxes and sliders from here; `tests/app/test_wheel.py` looks at each of them.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSlider, QSpinBox


class _Steady:
    """Before one of Qt's fields in the bases; it is no widget itself, since Qt allows one alone."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # type: ignore[attr-defined]

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the value of the field that has the focus."""
        if self.hasFocus():  # type: ignore[attr-defined]
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class ComboBox(_Steady, QComboBox):
    """One of several."""


class SpinBox(_Steady, QSpinBox):
    """A whole number."""


class DoubleSpinBox(_Steady, QDoubleSpinBox):
    """A number."""


class Slider(_Steady, QSlider):
    """A number by its place."""
