"""The dialogs of curation: a blind reading, how readers agree, every decision."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from amae_app.image_ref import ImageRef
from amae_app.pseudo_labels.agreement_dialog import AgreementDialog
from amae_app.pseudo_labels.blind_panel import BlindDialog
from amae_app.pseudo_labels.curation_actions import CurationActions
from amae_app.pseudo_labels.history_dialog import HistoryDialog
from amae_app.window_context import WindowContext
from amae_engine.catalog import blind_readings, decisions, studies
from amae_engine.catalog.blind_readings import BlindItem, SessionRow
from amae_engine.catalog.decisions import DecisionRow
from amae_engine.errors import AmaeError
from amae_engine.jobs.reading.second_reading import Agreement, agreement
from amae_engine.jobs.training.assign_pseudo_labels import current_pseudo_labels

_MOST_SHOWN = 5000  # decisions in the dialog; a table has them all

Found = tuple[Agreement, dict[int, tuple[ImageRef, str]]]


class ReadingDialogs(QObject):
    """Reads what a dialog shows off the event thread, then opens it.

    Args:
        context: The open project.
        acts: What the dialogs do.
        page: Their parent.
    """

    def __init__(self, context: WindowContext, acts: CurationActions, page: QWidget) -> None:
        super().__init__(page)
        self._context, self._acts, self._page = context, acts, page

    def items(self, session_id: int) -> list[BlindItem]:
        """The images of a blind reading."""
        with self._context.project.session() as session:
            return blind_readings.items(session, session_id)

    @Slot()
    def ask_blind(self) -> None:
        """Ask which images the second reader wants."""
        project, reader = self._context.project, self._context.reader

        def read() -> tuple[list[SessionRow], int]:
            with project.session() as session:
                mine = [r for r in blind_readings.sessions(session) if r.reader == reader]
                return mine, len(blind_readings.candidates(session, reader))

        def show(answer: tuple[list[SessionRow], int] | AmaeError) -> None:
            if isinstance(answer, AmaeError):
                self._context.tell_error(answer)
                return
            dialog = BlindDialog(*answer, reader, self._page)
            dialog.accepted.connect(lambda: self._begin(dialog))
            dialog.open()

        self._context.background("blind", read, show)

    @Slot()
    def show_newest_agreement(self) -> None:
        """How the readers of the newest second reading agree."""
        project = self._context.project

        def newest() -> int:
            with project.session() as session:
                return next((row.id for row in blind_readings.sessions(session)), 0)

        def show(number: int | AmaeError) -> None:
            if isinstance(number, AmaeError):
                self._context.tell_error(number)
            elif number:
                self.show_agreement(number)
            else:
                self._context.notify("There is no second reading yet: More, Second reading.")

        self._context.background("newest reading", newest, show)

    def show_agreement(self, session_id: int) -> None:
        """How the readers of a second reading agree, with their conflicts."""
        project = self._context.project

        def read() -> Found:
            found = agreement(project, session_id)
            with project.session() as session:
                rows = studies.rows(session, [item.image_id for item in found.conflicts])
            return found, {
                row.id: (ImageRef(row.id, row.store_row, row.aspect), row.name) for row in rows
            }

        def show(answer: Found | AmaeError) -> None:
            if isinstance(answer, AmaeError):
                self._context.tell_error(answer)
                return
            dialog = AgreementDialog(self._context, *answer, self._page)
            dialog.agreed.connect(self._acts.agree)
            dialog.open()

        self._context.background("agreement", read, show)

    def show_history(self, image_name: str) -> None:
        """Every decision, of all images or of one."""
        project = self._context.project

        def read() -> list[DecisionRow]:
            with project.session() as session:
                return decisions.history(session, limit=_MOST_SHOWN)

        def show(rows: list[DecisionRow] | AmaeError) -> None:
            if isinstance(rows, AmaeError):
                self._context.tell_error(rows)
            else:
                HistoryDialog(rows, image_name, self._page).open()

        self._context.background("history", read, show)

    def _begin(self, dialog: BlindDialog) -> None:
        if dialog.session_id:
            self._acts.reading_begun.emit(dialog.session_id)
            return
        project, labels = self._context.project, self._context.labels
        count, how = dialog.count.value(), dialog.how
        self._context.background(
            "blind view",
            lambda: current_pseudo_labels(project, labels),
            lambda view: (
                None if self._context.tell_error(view) else self._acts.begin_blind(view, count, how)
            ),
        )
