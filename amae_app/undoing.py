"""One undo and one redo for all pages: done in the catalog, said, and shown."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from amae_app.window_context import WindowContext
from amae_engine.catalog import undo
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.undo import Step, step_text
from amae_engine.events import Changed, Level

_PAGES = {
    Subject.DECISIONS: "pseudoLabels",
    Subject.READING: "pseudoLabels",
    Subject.REGIONS: "results",
    Subject.IMAGES: "studies",
}
CHANGED = {
    Subject.DECISIONS: Changed.DECISIONS,
    Subject.READING: Changed.DECISIONS,
    Subject.REGIONS: Changed.REGIONS,
    Subject.IMAGES: Changed.IMAGES,
    Subject.IMPORT: Changed.IMAGES,
}


class Undoing(QObject):
    """Undoes and redoes what the reader did, whichever page it was done on.

    Args:
        context: The open project, which says when.
    """

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self._context = context
        context.step_back_wanted.connect(self._step)

    @Slot(bool)
    def _step(self, is_redo: bool) -> None:
        reader, step = self._context.reader, undo.redo if is_redo else undo.undo
        self._context.act(
            self._context.call(step, reader),
            lambda done: self._done(done, is_redo),
            "redo" if is_redo else "undo",
        )

    def _done(self, step: Step, is_redo: bool) -> None:
        navigator = self._context.navigator
        if step.import_id:
            navigator.import_undo_wanted.emit(step.what)
            return
        self._context.announcer.notify(step_text(step, is_redo), Level.INFO)
        if step.subject is None:
            return
        self._context.announcer.announce(CHANGED[step.subject])
        if step.reading:
            navigator.reading_wanted.emit(step.reading)
        if step.image_ids:
            navigator.image_wanted.emit(_PAGES[step.subject], step.image_ids[0])
