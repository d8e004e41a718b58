"""Colours, palette and style of the window: dark for reading rooms, light, or the system's.

Normal is blue and abnormal orange everywhere, never red and green. The image area stays dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QVBoxLayout, QWidget

from amae_app.widgets.building import column_of

IMAGE_GROUND = "#0b0d10"


class ThemeName(StrEnum):
    """What the reader chooses."""

    DARK = "dark"
    LIGHT = "light"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Colours:
    """One theme's colours; text on `ground` and `card` has a contrast of at least 4.5 : 1."""

    ground: str
    card: str
    raised: str
    line: str
    text: str
    quiet: str
    accent: str
    on_accent: str
    normal: str
    abnormal: str
    good: str
    warning: str


DARK = Colours(
    ground="#14161a",
    card="#1b1e24",
    raised="#272b33",
    line="#343943",
    text="#e4e7ec",
    quiet="#a0a7b3",
    accent="#58a6f5",
    on_accent="#0b1118",
    normal="#6cb2f7",
    abnormal="#f0a350",
    good="#62c19a",
    warning="#f0c05a",
)
LIGHT = Colours(
    ground="#eef0f3",
    card="#ffffff",
    raised="#e6e9ee",
    line="#c9ced6",
    text="#1c2027",
    quiet="#545c69",
    accent="#1565b5",
    on_accent="#ffffff",
    normal="#1565b5",
    abnormal="#a65300",
    good="#1c7a55",
    warning="#8a6100",
)

_current = DARK


def colours() -> Colours:
    """The colours of the theme in use."""
    return _current


def apply_theme(application: QApplication, name: ThemeName) -> None:
    """Style the whole application; open windows follow."""
    global _current
    hints = application.styleHints()
    schemes = {
        ThemeName.DARK: Qt.ColorScheme.Dark,
        ThemeName.LIGHT: Qt.ColorScheme.Light,
        ThemeName.SYSTEM: Qt.ColorScheme.Unknown,
    }
    hints.setColorScheme(schemes[name])
    is_light = name is ThemeName.LIGHT or (
        name is ThemeName.SYSTEM and hints.colorScheme() is Qt.ColorScheme.Light
    )
    _current = LIGHT if is_light else DARK
    application.setStyle("Fusion")
    application.setPalette(_palette(_current))
    application.setStyleSheet(_style(_current))
    pg.setConfigOptions(
        imageAxisOrder="row-major",
        antialias=True,
        background=_current.card,
        foreground=_current.quiet,
    )


def card(title: str = "") -> tuple[QFrame, QVBoxLayout]:
    """A panel with an optional heading, and the layout to fill."""
    frame = QFrame()
    frame.setProperty("card", True)
    layout = column_of(into=frame, margins=(12, 10, 12, 12), spacing=8)
    if title:
        layout.addWidget(heading(title))
    return frame, layout


def heading(text: str) -> QLabel:
    """A card's heading."""
    label = QLabel(text)
    label.setProperty("heading", True)
    return label


def quiet(text: str = "") -> QLabel:
    """A secondary line that wraps."""
    label = QLabel(text)
    label.setProperty("quiet", True)
    label.setWordWrap(True)
    return label


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet selects on, and apply it at once."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def _palette(c: Colours) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: c.ground,
        QPalette.ColorRole.WindowText: c.text,
        QPalette.ColorRole.Base: c.raised,
        QPalette.ColorRole.AlternateBase: c.raised,
        QPalette.ColorRole.Text: c.text,
        QPalette.ColorRole.Button: c.raised,
        QPalette.ColorRole.ButtonText: c.text,
        QPalette.ColorRole.ToolTipBase: c.raised,
        QPalette.ColorRole.ToolTipText: c.text,
        QPalette.ColorRole.PlaceholderText: c.quiet,
        QPalette.ColorRole.Highlight: c.accent,
        QPalette.ColorRole.HighlightedText: c.on_accent,
        QPalette.ColorRole.Link: c.accent,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(c.quiet))
    return palette


def _style(c: Colours) -> str:
    return f"""
    QFrame[card="true"] {{ background: {c.card}; border: 1px solid {c.line}; border-radius: 8px; }}
    QFrame[card="true"] QLabel {{ background: transparent; border: none; }}
    QLabel[heading="true"] {{ font-weight: 600; font-size: 11pt; }}
    QLabel[quiet="true"] {{ color: {c.quiet}; }}
    QLabel[state="good"] {{ color: {c.good}; }}
    QLabel[state="warning"] {{ color: {c.warning}; }}
    QLabel[class="normal"] {{ color: {c.normal}; }}
    QLabel[class="abnormal"] {{ color: {c.abnormal}; }}
    QPushButton {{ background: {c.raised}; border: 1px solid {c.line}; border-radius: 6px;
        padding: 5px 12px; }}
    QPushButton:hover {{ border-color: {c.accent}; }}
    QPushButton:focus {{ border: 2px solid {c.accent}; padding: 4px 11px; }}
    QPushButton:checked {{ border-color: {c.accent}; color: {c.accent}; }}
    QPushButton:disabled {{ color: {c.quiet}; background: {c.card}; }}
    QPushButton[primary="true"] {{ background: {c.accent}; color: {c.on_accent};
        font-weight: 600; border-color: {c.accent}; }}
    QPushButton[primary="true"]:focus {{ border-color: {c.text}; }}
    QPushButton[primary="true"]:disabled {{ background: {c.raised}; color: {c.quiet};
        border-color: {c.line}; }}
    QPushButton[rail="true"] {{ text-align: left; border: none; border-left: 3px solid transparent;
        border-radius: 0; padding: 9px 10px; background: transparent; }}
    QPushButton[rail="true"]:checked {{ border-left-color: {c.accent}; background: {c.card};
        color: {c.text}; }}
    QPushButton[rail="true"]:focus {{ border: 2px solid {c.accent}; padding: 7px 9px; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QFrame[bar="true"] {{ background: {c.card}; border: none; }}
    QLineEdit {{ background: {c.raised}; border: 1px solid {c.line}; border-radius: 5px;
        padding: 3px 6px; }}
    QLineEdit:focus {{ border-color: {c.accent}; }}
    QProgressBar {{ background: {c.raised}; border: none; border-radius: 5px; min-height: 14px;
        max-height: 14px; text-align: center; }}
    QProgressBar::chunk {{ background: {c.accent}; border-radius: 5px; }}
    QProgressBar[paused="true"]::chunk {{ background: {c.quiet}; }}
    QTableView {{ background: {c.card}; border: none; gridline-color: {c.line};
        selection-background-color: {c.raised}; selection-color: {c.text}; }}
    QTableView::indicator {{ width: 13px; height: 13px; border: 1px solid {c.quiet};
        border-radius: 3px; background: {c.raised}; }}
    QTableView::indicator:checked {{ background: {c.accent}; border-color: {c.accent}; }}
    QHeaderView::section {{ background: {c.card}; color: {c.quiet}; border: none;
        border-bottom: 1px solid {c.line}; padding: 6px; }}
    QListView {{ background: {c.card}; border: none; }}
    QScrollArea {{ border: none; background: transparent; }}
    QTabBar::tab {{ background: transparent; color: {c.quiet}; padding: 5px 8px; border: none; }}
    QTabBar::tab:selected {{ color: {c.text}; border-bottom: 2px solid {c.accent}; }}
    QTabBar:focus {{ outline: none; }}
    QTabBar:focus::tab:selected {{ color: {c.accent}; }}
    QTabWidget::pane {{ border: none; }}
    QSplitter::handle {{ background: transparent; }}
    """
