"""Where the reader wants to go: said by a page, heard by the one that can show it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class Navigator(QObject):
    """Wishes of the pages of one project.

    Signals:
        page_wanted(name): a workspace.
        image_wanted(name, image_id): an image, in a workspace.
        run_wanted(number): a run, in Results.
        reading_wanted(number): a second reading.
        relink_wanted(): originals that have moved are to be looked for.
        import_undo_wanted(what): the act to undo is an import, which is asked about.
    """

    page_wanted = Signal(str)
    image_wanted = Signal(str, int)
    run_wanted = Signal(int)
    reading_wanted = Signal(int)
    relink_wanted = Signal()
    import_undo_wanted = Signal(str)
