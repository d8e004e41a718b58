"""Fetch images from a PACS and import them: what is there already is not fetched again."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from amae_engine.atomic_write import atomic_write
from amae_engine.errors import BadSetting, NotDelivered, NotReady, PacsError
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.sources import ROLES, SourceFile
from amae_engine.jobs.importing.find_remote_images import FoundImage, list_images
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import STORED, ImportReport, NothingImported, Twins
from amae_engine.pacs.connection import Connection, connect
from amae_engine.pacs.query import PacsQuery
from amae_engine.pacs.server import DicomWebServer, Server
from amae_engine.project import Project

_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What to bring from where, and as what.

    Attributes:
        role: "normal", "unlabeled" or "test".
        source: A short label of where the images come from; name no patient in it.
        twins: What becomes of images that are probably there in another format.
    """

    server: Server
    query: PacsQuery
    role: str
    source: str = "PACS"
    twins: Twins = Twins.LEAVE_OUT

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise BadSetting(f"The role must be one of {', '.join(ROLES)}; it is '{self.role}'.")


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """What became of the images that the PACS has.

    Attributes:
        known: Were in the project before.
        undelivered: Why each image that did not come stayed away.
        imported: The fate of each image that came; None where there was nothing to import.
    """

    found: int
    known: int
    undelivered: tuple[str, ...]
    imported: ImportReport | None

    def summary(self) -> str:
        """What happened, in a line."""
        imported = self.imported.summary() if self.imported else "Nothing new came."
        missing = f" {len(self.undelivered)} did not come." if self.undelivered else ""
        return f"The PACS has {self.found} images; {self.known} were here. {imported}{missing}"


def retrieve_images(
    project: Project, retrieval: Retrieval, password: str = "", reader: str = ""
) -> Generator[Event, None, RetrievalReport]:
    """Find, fetch and import images.

    Each image is fetched whole into the project's `private/originals/`, under its keyed hash, or
    not at all. After a failure or a cancel the same call fetches what is missing and imports all.
    An image that the project refuses or has in another form is not kept.

    Args:
        project: Receives the images.
        retrieval: What to bring.
        password: Of the server's user; it is kept nowhere.
        reader: Who imports, for the audit.

    Raises:
        PacsError: The PACS cannot be reached, refuses or fails; what came is kept.
        NotReady: Another fetch into this project is at work.
        NothingImported: Every image was refused.
    """
    server = retrieval.server
    if isinstance(server, DicomWebServer) and server.warning:
        yield Notice(server.warning, Level.WARNING)
    with _originals(project) as folder:
        with connect(server, password) as connection:
            found = yield from list_images(project, connection, retrieval.query)
            new = [image for image in found if not image.name]
            yield Notice(_what_is_there(found, new))
            missing = [image for image in new if not _place(folder, image).is_file()]
            undelivered = yield from _fetch(connection, missing, folder)
        files = [
            SourceFile(_place(folder, image), retrieval.role)
            for image in new
            if _place(folder, image).is_file()
        ]
        known = len(found) - len(new)
        imported = None
        if files:
            imported = yield from _import(project, files, retrieval, reader, is_rest=known > 0)
    return RetrievalReport(len(found), known, undelivered, imported)


@contextmanager
def _originals(project: Project) -> Iterator[Path]:
    """The folder of the fetched originals, held alone; halves of a crash are cleared away."""
    folder = project.folder / "private" / "originals"
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            for half in folder.glob("*.part"):
                half.unlink()
            yield folder
    except Timeout as error:
        raise NotReady(
            "Another fetch from a PACS into this project is at work; wait for its end."
        ) from error


def _place(folder: Path, image: FoundImage) -> Path:
    return folder / f"{image.sop_key[:32]}.dcm"


def _what_is_there(found: Sequence[FoundImage], new: Sequence[FoundImage]) -> str:
    studies = len({image.remote.study for image in found})
    known = len(found) - len(new)
    return f"The PACS has {len(found)} images in {studies} studies; {known} are in the project."


def _fetch(
    connection: Connection, images: Sequence[FoundImage], folder: Path
) -> Generator[Event, None, tuple[str, ...]]:
    """Fetch images one by one; returns why those that did not come stayed away."""
    undelivered: list[str] = []
    began = last_event = time.monotonic()
    for done, image in enumerate(images, start=1):
        try:
            _fetch_one(connection, image, _place(folder, image))
        except NotDelivered as reason:
            undelivered.append(str(reason))
        except PacsError as error:
            came = done - 1 - len(undelivered)
            raise type(error)(
                f"{error} {came} of {len(images)} images were fetched and are kept; fetch again to go"
                f" on with the others."
            ) from error
        now = time.monotonic()
        if now - last_event > _SECONDS_BETWEEN_EVENTS or done == len(images):
            last_event = now
            each = (now - began) / done
            yield Progress("Fetching images", done, len(images), each, (len(images) - done) * each)
    if images and len(undelivered) == len(images):
        raise PacsError(f"Not one of {len(images)} images came; the first: {undelivered[0]}.")
    if undelivered:
        yield Notice(
            f"{len(undelivered)} of {len(images)} images did not come; the first: {undelivered[0]}. "
            f"Fetch again, or ask the administrator of the PACS.",
            Level.WARNING,
        )
    return tuple(undelivered)


def _fetch_one(connection: Connection, image: FoundImage, place: Path) -> None:
    """Next to first, then renamed: a file with an image's name is whole."""
    with atomic_write(place, 0o600) as unfinished:
        connection.retrieve(image.remote, unfinished)


def _import(
    project: Project, files: Sequence[SourceFile], retrieval: Retrieval, reader: str, is_rest: bool
) -> Generator[Event, None, ImportReport]:
    """Import; refusing every image is an error unless they are the rest of an earlier fetch."""
    try:
        report = yield from import_images(project, files, retrieval.source, reader, retrieval.twins)
    except NothingImported as error:
        _drop(error.report)
        if not is_rest:
            raise
        yield Notice(str(error), Level.WARNING)
        return error.report
    _drop(report)
    return report


def _drop(report: ImportReport) -> None:
    """Delete the files that became no image of the project."""
    for fate in report.fates:
        if fate.outcome not in STORED:
            fate.path.unlink(missing_ok=True)
