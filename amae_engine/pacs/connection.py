"""An open way to a PACS, whichever protocol it speaks."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from amae_engine.pacs.query import Keys, Level, RemoteImage
from amae_engine.pacs.server import DicomWebServer, Server

_NAMES_PATIENTS = (
    "pynetdicom",
    "dicomweb_client",
    "retrying",
    "urllib3",
)  # loggers, in queries and addresses


class Connection(Protocol):
    """What can be asked of a PACS."""

    def check(self) -> None:
        """Ask whether it answers.

        Raises:
            PacsError: It does not, and why.
        """

    def search(self, level: Level, keys: Keys) -> list[Keys]:
        """Query one level.

        Args:
            level: Its answers hold the attributes of `query.ANSWERED`.
            keys: What must match, by keyword; UIDs of the levels above.

        Raises:
            PacsError: The query failed.
        """

    def retrieve(self, image: RemoteImage, path: Path) -> None:
        """Write one image to a DICOM file.

        Raises:
            NotDelivered: The PACS does not have or does not send this image.
            PacsError: The connection failed.
        """

    def store(self, path: Path) -> None:
        """Send one DICOM file, as it is.

        Raises:
            NotDelivered: The PACS does not take this object; others may still go.
            PacsError: The connection failed.
        """


def connect(server: Server, password: str = "") -> AbstractContextManager[Connection]:
    """Open a connection; leaving the context closes it.

    Raises:
        PacsError: The PACS cannot be reached or refuses.
    """
    for name in _NAMES_PATIENTS:  # what they report comes as an error anyway
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if isinstance(server, DicomWebServer):
        from amae_engine.pacs.dicomweb import DicomWeb

        return DicomWeb(server, password)
    from amae_engine.pacs.dimse import Dimse

    return Dimse(server)
