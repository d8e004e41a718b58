"""Import as a job: decode, de-identify, store; every file's outcome is reported."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from amae_engine.catalog import studies
from amae_engine.errors import BadInput
from amae_engine.events import Changed, Changes, Event, Level, Notice, Progress
from amae_engine.images.sources import NO_IMAGE, SourceFile
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.jobs.importing.image_intake import ImageIntake
from amae_engine.jobs.importing.import_report import (
    NAMES_FOLDER,
    FileFate,
    ImportReport,
    NothingImported,
    Outcome,
    Twins,
)
from amae_engine.project import Project

_SECONDS_BETWEEN_EVENTS = 0.1


def import_images(
    project: Project,
    files: Sequence[SourceFile],
    source: str,
    reader: str = "",
    twins: Twins = Twins.LEAVE_OUT,
    at_once: int = 0,
) -> Generator[Event, None, ImportReport]:
    """Import images; a bad file is refused with its reason and the others go on.

    Closing the generator keeps what was committed so far.

    Args:
        project: Receives the images.
        files: What to import.
        source: A short label of where the images come from; put no patient into it.
        reader: Who imports, for the audit.
        twins: What becomes of images that are probably there in another format.
        at_once: Files that are decoded at the same time; 0 is one a core.

    Raises:
        BadInput: There is no file.
        NothingImported: Every file was refused; the error holds the report.
    """
    if not files:
        raise BadInput("There is nothing to import; choose a folder or files with images.")
    intake = ImageIntake(project, source, reader, twins)
    began = last_event = time.monotonic()
    allowed = [file for file in files if not file.refused]
    for batch in decode_ahead(allowed, lambda file: file.path, project.pixels.side, at_once):
        intake.store(batch)
        fates = intake.fates
        now = time.monotonic()
        if now - last_event > _SECONDS_BETWEEN_EVENTS or len(fates) == len(allowed):
            last_event = now
            each = (now - began) / len(fates)
            left = (len(allowed) - len(fates)) * each
            yield Progress(f"Importing {source}", len(fates), len(allowed), each, left)
            yield Changes(Changed.IMAGES)
    came = iter(intake.fates)
    report = ImportReport(
        tuple(
            FileFate(file.path, _passed_over(file), file.refused) if file.refused else next(came)
            for file in files
        )
    )
    intake.end(report)
    if report.count(Outcome.REFUSED) + report.count(Outcome.PASSED_OVER) == len(files):
        raise NothingImported(report)
    yield from _reported(project, report)
    return report


def _passed_over(file: SourceFile) -> Outcome:
    return Outcome.PASSED_OVER if file.refused == NO_IMAGE else Outcome.REFUSED


def _reported(project: Project, report: ImportReport) -> Generator[Event, None, None]:
    yield Notice(report.summary())
    if report.count(Outcome.REFUSED):
        yield Notice(f"Which files were refused, and why, stands in {NAMES_FOLDER} of the project.")
    suspects = report.count(Outcome.SUSPECT) + report.count(Outcome.LARGER)
    if suspects:
        yield Notice(
            f"{suspects} images are probably in the project in another format "
            f"and were left out; the report names them. Import them again keeping probable duplicates "
            f"(--keep-suspects) if they are different images.",
            Level.WARNING,
        )
    if report.count(Outcome.LARGER):
        yield Notice(
            f"{report.count(Outcome.LARGER)} of them are larger than the image that is there. Import "
            f"them again in its place (--replace-smaller): its decisions, split and truth stay.",
            Level.WARNING,
        )
    if report.count(Outcome.CONFLICT):
        yield Notice(
            f"{report.count(Outcome.CONFLICT)} files repeat images that have another split or truth; "
            f"the first label stays, the report names both, and an image that came with two labels is "
            f"held back for you to decide.",
            Level.WARNING,
        )
    if report.count(Outcome.HELD):
        yield Notice(
            f"{report.count(Outcome.HELD)} images are held back: they look unlike a frontal chest, or "
            f"their headers say nothing clear. Let them in or leave them out (Studies, More, or amae "
            f"held).",
            Level.WARNING,
        )
    with project.session() as session:
        shared = len(studies.patients_in_two_splits(session))
    if shared:
        yield Notice(
            f"{shared} patients have images in more than one split; results on them would be too "
            f"good, so training is blocked. Move each into one split (amae fix-patients).",
            Level.WARNING,
        )
