"""Decisions that are there already: a key does not change them by accident."""

from __future__ import annotations

from collections import Counter

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QLabel, QMessageBox, QWidget

from amae_app.theme import restyle
from amae_app.widgets.building import named
from amae_app.window_context import WindowContext
from amae_engine.catalog import standing
from amae_engine.catalog.decisions import LABEL_WORDS
from amae_engine.catalog.standing import Standing
from amae_engine.catalog.tables import Label
from amae_engine.words import plural


class Disputes(QObject):
    """Asks before an image gets another decision: in a line for one, in a dialog for several.

    Attributes:
        line: Under the image.

    Signals:
        all_wanted(images, label): names by id of images that are to get the label all the same.
    """

    all_wanted = Signal(object, object)

    def __init__(self, context: WindowContext, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._page = context, page
        self._asked: tuple[list[int], Label] | None = None
        self.line = named(QLabel(), "disputeLine")
        self.line.setWordWrap(True)
        self.line.hide()
        restyle(self.line, "state", "warning")
        self.dialog: QMessageBox | None = None

    def is_repeated(self, image_ids: list[int], label: Label) -> bool:
        """Whether the reader was asked about just this, and says it again."""
        is_so = self._asked == (image_ids, label)
        if is_so:
            self._end()
        return is_so

    def ask(self, images: dict[int, str], label: Label) -> None:
        """Say in the line whose decision the image has; the same key again changes it."""
        self._asked = (list(images), label)
        self.line.setText("It is decided; again to change it.")
        self.line.show()
        asked = self._asked

        def show(found: dict[int, Standing]) -> None:
            if self._asked is not asked or not found:
                return
            (there,) = found.values()
            self.line.setText(
                f"{LABEL_WORDS[there.label].capitalize()} by {there.reader}. Again: {LABEL_WORDS[label]} by "
                f"{self._context.reader}."
            )

        ids = list(images)
        self._context.runner.run("dispute", self._context.call(standing.standing, ids), show)

    def leave(self, image_id: int | None) -> None:
        """Another image is shown."""
        if self._asked is not None and self._asked[0] != [image_id]:
            self._end()

    @Slot(object, object, object)
    def tell(self, images: dict[int, str], label: Label, kept: dict[int, Standing]) -> None:
        """Some of the images had another decision, and keep it unless the reader wants all."""
        if len(images) == 1:
            ((image, there),) = kept.items()
            self._context.announcer.notify(
                f"{images[image]} stays {LABEL_WORDS[there.label]}: {there.reader} decided meanwhile."
            )
            return
        free = len(images) - len(kept)
        counts = Counter((found.label, found.reader) for found in kept.values())
        theirs = ", ".join(
            f"{count} {LABEL_WORDS[there]} by {reader}" for (there, reader), count in counts.items()
        )
        dialog = QMessageBox(self._page)
        dialog.setObjectName("disputeDialog")
        dialog.setWindowTitle("Decided before")
        dialog.setText(
            f"{plural(free, 'image')} of {len(images)} {'is' if free == 1 else 'are'} "
            f"{LABEL_WORDS[label]} now. {len(kept)} had another decision, which stays: {theirs}."
        )
        only = dialog.addButton(f"Only the undecided {free}", QMessageBox.ButtonRole.RejectRole)
        every = dialog.addButton(f"All {len(images)}", QMessageBox.ButtonRole.AcceptRole)
        every.setObjectName("decideAllButton")
        dialog.setDefaultButton(only)
        dialog.setEscapeButton(only)
        others = {image: images[image] for image in kept}
        every.clicked.connect(lambda: self.all_wanted.emit(others, label))
        dialog.finished.connect(self._on_answered)
        self.dialog = dialog
        dialog.open()

    @Slot()
    def _on_answered(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = None

    def _end(self) -> None:
        self._asked = None
        self.line.hide()
