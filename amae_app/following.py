"""Shows what others do to the open project meanwhile: other readers, and commands."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Slot

from amae_app.undoing import CHANGED
from amae_app.window_context import WindowContext
from amae_engine.catalog import acts
from amae_engine.catalog.acts import NewActs
from amae_engine.events import Changed

_SECONDS = 2  # between looks


class Following(QObject):
    """Looks into the log of acts now and then, and announces what others have changed.

    Args:
        context: The open project.
    """

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self._context = context
        self._last = -1  # the newest act that is known; none before the first look
        timer = QTimer(self)
        timer.timeout.connect(self.look)
        timer.start(1000 * _SECONDS)
        self.look()

    @Slot()
    def look(self) -> None:
        """Read which acts are new."""
        last, reader = self._last, self._context.reader
        self._context.runner.run(
            "others' acts", self._context.call(acts.since, last, reader), self._show
        )

    def _show(self, new: NewActs) -> None:
        is_first, self._last = self._last < 0, new.newest
        changed = Changed.NONE
        for subject in () if is_first else new.subjects:
            changed |= CHANGED[subject]
        if changed:
            self._context.announcer.announce(changed)
