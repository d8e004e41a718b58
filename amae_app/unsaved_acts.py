"""Acts that the catalog does not have yet: saving them, or what becomes of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPushButton,
    QWidget,
)

from amae_app.act_writer import ActWriter
from amae_app.ask_files import ask_target
from amae_app.widgets.building import column_of, named
from amae_engine.words import plural


class UnsavedActs(QObject):
    """Of every project that is open, or is being closed.

    Signals:
        returned(page, image_id): an act on an image could not be written; 0 for no image.
        count_changed(number): so many acts could not be written.
    """

    returned = Signal(str, int)
    count_changed = Signal(int)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._writers: list[ActWriter] = []
        self._dialog: UnsavedActsDialog | None = None

    @property
    def is_any(self) -> bool:
        """Whether an act is not in its catalog yet."""
        return any(writer.waiting for writer in self._writers)

    def follow(self, writer: ActWriter) -> None:
        """Watch a project's acts, until the writer is gone."""
        self._writers.append(writer)
        writer.failed.connect(partial(self._on_failed, writer))
        writer.changed.connect(self._count)
        writer.destroyed.connect(lambda: self._writers.remove(writer))

    @Slot()
    def show(self, then: Callable[[], object] | None = None) -> None:
        """Show what waits.

        Args:
            then: Called when nothing waits any more.
        """
        writer = next((each for each in self._writers if each.waiting), None)
        if writer is None:
            return
        if self._dialog is None:
            self._dialog = UnsavedActsDialog(writer, self._window)
            self._dialog.finished.connect(self._on_finished)
            self._dialog.open()
        if then is not None:
            self._dialog.settled.connect(lambda: QTimer.singleShot(0, then))

    def _on_failed(self, writer: ActWriter) -> None:
        first = writer.waiting[0]
        self.returned.emit(first.page, first.image_ids[0] if first.image_ids else 0)
        self.show()

    @Slot()
    def _count(self) -> None:
        self.count_changed.emit(sum(len(each.waiting) for each in self._writers if each.cause))

    @Slot()
    def _on_finished(self) -> None:
        if self._dialog is not None:
            self._dialog.deleteLater()
            self._dialog = None


class UnsavedActsDialog(QDialog):
    """Names each act, its images and the cause; closed, it keeps them all.

    Args:
        writer: Whose acts.
        parent: The window.

    Signals:
        settled(): nothing waits any more.
    """

    settled = Signal()

    def __init__(self, writer: ActWriter, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("unsavedActs")
        self.setWindowTitle("AMAE: not saved yet")
        self.resize(520, 320)
        self._writer = writer
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.list = named(QListWidget(), label="Acts that are not saved")
        self.try_again = named(QPushButton("Try again"), "tryAgainButton")
        self.try_again.setDefault(True)
        self.to_file = named(QPushButton("Write them to a file…"), "actsToFileButton")
        self.give_up = named(QPushButton("Give them up"), "giveUpActsButton")
        row = QHBoxLayout()
        for button in (self.try_again, self.to_file, self.give_up):
            row.addWidget(button)
        column_of(self.text, (self.list, 1), row, into=self)
        self.try_again.clicked.connect(writer.try_again)
        self.to_file.clicked.connect(self._on_file)
        self.give_up.clicked.connect(writer.give_up)
        writer.changed.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        waiting, cause = self._writer.waiting, self._writer.cause
        if not waiting:
            self.accept()
            self.settled.emit()
            return
        acts = plural(len(waiting), "act")
        if cause:
            self.text.setText(
                f"{acts} could not be saved. {cause}\nThey are kept here, in their order: mend the "
                f"cause and try again."
            )
        else:
            self.text.setText(f"Saving {acts}…")
        self.list.clear()
        self.list.addItems([act.text for act in waiting])
        for button in (self.try_again, self.to_file, self.give_up):
            button.setEnabled(bool(cause))

    @Slot()
    def _on_file(self) -> None:
        name = ask_target(self, "Acts that are not saved", "unsaved-acts.csv", "CSV (*.csv)")
        if not name:
            return
        try:
            self._writer.write_file(Path(name))
        except OSError as error:
            self.text.setText(f"{Path(name).name} could not be written: {error.strerror}.")
            return
        self._writer.give_up()
