"""Ask which PACS, which of its images, and what they are to be."""

from __future__ import annotations

from datetime import date
from html import escape
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from amae_app.studies.remote_studies import RemoteStudies
from amae_app.theme import card, quiet, restyle
from amae_engine.catalog.tables import Split
from amae_engine.errors import AmaeError, BadSetting
from amae_engine.jobs.importing.find_remote_images import RemoteCounts
from amae_engine.jobs.importing.retrieve_images import Retrieval
from amae_engine.pacs.query import PacsQuery
from amae_engine.pacs.server import DicomWebServer, DimseServer, Retrieve, Server, Tls

_WEB = "DICOMweb (QIDO-RS, WADO-RS)"
_WAYS = {
    _WEB: None,
    "DICOM: C-FIND and C-GET": Retrieve.GET,
    "DICOM: C-FIND and C-MOVE": Retrieve.MOVE,
}
_KEPT = ("way", "url", "user", "host", "called", "calling", "ca_file", "modalities", "body_part")


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
        self.way = QComboBox()
        self.way.addItems(list(_WAYS))
        self.url = _edit("https://pacs.hospital.org/dicom-web")
        self.user = _edit("none")
        self.password = _edit("is kept nowhere")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.host = _edit("pacs.hospital.org or 10.0.0.5")
        self.port = _port(104)
        self.called = _edit("the PACS's AE title")
        self.calling = _edit("ours, as the PACS knows it", "AMAE")
        self.receive_port = _port(11112)
        self.encrypted = QCheckBox("encrypt (TLS)")
        self.ca_file = _edit("the system's authorities")
        self.certificate = _edit("if the PACS asks for one (PEM with key)")
        self._certificates = (_with_picker(self.ca_file), _with_picker(self.certificate))
        self.modalities = _edit("CR, DX", "CR, DX")
        self.since = _edit("first study date, 2024-01-31")
        self.until = _edit("last study date")
        self.body_part = _edit("any", "CHEST")
        self.patients = _edit("all; or patient IDs, with commas between")
        self.role = QComboBox()
        self.role.addItems([str(split) for split in Split])
        self.role.setCurrentText(str(Split.UNLABELED))
        self.source = _edit("a short label; no patient's name", "PACS")
        self.answer = QLabel("Find studies to see what the PACS has; nothing is fetched for that.")
        self.answer.setObjectName("pacsAnswer")
        self.answer.setWordWrap(True)
        self.answer.setTextFormat(Qt.TextFormat.RichText)
        self.answer.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.studies = RemoteStudies()
        self.count = QPushButton("Find studies")
        self.count.setObjectName("countImagesButton")
        self._form = QFormLayout()
        self._lay_out()
        self._recall(remembered)
        self._show_way()

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
        return Retrieval(self._server(), query, self.role.currentText(), source)

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
        kept = {name: _text_of(getattr(self, name)) for name in _KEPT}
        return kept | {"port": str(self.port.value()), "receive": str(self.receive_port.value())}

    @Slot(object)
    def show_counts(self, answer: RemoteCounts | AmaeError) -> None:
        """Show what the PACS has, or why it cannot be asked."""
        self.count.setEnabled(True)
        if isinstance(answer, AmaeError):
            self.show_problem(str(answer))
            return
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
        """A sentence about what is wrong."""
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

    def _server(self) -> Server:
        tls = Tls(_file(self.ca_file.text()), _file(self.certificate.text()))
        retrieve = _WAYS[self.way.currentText()]
        if retrieve is None:
            return DicomWebServer(self.url.text().strip(), self.user.text().strip(), tls)
        return DimseServer(
            host=self.host.text().strip(),
            port=self.port.value(),
            called_ae=self.called.text().strip(),
            calling_ae=self.calling.text().strip(),
            retrieve=retrieve,
            receive_port=self.receive_port.value(),
            tls=tls if self.encrypted.isChecked() else None,
        )

    def _lay_out(self) -> None:
        for label, name, widget in (
            ("Protocol", "way", self.way),
            ("Address", "url", self.url),
            ("User", "user", self.user),
            ("Password", "password", self.password),
            ("Host", "host", self.host),
            ("Port", "port", self.port),
            ("Its AE title", "called", self.called),
            ("Our AE title", "calling", self.calling),
            ("Our port for C-MOVE", "receivePort", self.receive_port),
            ("", "encrypted", self.encrypted),
            ("Trusted certificates", "caFile", self._certificates[0]),
            ("Our certificate", "certificate", self._certificates[1]),
            ("Modalities", "modalities", self.modalities),
            ("Studies since", "since", self.since),
            ("Studies until", "until", self.until),
            ("Body part", "bodyPart", self.body_part),
            ("Patients", "patients", self.patients),
            ("Role of the images", "role", self.role),
            ("Source label", "source", self.source),
        ):
            widget.setObjectName(f"pacs_{name}")
            widget.setAccessibleName(label or "Encrypt the connection")
            self._form.addRow(label, widget)
        frame, panel = card("What the PACS has")
        panel.addWidget(self.answer)
        panel.addWidget(self.studies, 1)
        panel.addWidget(self.count)
        panel.addWidget(
            quiet(
                "Patient IDs are sent to the PACS only. Images are fetched whole or not at all, and "
                "each once; names, dates and numbers stay out of the catalog."
            )
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        start = buttons.addButton("Fetch and import", QDialogButtonBox.ButtonRole.AcceptRole)
        start.setObjectName("startFetchButton")
        start.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        sides = QHBoxLayout()
        sides.addLayout(self._form, 3)
        sides.addWidget(frame, 2)
        whole = QVBoxLayout(self)
        whole.addLayout(sides, 1)
        whole.addWidget(buttons)
        self.way.currentTextChanged.connect(self._show_way)
        self.encrypted.toggled.connect(self._show_way)
        self.count.clicked.connect(self._on_count)
        for edit in (self.url, self.host, self.modalities, self.since, self.until, self.body_part,
                     self.patients):  # fmt: skip
            edit.textEdited.connect(self._ask_anew)

    @Slot()
    def _show_way(self) -> None:
        """Only the rows that the protocol needs."""
        retrieve = _WAYS[self.way.currentText()]
        is_web = retrieve is None
        is_encrypted = is_web or self.encrypted.isChecked()
        for widgets, is_needed in (
            ((self.url, self.user, self.password), is_web),
            ((self.host, self.port, self.called, self.calling, self.encrypted), not is_web),
            ((self.receive_port,), retrieve is Retrieve.MOVE),
            (self._certificates, is_encrypted),
        ):
            for widget in widgets:
                self._form.setRowVisible(widget, is_needed)

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

    def _recall(self, remembered: dict[str, str]) -> None:
        for name in _KEPT:
            widget = getattr(self, name)
            if name in remembered:
                set_text = widget.setCurrentText if widget is self.way else widget.setText
                set_text(remembered[name])
        for spin, name in ((self.port, "port"), (self.receive_port, "receive")):
            if remembered.get(name, "").isdigit():
                spin.setValue(int(remembered[name]))


def _edit(placeholder: str, text: str = "") -> QLineEdit:
    edit = QLineEdit(text)
    edit.setPlaceholderText(placeholder)
    return edit


def _port(value: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(1, 65535)
    spin.setValue(value)
    return spin


def _with_picker(edit: QLineEdit) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    button = QPushButton("File…")

    def pick() -> None:
        chosen = QFileDialog.getOpenFileName(row, "A certificate file (PEM)")[0]
        if chosen:
            edit.setText(chosen)

    button.clicked.connect(pick)
    layout.addWidget(edit, 1)
    layout.addWidget(button)
    return row


def _text_of(widget: QLineEdit | QComboBox) -> str:
    return widget.currentText() if isinstance(widget, QComboBox) else widget.text()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _file(text: str) -> Path | None:
    return Path(text.strip()) if text.strip() else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise BadSetting(f"A date must be like 2024-01-31; it is '{text.strip()}'.") from None
