"""One undo and one redo for all pages: done in the catalog, said, and shown."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

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

    Signals:
        image_wanted(page, image_id): what was undone is to be seen there.
    """

    image_wanted = Signal(str, int)

    def __init__(self, context: WindowContext) -> None:
        super().__init__(context)
        self._context = context
        context.step_back_wanted.connect(self._step)

    @Slot(bool)
    def _step(self, is_redo: bool) -> None:
        reader, step = self._context.reader, undo.redo if is_redo else undo.undo
        self._context.write(
            lambda session: step(session, reader),
            lambda done: self._done(done, is_redo),
            "redo" if is_redo else "undo",
        )

    def _done(self, step: Step, is_redo: bool) -> None:
        if step.import_id:
            self._context.import_undo_wanted.emit(step.what)
            return
        self._context.notify(step_text(step, is_redo), Level.INFO)
        if step.subject is None:
            return
        self._context.announce(CHANGED[step.subject])
        if step.reading:
            self._context.reading_wanted.emit(step.reading)
        if step.image_ids:
            self.image_wanted.emit(_PAGES[step.subject], step.image_ids[0])
