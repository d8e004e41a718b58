"""Queues what leaves the program: each form is a job with its own progress."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from amae_app.report_printer import print_report
from amae_app.results.export_dialog import ExportChoice, ExportDialog
from amae_app.window_context import WindowContext
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.model_files.read_model import SUFFIX
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_dicom import DicomMade, make_dicom
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.jobs.sharing.send_objects import send_objects
from amae_engine.jobs.sharing.share_project import share_project
from amae_engine.jobs.sharing.write_bundle import write_bundle
from amae_engine.pacs.server import Server
from amae_engine.project import Project
from amae_engine.words import plural


class ExportActs(QObject):
    """Asks, and queues.

    Args:
        context: The open project.
        page: Over which the dialog opens.
    """

    def __init__(self, context: WindowContext, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._page = context, page
        self.dialog: ExportDialog | None = None

    def ask(self, run_id: int, listed: tuple[int, ...], shown: int) -> None:
        """Ask what of a run leaves the program."""
        dialog = ExportDialog(run_id, listed, shown, self._context.settings.pacs, self._page)
        dialog.accepted.connect(partial(self._on_accepted, dialog, run_id))
        self.dialog = dialog
        dialog.open()

    def export(self, run_id: int, choice: ExportChoice) -> None:
        """Queue a job for each form that was chosen."""
        project, reader, queue = self._context.project, self._context.reader, self._context.queue
        of_run = f"of run {run_id}"
        if choice.tables:
            queue.do(f"Scores and figures {of_run}", lambda: _tables(project, run_id, reader))
        if choice.report:
            queue.do(f"Report {of_run}", lambda: _report(project, run_id, reader, choice))
        if choice.dicom:
            queue.do(f"DICOM objects {of_run}", lambda: _dicom(project, run_id, reader, choice))
        if choice.model:
            queue.do(f"Model {of_run}", lambda: _model(project, run_id, reader))
        if choice.bundle:
            queue.do(f"Bundle {of_run}", lambda: _bundle(project, run_id, reader, choice))
        if choice.share is not None:
            folder = choice.share
            queue.do("Copy to share", lambda: _share(project, folder, reader))

    @Slot()
    def _on_accepted(self, dialog: ExportDialog, run_id: int) -> None:
        choice = dialog.choice()
        if choice.server is not None:
            settings = self._context.settings
            settings.pacs = settings.pacs | dialog.rows.memory()
        self.export(run_id, choice)
        dialog.deleteLater()
        self.dialog = None


def _tables(project: Project, run_id: int, reader: str) -> Generator[Event, None, None]:
    yield Progress("Scores and figures", 0, 1)
    files = export_results(project, evaluate_run(project, run_id, reader), reader)
    yield _written("Scores and figures", files[0].parent)


def _report(
    project: Project, run_id: int, reader: str, choice: ExportChoice
) -> Generator[Event, None, None]:
    evaluation = evaluate_run(project, run_id, reader)
    html = yield from make_report(project, evaluation, reader, choice.logo, choice.section)
    if choice.pdf:
        print_report(html, html.with_suffix(".pdf"))
    yield _written("The report", html.parent)


def _dicom(
    project: Project, run_id: int, reader: str, choice: ExportChoice
) -> Generator[Event, None, None]:
    made = yield from make_dicom(project, run_id, reader, choice.images, choice.for_source_pacs)
    left_out = "".join(f"; {count} left out: {why}" for why, count in made.left_out.items())
    text = f"Objects of {plural(made.images, 'image')} are in {made.folder}{left_out}"
    yield Notice(text, Level.WARNING if made.left_out else Level.INFO)
    if choice.server is not None:
        yield from _send(choice.server, made, choice.password)


def _send(server: Server, made: DicomMade, password: str) -> Generator[Event, None, None]:
    sent = yield from send_objects(server, made.folder, password)
    refused = "".join(f"; {count} refused: {why}" for why, count in sent.refused.items())
    text = f"The PACS took {plural(sent.sent, 'object')}{refused}"
    yield Notice(text, Level.WARNING if sent.refused else Level.INFO)


def _bundle(
    project: Project, run_id: int, reader: str, choice: ExportChoice
) -> Generator[Event, None, None]:
    folder = project.exports_folder / f"run-{run_id:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bundle.zip"
    yield from write_bundle(project, path, run_id, choice.with_weights, reader)
    yield _written("The bundle", path)


def _model(project: Project, run_id: int, reader: str) -> Generator[Event, None, None]:
    name = "".join(each if each.isalnum() else "-" for each in project.name.lower())
    path = project.exports_folder / f"run-{run_id:03d}" / f"{name.strip('-') or 'model'}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield from run_in_child(
        project.folder, "write_model", {"path": str(path), "run_id": run_id, "reader": reader}
    )
    yield _written("The model", path)


def _share(project: Project, folder: Path, reader: str) -> Generator[Event, None, None]:
    shared = yield from share_project(project, folder, reader)
    left = f"; {plural(shared.words, 'note or tag')} left out" if shared.words else ""
    yield Notice(f"A copy with {plural(shared.images, 'image')} is in {folder}{left}")


def _written(what: str, where: Path) -> Notice:
    return Notice(f"{what} {'are' if what.endswith('s') else 'is'} in {where}")
