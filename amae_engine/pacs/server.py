"""Where a PACS is and how it is spoken to; passwords are given apart and kept nowhere."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from amae_engine.errors import BadSetting

_LONGEST_AE_TITLE = 16  # PS3.5 6.2, VR AE
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Retrieve(StrEnum):
    """How images are asked for over DIMSE (PS3.4 C.4.2 and C.4.3)."""

    GET = "get"  # on the connection that is open
    MOVE = "move"  # the PACS connects to us; it must know our AE title, host and port


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates of an encrypted connection; the server's is always verified.

    Attributes:
        ca_file: Who is trusted (PEM); None trusts the authorities that the system trusts.
        certificate: Ours (PEM), for a server that asks for one.
        private_key: Its key; None where the certificate's file holds it too.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        for file in (self.ca_file, self.certificate, self.private_key):
            if file is not None and not file.is_file():
                raise BadSetting(f"{file.name}: there is no such certificate file.")

    def context(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> ssl.SSLContext:
        """What Python's sockets need to talk to a server, or to be one.

        Raises:
            BadSetting: A file holds no certificate or no key.
        """
        try:
            context = ssl.create_default_context(purpose, cafile=self.ca_file)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.private_key)
        except ssl.SSLError as error:
            raise BadSetting(
                f"The certificate files cannot be used ({error.reason}); they must be PEM."
            ) from error
        if purpose is ssl.Purpose.CLIENT_AUTH and self.ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@dataclass(frozen=True, slots=True)
class DicomWebServer:
    """A PACS over HTTP.

    Attributes:
        url: Of the DICOMweb service: https://pacs.hospital.org/dicom-web.
        user: For HTTP basic authentication, "" for none.
        tls: For https.
        timeout_seconds: How long the server may be silent.
    """

    url: str
    user: str = ""
    tls: Tls = Tls()
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadSetting(
                "The DICOMweb address must start with https:// or http:// and name a host, such as "
                "https://pacs.hospital.org/dicom-web."
            )
        if parts.username is not None or parts.query:
            raise BadSetting(
                "The DICOMweb address must hold no user, password or query; give the user on its "
                "own and the password when asked."
            )
        _require_timeout(self.timeout_seconds)

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc

    @property
    def warning(self) -> str:
        """What the user should know before anything is sent; "" for nothing."""
        parts = urlsplit(self.url)
        if self.user and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            return f"{self.name}: http sends the password unencrypted."
        return ""


@dataclass(frozen=True, slots=True)
class DimseServer:
    """A PACS over DICOM's own protocol.

    Attributes:
        called_ae, calling_ae: The PACS's AE title and ours.
        retrieve: Whether images come by C-GET or by C-MOVE.
        receive_port: Where we listen during C-MOVE.
        tls: None for an unencrypted connection.
        timeout_seconds: How long the PACS may be silent.
    """

    host: str
    port: int
    called_ae: str
    calling_ae: str = "AMAE"
    retrieve: Retrieve = Retrieve.GET
    receive_port: int = 11112
    tls: Tls | None = None
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.host:
            raise BadSetting("The PACS needs a host name or address.")
        for port in (self.port, self.receive_port):
            if not 0 < port < 65536:
                raise BadSetting(f"A port must lie between 1 and 65535; it is {port}.")
        for title in (self.called_ae, self.calling_ae):
            if not 0 < len(title.strip()) <= _LONGEST_AE_TITLE or not title.isascii():
                raise BadSetting(
                    f"An AE title must have 1 to {_LONGEST_AE_TITLE} ASCII characters; it is "
                    f"'{title}'."
                )
        if self.retrieve is Retrieve.MOVE and self.tls and not self.tls.certificate:
            raise BadSetting(
                "C-MOVE over TLS needs a certificate of ours, because the PACS connects to us; "
                "give one, or use C-GET."
            )
        _require_timeout(self.timeout_seconds)

    @property
    def name(self) -> str:
        """AE title, host and port, for messages."""
        return f"{self.called_ae} at {self.host}:{self.port}"


Server = DicomWebServer | DimseServer


def _require_timeout(seconds: float) -> None:
    if not seconds > 0:
        raise BadSetting(f"The time limit must be above 0 seconds; it is {seconds:g}.")
