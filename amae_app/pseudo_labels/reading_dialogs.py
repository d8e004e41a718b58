"""The dialogs of curation: a blind reading, how readers agree, every decision."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from amae_app.pseudo_labels.agreement_dialog import AgreementDialog
from amae_app.pseudo_labels.blind_panel import BlindDialog
from amae_app.pseudo_labels.curation_actions import CurationActions
from amae_app.pseudo_labels.curation_state import AgreementState, read_agreement
from amae_app.pseudo_labels.history_dialog import HistoryDialog
from amae_app.window_context import WindowContext
from amae_engine.catalog import blind_readings, decisions
from amae_engine.catalog.blind_readings import BlindItem, SessionRow
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels

_MOST_SHOWN = 5000  # decisions in the dialog; a table has them all


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
        return self._context.call(blind_readings.items, session_id)()

    @Slot()
    def ask_blind(self) -> None:
        """Ask which images the second reader wants."""
        reader = self._context.reader

        def show(answer: tuple[list[SessionRow], int]) -> None:
            dialog = BlindDialog(*answer, reader, self._page)
            dialog.accepted.connect(lambda: self._begin(dialog))
            dialog.open()

        self._context.runner.run("blind", self._context.call(blind_readings.offers, reader), show)

    @Slot()
    def show_newest_agreement(self) -> None:
        """How the readers of the newest second reading agree."""

        def show(sessions: list[SessionRow]) -> None:
            if sessions:
                self.show_agreement(sessions[0].id)
            else:
                self._context.announcer.notify(
                    "There is no second reading yet: More, Second reading."
                )

        self._context.runner.run(
            "newest reading", self._context.call(blind_readings.sessions), show
        )

    def show_agreement(self, session_id: int) -> None:
        """How the readers of a second reading agree, with their conflicts."""
        project = self._context.project

        def show(answer: AgreementState) -> None:
            dialog = AgreementDialog(self._context, *answer, self._page)
            dialog.agreed.connect(self._acts.agree)
            dialog.open()

        self._context.runner.run("agreement", lambda: read_agreement(project, session_id), show)

    def show_history(self, image_name: str) -> None:
        """Every decision, of all images or of one."""
        self._context.runner.run(
            "history",
            self._context.call(decisions.history, limit=_MOST_SHOWN),
            lambda rows: HistoryDialog(rows, image_name, self._page).open(),
        )

    def _begin(self, dialog: BlindDialog) -> None:
        if dialog.session_id:
            self._acts.reading_begun.emit(dialog.session_id)
            return
        project, labels = self._context.project, self._context.labels
        count, how = dialog.count.value(), dialog.how
        self._context.runner.run(
            "blind view",
            lambda: current_pseudo_labels(project, labels),
            lambda view: self._acts.begin_blind(view, count, how),
        )
