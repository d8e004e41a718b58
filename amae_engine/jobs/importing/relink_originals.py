"""Find originals that were moved: by name, verified by their pixels."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amae_engine.catalog import image_keys, studies
from amae_engine.errors import BadInput
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.fingerprints import probably_same
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.jobs.importing.new_image import keys_of
from amae_engine.project import Project

_SECONDS_BETWEEN_EVENTS = 0.1
_Known = dict[str | None, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RelinkReport:
    """What a search for originals found.

    Attributes:
        missing: Originals that were not where they had been.
        found: Those found again, verified by pixels or SOP instance.
        others: Files of the same names that hold other images.
    """

    missing: int
    found: int
    others: int

    def summary(self) -> str:
        """One sentence for the reader."""
        text = f"{self.found} of {self.missing} missing originals found again"
        return (
            f"{text}; {self.others} files of the same name are other images."
            if (self.others)
            else f"{text}."
        )


def relink_originals(project: Project, folder: Path) -> Generator[Event, None, RelinkReport]:
    """Link originals that were moved below `folder`; closing keeps what was found so far.

    Raises:
        BadInput: There is no such folder.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder.name}: there is no such folder; choose where the images are now.")
    missing = project.missing_originals()
    ids_of = _ids_by_key(project, list(missing))
    names = {path.name for path in missing.values()}
    candidates = [path for path in folder.rglob("*") if path.name in names and path.is_file()]
    found: set[int] = set()
    done, last_event = 0, time.monotonic()
    for batch in decode_ahead(candidates, lambda path: path, project.pixels.side):
        links: dict[int, Path] = {}
        for path, image in batch:
            same = set() if isinstance(image, Refusal) else set(_same(project, image, ids_of))
            links |= {i: path for i in same if missing[i].name == path.name and i not in found}
            found |= links.keys()
        project.remember_originals(links)
        done += len(batch)
        if time.monotonic() - last_event > _SECONDS_BETWEEN_EVENTS or done == len(candidates):
            last_event = time.monotonic()
            yield Progress("Finding originals", done, len(candidates))
    report = RelinkReport(len(missing), len(found), len(candidates) - len(found))
    yield Notice(report.summary(), Level.INFO if report.found == report.missing else Level.WARNING)
    return report


def _same(project: Project, image: IncomingImage, ids_of: _Known) -> Iterator[int]:
    """The image whose original a file is: its pixels agree, to the bit or as they were then decoded."""
    pixels, instance = keys_of(project, image)
    if pixels in ids_of:
        yield ids_of[pixels][0]
    elif instance in ids_of:
        found, row = ids_of[instance]
        if probably_same(project.pixels.read(np.array([row]))[0], image.image.pixels):
            yield found


def _ids_by_key(project: Project, ids: list[int]) -> _Known:
    """Image id and row of the store, by the hash of pixels and by that of the SOP instance."""
    with project.session() as session:
        keys = image_keys.of_images(session, ids)
        rows = {row.id: row.store_row for row in studies.rows(session, ids)}
    places = {image.image_id: (image.image_id, rows[image.image_id]) for image in keys}
    by_key: _Known = {image.pixel_hash: places[image.image_id] for image in keys}
    return by_key | {image.sop_key: places[image.image_id] for image in keys if image.sop_key}
