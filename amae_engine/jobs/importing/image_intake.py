"""Put decoded images into a project: each image once, pixels before rows."""

from __future__ import annotations

from amae_engine.catalog import image_keys, imports, studies
from amae_engine.catalog.tables import Held, Split
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.fingerprints import Fingerprints
from amae_engine.images.plausibility import NOT_FRONTAL_CHEST
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_report import (
    NAMES_FOLDER,
    STORED,
    FileFate,
    ImportReport,
    Outcome,
)
from amae_engine.project import Project

_ELSEWHERE = "another of these files"


class ImageIntake:
    """One import's way into a project.

    Args:
        project: Receives the images.
        source: A short label of where the images come from.
        reader: Who imports, for the audit.
        keep_suspects: Import images too that are probably there in another format.
    """

    def __init__(self, project: Project, source: str, reader: str, keep_suspects: bool) -> None:
        self._project = project
        self._source = project.source_names.code(source)
        self._reader, self._keep_suspects = reader, keep_suspects
        self._prints = Fingerprints(project.folder / "pixels", project.pixels)
        with project.session() as session:
            self.import_id = imports.begin(session, self._source, reader)

    def store(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> list[FileFate]:
        """Pixels first, then rows in one commit: a crash leaves at most unused pixels.

        One importer at a time: what one stores, the next one sees before it judges.
        """
        before, twins = len(self._prints), self._twins(batch)
        with self._project.lock_pixels():
            return self._store(batch, twins, before)

    def _twins(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> list[list[int]]:
        """Rows that probably hold the same image as each of a batch, of those that are known already.

        Looked for while others may store; what they store meanwhile is looked at when it is our turn.
        """
        known = self._known(batch)
        return [
            []
            if isinstance(image, Refusal) or not known.keys().isdisjoint(self._keys(image))
            else self._prints.find(image.image.pixels, image.fingerprint)
            for _, image in batch
        ]

    def _store(
        self,
        batch: list[tuple[SourceFile, IncomingImage | Refusal]],
        twins: list[list[int]],
        before: int,
    ) -> list[FileFate]:
        fates: list[FileFate] = []
        new: list[tuple[int, SourceFile, IncomingImage]] = []
        self._prints.sync()
        known = self._known(batch)
        for number, (file, image) in enumerate(batch):
            fate = self._judge(file, image, known, twins[number], before)
            fates.append(fate)
            if isinstance(image, IncomingImage) and fate.outcome in STORED:
                known |= dict.fromkeys(self._keys(image), _ELSEWHERE)
                self._prints.add(image.image.pixels, image.fingerprint)
                new.append((number, file, image))
        names = self._add([(file, image) for _, file, image in new])
        self._complete(batch, fates, known)
        for (number, file, _), name in zip(new, names, strict=True):
            reason = f"{name}; {fates[number].reason}" if fates[number].reason else name
            fates[number] = FileFate(file.path, fates[number].outcome, reason)
        return fates

    def _complete(
        self,
        batch: list[tuple[SourceFile, IncomingImage | Refusal]],
        fates: list[FileFate],
        known: dict[str, str],
    ) -> None:
        """Images that are there without a truth get that of the files that repeat them."""
        stated: dict[int, dict[str, int]] = {0: {}, 1: {}}  # by truth: the place of each name
        for place, (file, image) in enumerate(batch):
            if isinstance(image, Refusal) or file.truth is None:
                continue
            if fates[place].outcome is Outcome.DUPLICATE:
                name = next(known[key] for key in self._keys(image) if key in known)
                stated[file.truth][name] = place
        with self._project.session() as session:
            for truth, places in stated.items():
                found = studies.complete_truth(session, list(places), truth, self._reader)
                if found:
                    imports.extend_truths(session, self.import_id, truth, list(found))
                for name in found.values():
                    fate = fates[places[name]]
                    reason = f"{fate.reason}, which now has its truth"
                    fates[places[name]] = FileFate(fate.path, Outcome.COMPLETED, reason)

    def end(self, report: ImportReport) -> None:
        """Note the import's result in the audit, and the last images' hashes on disk."""
        with self._project.lock_pixels():
            self._prints.sync()
        with self._project.session() as session:
            imports.end(session, self.import_id, report.summary())
        folder = self._project.folder / NAMES_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        report.write_csv(folder / f"import-{self.import_id}.csv", names=True)
        self._project.close_private()
        self._project.analyse()

    def _known(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> dict[str, str]:
        """Names of the project's images by those keys of the batch that they have."""
        images = [image for _, image in batch if isinstance(image, IncomingImage)]
        keys = [key for image in images for key in self._keys(image)]
        with self._project.session() as session:
            return image_keys.names_by_key(session, keys)

    def _keys(self, image: IncomingImage) -> list[str]:
        return [key for key in keys_of(self._project, image) if key]

    def _judge(
        self,
        file: SourceFile,
        image: IncomingImage | Refusal,
        known: dict[str, str],
        twins: list[int],
        before: int,
    ) -> FileFate:
        if isinstance(image, Refusal):
            return FileFate(file.path, Outcome.REFUSED, str(image))
        same = next((known[key] for key in self._keys(image) if key in known), None)
        if same is not None:
            return FileFate(file.path, Outcome.DUPLICATE, f"the same image as {same}")
        since = self._prints.find(image.image.pixels, image.fingerprint, before)
        twin = self._name_of([*twins, *since])
        if twin is None and looks_unlike(image):
            return FileFate(file.path, Outcome.HELD, "it looks unlike a frontal chest image")
        if twin is None:
            return FileFate(file.path, Outcome.IMPORTED, "")
        outcome = Outcome.IMPORTED if self._keep_suspects else Outcome.SUSPECT
        return FileFate(file.path, outcome, f"probably the same image as {twin}")

    def _name_of(self, rows: list[int]) -> str | None:
        """The name of the first image of these rows that is in the project."""
        for row in rows:
            if row >= len(self._project.pixels):
                return _ELSEWHERE
            with self._project.session() as session:
                name = image_keys.name_at(session, row)
            if name is not None:
                return name
        return None

    def _add(self, images: list[tuple[SourceFile, IncomingImage]]) -> list[str]:
        """Store the images and add their rows; returns the images' names."""
        first_row = self._project.pixels.append([image.image.pixels for _, image in images])
        new = [
            _new_image(self._project, file, image, self._source, row)
            for row, (file, image) in enumerate(images, start=first_row)
        ]
        with self._project.session() as session:
            ids = studies.add_images(session, new)
            imports.extend(session, self.import_id, ids)
        paths = [file.path for file, _ in images]
        self._project.remember_originals(dict(zip(ids, paths, strict=True)))
        return [studies.image_name(image_id) for image_id in ids]


def looks_unlike(image: IncomingImage) -> bool:
    """Whether an image waits for a reader: it may be no frontal chest."""
    return NOT_FRONTAL_CHEST in image.image.flags


def keys_of(project: Project, image: IncomingImage) -> tuple[str, str | None]:
    """The keyed hashes of an image's pixels and of its SOP instance, None where it has none."""
    sop = keyed_hash(project.key, "instance", image.image.sop) if image.image.sop else None
    return keyed_hash(project.key, "pixels", image.pixel_hash), sop


def patient_key(project: Project, patient: str) -> str:
    """The keyed hash of a patient as a table or a file names them."""
    return keyed_hash(project.key, "patient", patient)


def _new_image(
    project: Project, file: SourceFile, image: IncomingImage, source: str, store_row: int
) -> studies.NewImage:
    facts = image.image
    patient = file.patient or facts.patient or image.pixel_hash
    study = facts.study or f"{patient}\0{image.pixel_hash}"
    pixels, sop = keys_of(project, image)
    person = file.facts.or_of(facts.facts)
    return studies.NewImage(
        patient_key=patient_key(project, patient),
        patient_known=bool(file.patient or facts.patient),
        study_key=keyed_hash(project.key, "study", study),
        split=Split(file.role),
        truth=0 if file.role == Split.NORMAL else file.truth,
        source=source,
        sop_key=sop,
        pixel_hash=pixels,
        store_row=store_row,
        rows=image.rows,
        columns=image.columns,
        bits_stored=facts.bits_stored,
        photometric=facts.photometric,
        modality=facts.modality,
        view=facts.view or person.view,
        body_part=facts.body_part,
        transfer_syntax=facts.transfer_syntax,
        pixel_spacing_mm=None if facts.spacing is None else facts.spacing.row_mm,
        column_spacing_mm=None if facts.spacing is None else facts.spacing.column_mm,
        spacing_tag="" if facts.spacing is None else facts.spacing.tag,
        flags=facts.flags,
        sex=person.sex,
        age_band=person.age_band,
        findings=person.findings,
        held=Held.WAITING if looks_unlike(image) else Held.NO,
    )
