"""What a reader can do to images that are in the project: remove, move, put right."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from amae_app.ask_files import ask_folder
from amae_app.message_boxes import ask
from amae_app.studies.apply_dialog import ApplyDialog
from amae_app.studies.image_acts import ImageActs
from amae_app.studies.pacs_dialog import PacsDialog
from amae_app.studies.studies_state import remote_counts
from amae_app.widgets.building import named
from amae_app.window_context import WindowContext
from amae_engine.catalog import patients, studies
from amae_engine.catalog.imports import ImportRow
from amae_engine.catalog.tables import Split
from amae_engine.events import Changed, Event
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.importing.import_plan import ImportPlan, import_plan
from amae_engine.jobs.importing.import_report import ImportReport, NothingImported, Twins
from amae_engine.jobs.importing.relink_originals import relink_originals
from amae_engine.jobs.importing.retrieve_images import Retrieval, RetrievalReport, retrieve_images
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.jobs.model_files.read_model import read_model
from amae_engine.words import plural

_SHARE = 0.3  # of the test patients, to choose thresholds by


class StudiesActions(QObject):
    """Acts on the catalog and announces them.

    Args:
        context: The open project.
        selected: The ids of the images that are selected now.
        parent: The page.
    """

    def __init__(
        self,
        context: WindowContext,
        selected: Callable[[], list[int]],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._context, self._selected, self._page = context, selected, parent
        self._again: Callable[[Twins], None] = lambda twins: None
        self.pacs_dialog: PacsDialog | None = None
        self.apply_dialog: ApplyDialog | None = None
        self.of_images = ImageActs(context, selected, self.done, parent)
        context.navigator.relink_wanted.connect(self.ask_relink)
        context.navigator.import_undo_wanted.connect(self.ask_undo_import)

    def button(self) -> QPushButton:
        """A button with a menu of every act."""
        button = named(
            QPushButton("More"),
            "moreButton",
            tip="Fetch images from a PACS, remove images, undo an import, put patients right, find originals",
        )
        menu = QMenu(button)
        entries: tuple[tuple[str, Callable[[], object], QKeySequence.StandardKey | None], ...] = (
            ("Images from a PACS…", self.ask_pacs, None),
            ("Apply a model…", self.ask_apply, None),
            ("Images held back…", self.of_images.ask_held, None),
            (
                "Selected test images are for validation",
                partial(self.of_images.set_validation, True),
                None,
            ),
            (
                "Selected images are tested on again",
                partial(self.of_images.set_validation, False),
                None,
            ),
            (
                "Set 30 % of the test images apart for validation",
                partial(self.of_images.draw_validation, _SHARE),
                None,
            ),
            ("Remove the selected images", self.remove, QKeySequence.StandardKey.Delete),
            ("Undo", self._context.undo, QKeySequence.StandardKey.Undo),
            ("Redo", self._context.redo, QKeySequence.StandardKey.Redo),
            ("Undo the last import", self.undo_import, None),
            ("Put each patient into one split", self.fix_patients, None),
            ("Find moved originals…", self.ask_relink, None),
        )
        for text, slot, key in entries:
            action = menu.addAction(text, slot)
            if key is not None:
                action.setShortcut(QKeySequence(key))
                self._page.addAction(action)
        button.setMenu(menu)
        return button

    def start_import(self, plan: ImportPlan) -> None:
        """Queue an import; where every file is refused, its report is the result all the same."""
        project, reader = self._context.project, self._context.reader
        self._again = lambda twins: self.start_import(replace(plan, twins=twins))

        def job() -> Generator[Event, None, ImportReport]:
            try:
                return (yield from import_plan(project, plan, reader))
            except NothingImported as error:
                return error.report

        self._context.queue.do("Import", job)

    def start_fetch(self, retrieval: Retrieval, password: str) -> None:
        """Queue a fetch from a PACS."""
        project, reader = self._context.project, self._context.reader
        self._again = lambda twins: self.start_fetch(replace(retrieval, twins=twins), password)

        def job() -> Generator[Event, None, RetrievalReport | ImportReport]:
            try:
                return (yield from retrieve_images(project, retrieval, password, reader))
            except NothingImported as error:
                return error.report

        self._context.queue.do("Fetch from the PACS", job)

    @Slot(object)
    def import_twins(self, twins: Twins) -> None:
        """Do the last import again, with the images that it left out as probable twins."""
        self._again(twins)

    @Slot()
    def ask_pacs(self) -> None:
        """Ask which images of which PACS are wanted, and fetch them."""
        dialog = PacsDialog(self._context.settings.pacs, self._page)
        dialog.count_wanted.connect(lambda: self._count(dialog))
        dialog.accepted.connect(lambda: self._fetch(dialog))
        self.pacs_dialog = dialog
        dialog.open()

    @Slot()
    def ask_apply(self, model: str = "") -> None:
        """Ask which model rates which images, and queue it.

        Args:
            model: The file to begin with.
        """
        dialog = ApplyDialog(self._page)
        dialog.model_chosen.connect(self._read_model)
        dialog.accepted.connect(self._apply)
        self.apply_dialog = dialog
        dialog.model.setText(model)
        dialog.open()

    @Slot(str)
    def _read_model(self, path: str) -> None:
        """Read what a model says of itself: its file may lie on a network folder."""
        dialog = self.apply_dialog
        if dialog is not None:
            self._context.runner.run(
                "model", lambda: read_model(Path(path)), dialog.show_model, dialog.show_problem
            )

    @Slot()
    def _apply(self) -> None:
        dialog = self.apply_dialog
        if dialog is None:
            return
        path, images = dialog.model.text().strip(), dialog.images.text().strip()
        config = {
            "path": path,
            "images": [images] if images else [],
            "reader": self._context.reader,
        }
        job = partial(run_in_child, self._context.project.folder, "apply", config)
        self._context.queue.do(f"Model {Path(path).stem}", job)

    def move(self, split: Split) -> None:
        """Give the selected images another role."""
        ids, reader = self._selected(), self._context.reader
        if not ids:
            self._context.announcer.notify("Select images in the table first.")
            return

        self._context.act(
            self._context.call(studies.change_split, ids, split, reader),
            lambda changed: self.done(f"{plural(len(changed), 'image')} now {split}."),
            f"{plural(len(ids), 'image')} to {split}",
        )

    @Slot()
    def remove(self) -> None:
        """Hide the selected images from every list and from training."""
        ids, reader = self._selected(), self._context.reader
        if not ids:
            self._context.announcer.notify("Select images in the table first.")
            return

        what = f"{plural(len(ids), 'image')} removed"
        self._context.act(
            self._context.call(studies.remove, ids, reader),
            lambda _: self.done(f"{what}; Ctrl+Z brings back what was removed."),
            what,
        )

    @Slot(str)
    def ask_undo_import(self, what: str) -> None:
        """Ask whether an import, the reader's last act, is meant to be undone."""
        text = f"Your last act was the {what}. Undo it? Its images leave the project."
        ask(self._page, "undoImport", text, "Undo the import", self.undo_import)

    @Slot()
    def undo_import(self) -> None:
        """Take the newest import back."""
        project, reader = self._context.project, self._context.reader
        self._context.act(
            lambda: undo_import(project, reader), self._on_undone, "undo the last import"
        )

    @Slot()
    def fix_patients(self) -> None:
        """Move all images of a patient who is in two splits into one."""
        reader = self._context.reader

        def done(moved: tuple[patients.MovedImage, ...]) -> None:
            if not moved:
                self.done("No patient is in two splits.")
                return
            self.done(f"{plural(len(moved), 'image')} moved: each patient is in one split now.")

        self._context.act(
            self._context.call(patients.resolve_patients_in_two_splits, reader),
            done,
            "each patient into one split",
        )

    @Slot()
    def ask_relink(self) -> None:
        """Ask for the folder where moved originals lie now, and look for them."""
        folder = ask_folder(self._page, "Where the original images are now")
        if folder:
            self.relink(Path(folder))

    def relink(self, folder: Path) -> None:
        """Queue the search for moved originals."""
        project = self._context.project
        self._context.queue.do("Finding originals", lambda: relink_originals(project, folder))

    def _count(self, dialog: PacsDialog) -> None:
        project, retrieval = self._context.project, dialog.retrieval()
        password = dialog.password.text()
        self._context.runner.run(
            "pacs",
            lambda: remote_counts(project, retrieval, password),
            dialog.show_counts,
            lambda error: dialog.show_problem(str(error)),
        )

    def _fetch(self, dialog: PacsDialog) -> None:
        self._context.settings.pacs = dialog.memory()
        self.start_fetch(dialog.retrieval(), dialog.password.text())

    def _on_undone(self, undone: ImportRow) -> None:
        self.done(f"The import of {undone.source} was undone: {undone.what}.")

    def done(self, text: str) -> None:
        """Tell what was done."""
        self._context.announcer.notify(text)
        self._context.announcer.announce(Changed.IMAGES)
