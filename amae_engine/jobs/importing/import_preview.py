"""A dry run of an import: what would happen, without changing anything."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amae_engine.catalog import image_keys, patients
from amae_engine.catalog.tables import Split
from amae_engine.events import Event, Progress
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.file_index import is_there
from amae_engine.images.sources import Selection, SourceFile
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.jobs.importing.new_image import keys_of, patient_key
from amae_engine.project import Project

_TRIED = 256  # files that are read on trial, spread over the source
_REASONS = 10
_SIDE = 256


@dataclass(frozen=True, slots=True)
class PreviewCount:
    """How many files have a role and a truth (0, 1, None unknown)."""

    role: str
    truth: int | None
    images: int


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would do.

    Attributes:
        kind: What the source was taken for.
        files: Files that it names.
        counts: By role and truth, of all files.
        missing: Files that are not there.
        repeated: Files that the source names more than once; each counts once.
        left_out: Why images that the source names are not taken, with counts.
        shared_patients: Patients who would have images in more than one split, as far as the
            table, the files read on trial and the project tell.
        tried: Files that were read on trial.
        refused: Of these, files that would be refused.
        known: Of these, images that the project has.
        reasons: The first reasons for refusals, missing and repeated files.
    """

    kind: str
    files: int
    counts: tuple[PreviewCount, ...]
    missing: int
    repeated: int
    left_out: tuple[tuple[str, int], ...]
    shared_patients: int
    tried: int
    refused: int
    known: int
    reasons: tuple[str, ...]

    def lines(self) -> list[str]:
        """The preview for a reader, line by line."""
        words = {0: "normal", 1: "abnormal", None: "truth unknown"}
        lines = [f"Dry run, nothing is imported. Source: {self.kind}, {self.files} files."]
        lines += [f"{c.role:<10} {words[c.truth]:<14} {c.images}" for c in self.counts]
        lines += [f"left out: {count} × {reason}" for reason, count in self.left_out]
        for count, text in (
            (self.missing, "files are missing"),
            (self.repeated, "files are named more than once"),
            (self.shared_patients, "patients would be in more than one split"),
        ):
            if count:
                lines.append(f"{count} {text}")
        lines.append(
            f"{self.tried} files were read on trial: {self.refused} would be refused, "
            f"{self.known} are in the project already"
        )
        return lines + list(self.reasons)


def preview_import(
    plan: ImportPlan, project: Project | None = None
) -> Generator[Event, None, ImportPreview]:
    """Say what an import would do.

    Args:
        plan: What the reader asked for.
        project: Where it would go; None for one that is not made yet.

    Raises:
        BadInput: The sources cannot be read, or hold no image.
    """
    with tempfile.TemporaryDirectory(prefix="amae-") as place:
        selection = plan.unpacked(Path(place)).select(project)
        return (yield from _preview(_without_refused(selection), project))


def _without_refused(selection: Selection) -> Selection:
    """The files that may come in; the others are left out, with their reasons."""
    reasons = Counter(file.refused for file in selection.files if file.refused)
    allowed = tuple(file for file in selection.files if not file.refused)
    return replace(selection, files=allowed, left_out=(*selection.left_out, *reasons.items()))


def _preview(
    selection: Selection, project: Project | None
) -> Generator[Event, None, ImportPreview]:
    absent, repeated, present = _sorted_out(selection.files)
    reasons = [f"{file.path.name}: the file is missing" for file in absent[:_REASONS]]
    reasons += [_repeat_reason(file, first) for file, first in repeated[:_REASONS]]
    trial = _Trial(project)
    sample = present[:: max(1, -(-len(present) // _TRIED))]
    side = project.pixels.side if project is not None else _SIDE
    for batch in decode_ahead(sample, lambda file: file.path, side):
        trial.note(batch)
        yield Progress("Trying files", trial.tried, len(sample))
    return ImportPreview(
        kind=selection.kind,
        files=len(selection.files),
        counts=_counts(selection),
        missing=len(absent),
        repeated=len(repeated),
        left_out=selection.left_out,
        shared_patients=_shared_patients(present, trial.patients, project),
        tried=trial.tried,
        refused=trial.refused,
        known=trial.known,
        reasons=tuple([*trial.reasons, *reasons][:_REASONS]),
    )


class _Trial:
    """What reading some files has shown."""

    def __init__(self, project: Project | None) -> None:
        self._project = project
        self.tried = self.refused = self.known = 0
        self.reasons: list[str] = []
        self.patients: dict[Path, str] = {}

    def note(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> None:
        self.tried += len(batch)
        for file, image in batch:
            if isinstance(image, Refusal):
                self.refused += 1
                self.reasons.append(f"{file.path.name}: {image}")
                continue
            self.patients[file.path] = image.image.patient
            if self._project is not None:
                pixels, _ = keys_of(self._project, image)
                with self._project.session() as session:
                    self.known += bool(image_keys.names_by_key(session, [pixels]))


def _sorted_out(
    files: Sequence[SourceFile],
) -> tuple[list[SourceFile], list[tuple[SourceFile, SourceFile]], list[SourceFile]]:
    """Files that are missing, files named again with their first naming, and the others."""
    absent: list[SourceFile] = []
    repeated: list[tuple[SourceFile, SourceFile]] = []
    present: dict[Path, SourceFile] = {}
    for file in files:
        path = file.path.absolute()
        if path in present:
            repeated.append((file, present[path]))
        elif is_there(file.path):
            present[path] = file
        else:
            absent.append(file)
    return absent, repeated, list(present.values())


def _repeat_reason(file: SourceFile, first: SourceFile) -> str:
    if file.role == first.role:
        return f"{file.path.name}: named more than once"
    return f"{file.path.name}: named as {first.role} and as {file.role}; the first counts"


def _counts(selection: Selection) -> tuple[PreviewCount, ...]:
    counts = Counter((file.role, file.truth) for file in selection.files)
    roles = [str(split) for split in Split]
    order = sorted(counts, key=lambda kind: (roles.index(kind[0]), kind[1] is None, kind[1] or 0))
    return tuple(PreviewCount(role, truth, counts[role, truth]) for role, truth in order)


def _shared_patients(
    files: Sequence[SourceFile], read: dict[Path, str], project: Project | None
) -> int:
    """Patients in more than one split, those of the project among them."""
    roles: dict[str, set[str]] = {}
    for file in files:
        patient = file.patient or read.get(file.path, "")
        if patient:
            roles.setdefault(patient, set()).add(file.role)
    if project is not None:
        for patient, known in _known_splits(project, list(roles)):
            roles[patient] |= known
    return sum(len(splits) > 1 for splits in roles.values())


def _known_splits(project: Project, named: list[str]) -> Iterator[tuple[str, set[Split]]]:
    keys = {patient_key(project, patient): patient for patient in named}
    with project.session() as session:
        for key, splits in patients.splits_of(session, list(keys)).items():
            yield keys[key], splits
