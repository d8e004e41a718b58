"""Send DICOM objects to a PACS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from amae_engine.errors import BadInput, NotDelivered
from amae_engine.events import Event, Progress
from amae_engine.pacs.connection import connect
from amae_engine.pacs.server import Server


@dataclass(frozen=True, slots=True)
class Sent:
    """What a PACS took.

    Attributes:
        refused: Why it did not take others, with how many.
    """

    sent: int
    refused: dict[str, int]


def send_objects(server: Server, folder: Path, password: str = "") -> Generator[Event, None, Sent]:
    """Send every .dcm file of a folder; one that the PACS does not take lets the others go on.

    Raises:
        BadInput: There is no such file.
        PacsError: The connection failed.
    """
    files = sorted(folder.rglob("*.dcm"))
    if not files:
        raise BadInput(f"{folder.name} holds no DICOM objects (*.dcm); write them with amae dicom.")
    refused: Counter[str] = Counter()
    with connect(server, password) as connection:
        for number, file in enumerate(files):
            yield Progress("Sending", number, len(files))
            try:
                connection.store(file)
            except NotDelivered as error:
                refused[str(error)] += 1
    return Sent(len(files) - refused.total(), dict(refused))
