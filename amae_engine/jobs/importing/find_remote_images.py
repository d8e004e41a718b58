"""Look for images in a PACS; nothing is fetched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Self

from amae_engine.catalog import image_keys
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.deidentify import keyed_hash
from amae_engine.pacs.connection import Connection, connect
from amae_engine.pacs.query import PacsQuery, RemoteImage, find_images, left_out_text
from amae_engine.pacs.server import Server
from amae_engine.project import Project

_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image in the PACS as a reader may see it.

    Attributes:
        patient_key: The project's keyed hash, the same as in the catalog.
        sop_key: The keyed hash of the SOP instance.
        name: Of the same image in the project, "" where it is not there.
    """

    study_date: str
    modality: str
    body_part: str
    patient_key: str
    sop_key: str
    name: str
    remote: RemoteImage = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteStudy:
    """One study in the PACS that has images of a query.

    Attributes:
        uid: For asking only.
        date: YYYYMMDD, "" where the PACS does not say.
        modalities, body_parts: Of these images.
        images: How many.
        known: Are in the project already.
    """

    uid: str = field(repr=False)
    date: str
    modalities: str
    body_parts: str
    images: int
    known: int


@dataclass(frozen=True, slots=True)
class RemoteCounts:
    """How many images a query means.

    Attributes:
        images: By modality and year of the study ("no date" where the PACS gives none), in order.
        each: The studies that they are from, newest first.
        known: Are in the project already.
    """

    images: dict[tuple[str, str], int]
    each: tuple[RemoteStudy, ...]
    known: int = 0

    @classmethod
    def of(cls, images: Sequence[RemoteImage], here: Collection[str] = ()) -> Self:
        """Count images.

        Args:
            images: That a query means.
            here: SOP instances that the project has.
        """
        years = ((i.modality, i.study_date[:4] or "no date") for i in images)
        by_study: dict[str, list[RemoteImage]] = {}
        for image in images:
            by_study.setdefault(image.study, []).append(image)
        each = [_study(uid, some, here) for uid, some in by_study.items()]
        each.sort(key=lambda study: study.date, reverse=True)
        known = sum(study.known for study in each)
        return cls(dict(sorted(Counter(years).items())), tuple(each), known)

    @property
    def studies(self) -> int:
        """How many studies the images are from."""
        return len(self.each)

    @property
    def total(self) -> int:
        """All images."""
        return sum(self.images.values())


def _study(uid: str, images: Sequence[RemoteImage], here: Collection[str]) -> RemoteStudy:
    return RemoteStudy(
        uid,
        images[0].study_date,
        ", ".join(sorted({image.modality for image in images})),
        ", ".join(sorted({image.body_part for image in images if image.body_part})),
        len(images),
        sum(image.sop in here for image in images),
    )


def find_remote_images(
    project: Project, server: Server, query: PacsQuery, password: str = ""
) -> Generator[Event, None, tuple[FoundImage, ...]]:
    """List the images of a PACS that match, with what the project has of them.

    Raises:
        PacsError: The PACS cannot be reached, refuses or fails.
    """
    with connect(server, password) as connection:
        found = yield from list_images(project, connection, query)
    return found


def list_images(
    project: Project, connection: Connection, query: PacsQuery
) -> Generator[Event, None, tuple[FoundImage, ...]]:
    """The same on a connection that is open."""
    images: list[RemoteImage] = []
    last_event = time.monotonic()
    left_out: Counter[str] = Counter()
    for image in find_images(connection.search, query, left_out):
        images.append(image)
        if time.monotonic() - last_event > _SECONDS_BETWEEN_EVENTS:
            last_event = time.monotonic()
            yield Progress("Asking the PACS", len(images), 0)
    if left_out:
        yield Notice(left_out_text(left_out), Level.WARNING)
    keys = [keyed_hash(project.key, "instance", image.sop) for image in images]
    with project.session() as session:
        names = image_keys.names_by_key(session, keys)
    return tuple(
        FoundImage(
            study_date=image.study_date,
            modality=image.modality,
            body_part=image.body_part,
            patient_key=keyed_hash(project.key, "patient", image.patient) if image.patient else "",
            sop_key=key,
            name=names.get(key, ""),
            remote=image,
        )
        for image, key in zip(images, keys, strict=True)
    )
