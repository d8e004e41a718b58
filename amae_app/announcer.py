"""What has changed, and what the reader is to know."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from amae_engine.events import Changed, Level


class Announcer(QObject):
    """Speaks for one open project.

    Signals:
        announced(changed): rows of these kinds changed.
        noticed(message, level): one sentence for the reader.
    """

    announced = Signal(object)
    noticed = Signal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_silent = False

    def announce(self, changed: Changed) -> None:
        """Tell every page that rows changed."""
        if not self._is_silent:
            self.announced.emit(changed)

    def notify(self, message: str, level: Level = Level.INFO) -> None:
        """Show one sentence in the bottom bar."""
        self.noticed.emit(message, level)

    def be_silent(self) -> None:
        """Announce nothing more: the project is being closed."""
        self._is_silent = True
