"""What the window asks of a workspace's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from amae_app.palette import Entry
from amae_app.window_context import WindowContext
from amae_engine.events import Changed


class Workspace(QWidget):
    """A page of the window, made with the context of the open project; each answer has a default.

    Signals:
        badge_changed(): `badge_text` is another one.

    Attributes:
        waits_for: Changes that the page need not read before it is shown.
    """

    badge_changed = Signal()
    waits_for = Changed.NONE

    def __init__(self, context: WindowContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context

    def refresh(self, changed: Changed) -> None:
        """Read again what is shown of rows of these kinds."""

    def badge_text(self) -> str:
        """A few words under the title in the rail."""
        return ""

    def palette_entries(self) -> Sequence[Entry]:
        """What Ctrl+K finds of this page from every other one."""
        return ()

    def show_part(self, name: str) -> None:
        """Go to a part of the page."""

    def view(self) -> dict[str, str]:
        """How the page is left, for the next start."""
        return {}

    def restore_view(self, view: Mapping[str, str]) -> None:
        """Show it again as it was left."""

    def return_to(self, image_id: int) -> None:
        """Go to an image, where the page shows it."""

    def flush(self) -> None:
        """Hand over what the reader began to write; the window is about to close."""
