"""Ask which PACS, which of its images, and what they are to be."""

from __future__ import annotations

from datetime import date
from html import escape

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from amae_app.server_rows import FETCHING, ServerRows, line
from amae_app.studies.remote_studies import RemoteStudies
from amae_app.theme import card, quiet, restyle
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox
from amae_engine.catalog.tables import Split
from amae_engine.errors import BadSetting
from amae_engine.jobs.importing.find_remote_images import RemoteCounts
from amae_engine.jobs.importing.retrieve_images import Retrieval
from amae_engine.pacs.query import PacsQuery

_KEPT = ("modalities", "body_part")


class PacsDialog(QDialog):
    """Collects a `Retrieval` and a password.

    Args:
        remembered: What `memory()` gave the last time.
        parent: The page.

    Signals:
        count_wanted(): the reader wants to know what the PACS has; `show_counts` takes the answer.
    """

    count_wanted = Signal()

    def __init__(self, remembered: dict[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Images from a PACS")
        self.setObjectName("pacsDialog")
        self.setMinimumSize(900, 560)
        self.rows = ServerRows(FETCHING, remembered, self)
        self.way, self.url, self.user = self.rows.way, self.rows.url, self.rows.user
        self.password, self.host, self.port = self.rows.password, self.rows.host, self.rows.port
        self.called = self.rows.called
        self.modalities = line("CR, DX", "CR, DX")
        self.since = line("first study date, 2024-01-31")
        self.until = line("last study date")
        self.body_part = line("any", "CHEST")
        self.patients = line("all; or patient IDs, with commas between")
        self.role = ComboBox()
        self.role.addItems([str(split) for split in Split])
        self.role.setCurrentText(str(Split.UNLABELED))
        self.source = line("a short label; no patient's name", "PACS")
        self.answer = named(
            QLabel("Find studies to see what the PACS has; nothing is fetched for that."),
            "pacsAnswer",
        )
        self.answer.setWordWrap(True)
        self.answer.setTextFormat(Qt.TextFormat.RichText)
        self.answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.studies = RemoteStudies()
        self.count = named(QPushButton("Find studies"), "countImagesButton")
        self._form = QFormLayout()
        self._lay_out()
        for name in _KEPT:
            if name in remembered:
                getattr(self, name).setText(remembered[name])

    def retrieval(self) -> Retrieval:
        """What the reader chose.

        Raises:
            BadSetting: An entry cannot be what it must be.
        """
        query = PacsQuery(
            modalities=tuple(word.upper() for word in _words(self.modalities.text())),
            since=_day(self.since.text()),
            until=_day(self.until.text()),
            body_part=self.body_part.text().strip(),
            patients=tuple(_words(self.patients.text())),
            studies=self._wanted(),
        )
        source = self.source.text().strip() or "PACS"
        return Retrieval(self.rows.server(), query, self.role.currentText(), source)

    def _wanted(self) -> tuple[str, ...]:
        """UIDs of the checked studies; () for all that match."""
        if not self.studies.are_listed:
            return ()
        chosen = self.studies.chosen()
        if not chosen:
            raise BadSetting("Check at least one study of the list, or find studies again.")
        return tuple(study.uid for study in chosen)

    def memory(self) -> dict[str, str]:
        """What the next dialog starts with; no password, no patient."""
        return self.rows.memory() | {name: getattr(self, name).text() for name in _KEPT}

    @Slot(object)
    def show_counts(self, answer: RemoteCounts) -> None:
        """Show what the PACS has."""
        self.count.setEnabled(True)
        restyle(self.answer, "state", "")
        rows = "".join(
            f"<tr><td>{escape(modality)}&nbsp;&nbsp;</td><td>{escape(year)}&nbsp;&nbsp;</td>"
            f"<td align='right'><b>{images}</b></td></tr>"
            for (modality, year), images in answer.images.items()
        )
        self.answer.setText(
            f"<b>{answer.total}</b> images in {answer.studies} studies; {answer.known} are in the "
            f"project already and are not fetched again.<table>{rows}</table>"
        )
        self.studies.show_studies(answer.each)

    def show_problem(self, text: str) -> None:
        """A sentence about what is wrong; the reader may ask again."""
        self.count.setEnabled(True)
        restyle(self.answer, "state", "warning")
        self.answer.setText(escape(text))

    def accept(self) -> None:
        """Close, unless an entry is wrong."""
        try:
            self.retrieval()
        except BadSetting as error:
            self.show_problem(str(error))
            return
        super().accept()

    def _lay_out(self) -> None:
        self.rows.add_to(self._form)
        for label, name, widget in (
            ("Modalities", "modalities", self.modalities),
            ("Studies since", "since", self.since),
            ("Studies until", "until", self.until),
            ("Body part", "bodyPart", self.body_part),
            ("Patients", "patients", self.patients),
            ("Role of the images", "role", self.role),
            ("Source label", "source", self.source),
        ):
            named(widget, f"pacs_{name}", label)
            self._form.addRow(label, widget)
        frame, panel = card("What the PACS has")
        fill(
            panel,
            self.answer,
            (self.studies, 1),
            self.count,
            quiet(
                "Patient IDs are sent to the PACS only. Images are fetched whole or not at all, and "
                "each once; names, dates and numbers stay out of the catalog."
            ),
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        start = buttons.addButton("Fetch and import", QDialogButtonBox.ButtonRole.AcceptRole)
        start.setObjectName("startFetchButton")
        start.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        sides = row_of((self._form, 3), (frame, 2))
        column_of((sides, 1), buttons, into=self)
        self.rows.edited.connect(self._ask_anew)
        self.count.clicked.connect(self._on_count)
        for edit in (self.modalities, self.since, self.until, self.body_part, self.patients):
            edit.textEdited.connect(self._ask_anew)

    @Slot()
    def _ask_anew(self) -> None:
        """The list answers another question now."""
        self.studies.show_studies(())

    @Slot()
    def _on_count(self) -> None:
        self.studies.show_studies(())
        try:
            self.retrieval()
        except BadSetting as error:
            self.show_problem(str(error))
            return
        self.count.setEnabled(False)
        restyle(self.answer, "state", "")
        self.answer.setText("Asking the PACS…")
        self.count_wanted.emit()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadSetting(f"A date must be like 2024-01-31; it is '{text.strip()}'.") from None
