"""Panes side by side: their widths are remembered, and what no longer fits folds into a strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QPushButton,
    QSplitter,
    QStackedLayout,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

from amae_app.settings import Settings
from amae_app.widgets.building import named

_STRIP = 30  # logical pixels of a folded pane
_GAP = 10


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane.

    Attributes:
        title: What its strip says when it is folded.
        least: Logical pixels below which it is not drawn.
        first: Width at the first start.
        stretch: Its share of what more there is; 0 keeps its width.
        fold: Which pane folds first where there is no room, 1 before 2; 0 never folds.
    """

    widget: QWidget
    title: str
    least: int
    first: int
    stretch: int = 0
    fold: int = 0


class Panes(QSplitter):
    """A splitter whose panes fold.

    Args:
        panes: From left to right.
        name: Under which the widths are kept.
        settings: Where they are kept.
    """

    def __init__(self, panes: Sequence[Pane], name: str, settings: Settings) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setObjectName(f"{name}Panes")
        self.setChildrenCollapsible(False)
        self.setHandleWidth(_GAP)
        self._panes, self._name, self._settings = tuple(panes), name, settings
        self._shells: list[_Shell] = []
        for number, pane in enumerate(panes):
            shell = _Shell(pane)
            shell.open_wanted.connect(self._on_open)
            self._shells.append(shell)
            self.addWidget(shell)
            self.setStretchFactor(number, pane.stretch)
        # what folds last stands first; a pane that the reader opens comes to the front
        foldable = [number for number, pane in enumerate(panes) if pane.fold]
        self._order = sorted(foldable, key=lambda number: -panes[number].fold)
        self._widths = settings.widths(name)
        if len(self._widths) != len(panes):
            self._widths = [pane.first for pane in panes]
        self.splitterMoved.connect(self._on_moved)

    @property
    def folded(self) -> tuple[str, ...]:
        """Titles of the panes that are folded."""
        return tuple(shell.pane.title for shell in self._shells if shell.is_folded)

    def minimumSizeHint(self) -> QSize:
        """With everything folded that folds."""
        fixed = sum(_STRIP if pane.fold else pane.least for pane in self._panes)
        return QSize(fixed + _GAP * (len(self._panes) - 1), 200)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold and unfold as the room asks for."""
        self._fold()
        super().resizeEvent(event)

    def open(self, number: int) -> None:
        """Open a pane; another one folds where both do not fit."""
        if number in self._order:
            self._order.remove(number)
            self._order.insert(0, number)
        self._fold()

    def _fold(self) -> None:
        room = self.width() - _GAP * (len(self._panes) - 1)
        is_open = [True] * len(self._panes)
        for number in reversed(self._order):
            if self._needed(is_open) <= room:
                break
            is_open[number] = False
        before = [shell.is_folded for shell in self._shells]
        for shell, opened in zip(self._shells, is_open, strict=True):
            shell.fold(not opened)
        if before != [shell.is_folded for shell in self._shells] or not any(self.sizes()):
            self._set_widths(room, is_open)

    def _needed(self, is_open: Sequence[bool]) -> int:
        pairs = zip(self._panes, is_open, strict=True)
        return sum(pane.least if opened else _STRIP for pane, opened in pairs)

    def _set_widths(self, room: int, is_open: Sequence[bool]) -> None:
        """The remembered widths; what is over goes to the panes that stretch."""
        widths = [
            max(width, pane.least) if opened else _STRIP
            for pane, width, opened in zip(self._panes, self._widths, is_open, strict=True)
        ]
        stretches = [
            pane.stretch if opened else 0 for pane, opened in zip(self._panes, is_open, strict=True)
        ]
        over, total = room - sum(widths), sum(stretches)
        if total and over > 0:
            pairs = zip(widths, stretches, strict=True)
            widths = [width + over * stretch // total for width, stretch in pairs]
        # what is missing is taken from the pane that stretches most, as far as that can be drawn
        for number in sorted(range(len(widths)), key=lambda n: -stretches[n]):
            if over < 0 and is_open[number]:
                taken = min(-over, widths[number] - self._panes[number].least)
                widths[number] -= taken
                over += taken
        self.setSizes(widths)

    @Slot()
    def _on_moved(self) -> None:
        for number, (width, shell) in enumerate(zip(self.sizes(), self._shells, strict=True)):
            if not shell.is_folded:
                self._widths[number] = width
        self._settings.set_widths(self._name, self._widths)

    @Slot()
    def _on_open(self) -> None:
        shell = self.sender()
        if isinstance(shell, _Shell):
            self.open(self._shells.index(shell))


class _Shell(QWidget):
    """A pane's content, or its strip."""

    open_wanted = Signal()

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self.pane = pane
        self.is_folded = False
        self._strip = _Strip(pane.title)
        self._strip.clicked.connect(self.open_wanted)
        self._layout = QStackedLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSizeConstraint(QStackedLayout.SizeConstraint.SetNoConstraint)
        self._layout.addWidget(pane.widget)
        self._layout.addWidget(self._strip)
        self.setMinimumWidth(pane.least)

    def fold(self, folds: bool) -> None:
        """Show the strip, or the content."""
        if folds == self.is_folded:
            return
        self.is_folded = folds
        self._layout.setCurrentIndex(1 if folds else 0)
        self.setMinimumWidth(_STRIP if folds else self.pane.least)
        self.setMaximumWidth(_STRIP if folds else 16_777_215)


class _Strip(QPushButton):
    """A button that is read from below; it opens the folded pane."""

    def __init__(self, title: str) -> None:
        super().__init__()
        named(
            self, label=f"Open {title}", tip=f"Open {title}; there is no room for everything here"
        )
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._title = title

    def minimumSizeHint(self) -> QSize:
        """As narrow as a strip."""
        return QSize(_STRIP, 80)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The button's face, and its title upwards."""
        painter = QPainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        self.style().drawControl(QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        painter.setPen(self.palette().buttonText().color())
        painter.translate(self.width() / 2, self.height() / 2)
        painter.rotate(-90)
        size = self.height()
        painter.drawText(
            -size // 2, -self.width() // 2, size, self.width(),
            Qt.AlignmentFlag.AlignCenter, f"{self._title}  ▸",
        )  # fmt: skip
