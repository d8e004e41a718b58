"""The rows of a form that say where a PACS is and how it is spoken to."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
)

from amae_app.ask_files import path_row
from amae_app.widgets.building import named
from amae_app.widgets.fields import ComboBox, SpinBox
from amae_engine.pacs.server import DicomWebServer, DimseServer, Retrieve, Server, Tls

FETCHING: dict[str, Retrieve | None] = {
    "DICOMweb (QIDO-RS, WADO-RS)": None,
    "DICOM: C-FIND and C-GET": Retrieve.GET,
    "DICOM: C-FIND and C-MOVE": Retrieve.MOVE,
}
SENDING: dict[str, Retrieve | None] = {
    "DICOMweb (STOW-RS)": None,
    "DICOM: C-STORE": Retrieve.GET,
}
_KEPT = ("way", "url", "user", "host", "called", "calling", "ca_file")


class ServerRows(QObject):
    """Widgets in a form's rows; only those that the protocol needs are seen.

    Args:
        ways: `FETCHING` or `SENDING`.
        remembered: What `memory()` gave the last time, for either.
        parent: Of the form.

    Signals:
        edited(): another server is named.
    """

    edited = Signal()

    def __init__(
        self, ways: dict[str, Retrieve | None], remembered: dict[str, str], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._ways = ways
        self._form: QFormLayout | None = None
        self.way = ComboBox()
        self.way.addItems(list(ways))
        self.url = line("https://pacs.hospital.org/dicom-web")
        self.user = line("none")
        self.password = line("is kept nowhere")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.host = line("pacs.hospital.org or 10.0.0.5")
        self.port = _port(104)
        self.called = line("the PACS's AE title")
        self.calling = line("ours, as the PACS knows it", "AMAE")
        self.receive_port = _port(11112)
        self.encrypted = QCheckBox("encrypt (TLS)")
        self.ca_file = line("the system's authorities")
        self.certificate = line("if the PACS asks for one (PEM with key)")
        self._certificates = tuple(
            path_row(edit, "A certificate file (PEM)") for edit in (self.ca_file, self.certificate)
        )
        self._recall(remembered)

    def server(self) -> Server:
        """The server that the rows name.

        Raises:
            BadSetting: An entry cannot be what it must be.
        """
        tls = Tls(_file(self.ca_file.text()), _file(self.certificate.text()))
        retrieve = self._ways[self.way.currentText()]
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

    def memory(self) -> dict[str, str]:
        """What the next dialog starts with; no password."""
        kept = {name: _text_of(getattr(self, name)) for name in _KEPT}
        return kept | {"port": str(self.port.value()), "receive": str(self.receive_port.value())}

    def add_to(self, form: QFormLayout) -> None:
        """Put the rows into a form."""
        self._form = form
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
        ):
            named(widget, f"pacs_{name}", label or "Encrypt the connection")
            form.addRow(label, widget)
        self.way.currentTextChanged.connect(self.show_needed)
        self.encrypted.toggled.connect(self.show_needed)
        for edit in (self.url, self.host):
            edit.textEdited.connect(self.edited)
        self.show_needed()

    @Slot()
    def show_needed(self, is_wanted: bool = True) -> None:
        """Only the rows that the protocol needs; none where no server is wanted."""
        if self._form is None:
            return
        retrieve = self._ways[self.way.currentText()]
        is_web = retrieve is None
        is_encrypted = is_web or self.encrypted.isChecked()
        for widgets, is_needed in (
            ((self.way,), True),
            ((self.url, self.user, self.password), is_web),
            ((self.host, self.port, self.called, self.calling, self.encrypted), not is_web),
            ((self.receive_port,), retrieve is Retrieve.MOVE),
            (self._certificates, is_encrypted),
        ):
            for widget in widgets:
                self._form.setRowVisible(widget, is_needed and bool(is_wanted))

    def _recall(self, remembered: dict[str, str]) -> None:
        for name in _KEPT:
            widget = getattr(self, name)
            if name in remembered:
                set_text = widget.setCurrentText if widget is self.way else widget.setText
                set_text(remembered[name])
        way = remembered.get("way", "")
        if way not in self._ways and way.startswith("DICOM:"):
            others = [text for text in self._ways if text.startswith("DICOM:")]
            self.way.setCurrentText(others[0])
        for spin, name in ((self.port, "port"), (self.receive_port, "receive")):
            if remembered.get(name, "").isdecimal():
                spin.setValue(int(remembered[name]))


def line(placeholder: str, text: str = "") -> QLineEdit:
    """An entry that says what it wants."""
    edit = QLineEdit(text)
    edit.setPlaceholderText(placeholder)
    return edit


def _port(value: int) -> QSpinBox:
    spin = SpinBox()
    spin.setRange(1, 65535)
    spin.setValue(value)
    return spin


def _text_of(widget: QLineEdit | QComboBox) -> str:
    return widget.currentText() if isinstance(widget, QComboBox) else widget.text()


def _file(text: str) -> Path | None:
    return Path(text.strip()) if text.strip() else None
