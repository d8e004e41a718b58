"""A sentence a workspace over the real window, at the first start and in Help."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QPushButton, QWidget

from amae_app.theme import card, colours, quiet
from amae_app.widgets.building import named, row_of
from amae_app.workspaces import WORKSPACES

_DIM = QColor(0, 0, 0, 150)
_WIDTH = 380


class Tour(QWidget):
    """Covers the window until it is over or skipped.

    Args:
        window: What it explains.
        show_page: Shows a workspace by its number.

    Signals:
        ended(): it is over, or was skipped.
    """

    ended = Signal()

    def __init__(self, window: QWidget, show_page: Callable[[int], object]) -> None:
        super().__init__(window)
        self.setObjectName("tour")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._window, self._show_page, self._number = window, show_page, 0
        self._stops = [(page, row) for page, row in enumerate(WORKSPACES) if row.tour]
        self._box, layout = card()
        self._box.setParent(self)
        self._box.setFixedWidth(_WIDTH)
        self.text = quiet()
        self.text.setProperty("quiet", False)
        self.next_button = named(QPushButton("Next"), "tourNext")
        self.next_button.setProperty("primary", True)
        skip = named(QPushButton("Skip the tour"), "tourSkip")
        layout.addWidget(self.text)
        row = row_of(skip, 1, self.next_button)
        layout.addLayout(row)
        self.next_button.clicked.connect(self._on_next)
        skip.clicked.connect(self.end)
        window.installEventFilter(self)
        self.setGeometry(window.rect())
        self.show()
        self.raise_()
        self._show()

    @Slot()
    def end(self) -> None:
        """Give the window back."""
        self._window.removeEventFilter(self)
        self.hide()
        self.ended.emit()
        self.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Cover the window also when its size changes."""
        if event.type() is QEvent.Type.Resize:
            self.setGeometry(self._window.rect())
            self._place()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc skips; Return goes on."""
        if event.key() == Qt.Key.Key_Escape:
            self.end()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._on_next()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Dim everything but what the sentence is about."""
        painter = QPainter(self)
        target = self._target()
        outside = self.rect()
        low, right = target.top() + target.height(), target.left() + target.width()
        for part in (
            QRect(0, 0, outside.width(), target.top()),
            QRect(0, low, outside.width(), outside.height() - low),
            QRect(0, target.top(), target.left(), target.height()),
            QRect(right, target.top(), outside.width() - right, target.height()),
        ):
            painter.fillRect(part, _DIM)
        painter.setPen(QPen(QColor(colours().accent), 2))
        painter.drawRect(target)

    @Slot()
    def _on_next(self) -> None:
        self._number += 1
        if self._number >= len(self._stops):
            self.end()
        else:
            self._show()

    def _show(self) -> None:
        page, row = self._stops[self._number]
        self._show_page(page)
        self.text.setText(f"{row.tour}  ({self._number + 1} of {len(self._stops)})")
        self.text.setAccessibleName(row.tour)
        self.next_button.setText("Done" if self._number == len(self._stops) - 1 else "Next")
        self._place()
        self.setFocus()

    def _target(self) -> QRect:
        found = self._window.findChild(QWidget, self._stops[self._number][1].tour_at)
        if found is None or not found.isVisible():
            return QRect(0, 0, 1, 1)
        corner = found.mapTo(self._window, QPoint(0, 0))
        return QRect(corner, found.size()).adjusted(-4, -4, 4, 4)

    def _place(self) -> None:
        """The box next to its target, inside the window."""
        self._box.adjustSize()
        target, size = self._target(), self._box.size()
        x = target.right() + 14
        if x + size.width() > self.width():
            x = max(14, target.left() - size.width() - 14)
        y = min(max(14, target.top()), self.height() - size.height() - 60)
        self._box.move(x, max(14, y))
        self.update()
