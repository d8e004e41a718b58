"""Import as a job: decode, de-identify, store; every file's fate is told."""

from __future__ import annotations

import csv
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.errors import BadInput
from amae_engine.events import Changed, Changes, Event, Level, Notice, Progress
from amae_engine.images.decode import StoredFilm
from amae_engine.images.decode_pool import decode_all
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.film import Refusal
from amae_engine.images.sources import SourceFile
from amae_engine.project import Project

_BATCH = 64  # films in memory, and films in one commit
_SECONDS_BETWEEN_EVENTS = 0.1


class Outcome(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileFate:
    """One file's fate; `reason` names the cause, or the image it became or repeats."""

    path: Path
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every file's fate, in the order given."""

    fates: tuple[FileFate, ...]

    def count(self, outcome: Outcome) -> int:
        """How many files ended so."""
        return sum(fate.outcome is outcome for fate in self.fates)

    def summary(self) -> str:
        """One sentence for the reader."""
        return (
            f"{self.count(Outcome.IMPORTED)} films imported, "
            f"{self.count(Outcome.DUPLICATE)} already there, "
            f"{self.count(Outcome.REFUSED)} refused."
        )

    def write_csv(self, path: Path) -> None:
        """Write the report as a table: file name, outcome, reason."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "outcome", "reason"))
            writer.writerows((f.path.name, f.outcome, f.reason) for f in self.fates)


def import_images(
    project: Project, files: list[SourceFile], source: str, reader: str = ""
) -> Generator[Event, None, ImportReport]:
    """Import films; a bad file is refused with its reason and the others go on.

    Closing the generator keeps what was committed so far.

    Args:
        project: Receives the films.
        files: What to import.
        source: A short label of where the films come from; put no patient into it.
        reader: Who imports, for the audit.

    Raises:
        BadInput: There is no file, or not one of them could be imported.
    """
    if not files:
        raise BadInput("There is nothing to import; choose a folder or files with films.")
    fates: list[FileFate] = []
    began = last_event = time.monotonic()
    for batch in _decoded(files, project.pixels.side):
        fates += _store(project, batch, source)
        now = time.monotonic()
        if now - last_event > _SECONDS_BETWEEN_EVENTS or len(fates) == len(files):
            last_event = now
            rate = len(fates) / (now - began)
            left = (len(files) - len(fates)) / rate
            yield Progress(f"Importing {source}", len(fates), len(files), rate, left)
            yield Changes(Changed.IMAGES)
    report = ImportReport(tuple(fates))
    with project.session() as session:
        studies.audit(session, reader, "import", f"{source}: {report.summary()}")
        shared = len(studies.patients_in_two_splits(session))
    if report.count(Outcome.REFUSED) == len(fates):
        first = fates[0]
        raise BadInput(
            f"None of the {len(fates)} files could be imported; the first, {first.path.name}: "
            f"{first.reason}"
        )
    yield Notice(report.summary())
    if shared:
        yield Notice(
            f"{shared} patients have films in more than one split; results on them would be too "
            f"good. Move or remove their films before training.",
            Level.WARNING,
        )
    return report


def _decoded(
    files: list[SourceFile], side: int
) -> Iterator[list[tuple[SourceFile, StoredFilm | Refusal]]]:
    """Decoded films in batches, in the order given."""
    films = decode_all([file.path for file in files], side)
    for start in range(0, len(files), _BATCH):
        batch = files[start : start + _BATCH]
        yield list(zip(batch, films, strict=False))


def _store(
    project: Project, batch: list[tuple[SourceFile, StoredFilm | Refusal]], source: str
) -> list[FileFate]:
    """Pixels first, then rows in one commit: a crash leaves at most unused pixels."""
    fates: list[FileFate] = []
    new: list[tuple[int, SourceFile, StoredFilm]] = []
    with project.session() as session:
        seen: set[str] = set()
        for number, (file, film) in enumerate(batch):
            if isinstance(film, Refusal):
                fates.append(FileFate(file.path, Outcome.REFUSED, str(film)))
                continue
            sop = _key(project, "instance", film.film.sop)
            pixels = keyed_hash(project.key, "pixels", film.pixel_hash)
            known = studies.find_duplicate(session, sop, pixels)
            if known or pixels in seen or (sop and sop in seen):
                reason = f"the same film as {known or 'another of these files'}"
                fates.append(FileFate(file.path, Outcome.DUPLICATE, reason))
                continue
            seen |= {pixels, sop or pixels}
            new.append((number, file, film))
            fates.append(FileFate(file.path, Outcome.IMPORTED, ""))
        first_row = project.pixels.append([film.film.pixels for _, _, film in new])
        originals = {}
        for place, (number, file, film) in enumerate(new):
            row = _new_image(project, file, film, source, first_row + place)
            image_id = studies.add_image(session, row)
            originals[image_id] = file.path
            fates[number] = FileFate(file.path, Outcome.IMPORTED, f"CXR-{image_id:05d}")
    project.remember_originals(originals)
    return fates


def _new_image(
    project: Project, file: SourceFile, film: StoredFilm, source: str, store_row: int
) -> studies.NewImage:
    facts = film.film
    patient = file.patient or facts.patient or film.pixel_hash
    study = facts.study or f"{patient}\0{film.pixel_hash}"
    return studies.NewImage(
        patient_key=keyed_hash(project.key, "patient", patient),
        study_key=keyed_hash(project.key, "study", study),
        split=Split(file.role),
        truth=0 if file.role == Split.NORMAL else file.truth,
        source=source[:64],
        sop_key=_key(project, "instance", facts.sop),
        pixel_hash=keyed_hash(project.key, "pixels", film.pixel_hash),
        store_row=store_row,
        rows=film.rows,
        columns=film.columns,
        bits_stored=facts.bits_stored,
        photometric=facts.photometric,
        modality=facts.modality,
        view=facts.view,
        body_part=facts.body_part,
        transfer_syntax=facts.transfer_syntax,
        pixel_spacing_mm=facts.pixel_spacing_mm,
        flags=facts.flags,
    )


def _key(project: Project, kind: str, identity: str) -> str | None:
    return keyed_hash(project.key, kind, identity) if identity else None
