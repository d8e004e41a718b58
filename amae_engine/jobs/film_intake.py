"""Put decoded films into a project: each film once, pixels before rows."""

from __future__ import annotations

from amae_engine.catalog import film_keys, imports, studies
from amae_engine.catalog.tables import Split
from amae_engine.images.decode import StoredFilm
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.film import Refusal
from amae_engine.images.fingerprints import Fingerprints
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.import_report import FileFate, ImportReport, Outcome
from amae_engine.project import Project

_ELSEWHERE = "another of these files"


class FilmIntake:
    """One import's way into a project.

    Args:
        project: Receives the films.
        source: A short label of where the films come from.
        reader: Who imports, for the audit.
        keep_suspects: Import films too that are probably there in another format.
    """

    def __init__(self, project: Project, source: str, reader: str, keep_suspects: bool) -> None:
        self._project = project
        self._source = source[:64]
        self._keep_suspects = keep_suspects
        self._prints = Fingerprints(project.folder / "pixels", project.pixels)
        with project.session() as session:
            self.import_id = imports.begin(session, self._source, reader)

    def store(self, batch: list[tuple[SourceFile, StoredFilm | Refusal]]) -> list[FileFate]:
        """Pixels first, then rows in one commit: a crash leaves at most unused pixels.

        One importer at a time: what one stores, the next one sees before it judges.
        """
        with self._project.pixels.locked():
            return self._store(batch)

    def _store(self, batch: list[tuple[SourceFile, StoredFilm | Refusal]]) -> list[FileFate]:
        fates: list[FileFate] = []
        new: list[tuple[int, SourceFile, StoredFilm]] = []
        self._prints.sync()
        known = self._known(batch)
        for number, (file, film) in enumerate(batch):
            fate = self._judge(file, film, known)
            fates.append(fate)
            if isinstance(film, StoredFilm) and fate.outcome is Outcome.IMPORTED:
                known |= {key: _ELSEWHERE for key in keys_of(self._project, film) if key}
                self._prints.add(film.film.pixels, film.fingerprint)
                new.append((number, file, film))
        names = self._add([(file, film) for _, file, film in new])
        for (number, file, _), name in zip(new, names, strict=True):
            reason = f"{name}; {fates[number].reason}" if fates[number].reason else name
            fates[number] = FileFate(file.path, Outcome.IMPORTED, reason)
        return fates

    def end(self, report: ImportReport) -> None:
        """Note the import's result in the audit."""
        with self._project.session() as session:
            imports.end(session, self.import_id, report.summary())
        self._project.analyse()

    def _known(self, batch: list[tuple[SourceFile, StoredFilm | Refusal]]) -> dict[str, str]:
        """Names of the project's images by those keys of the batch that they have."""
        films = [film for _, film in batch if isinstance(film, StoredFilm)]
        keys = [key for film in films for key in keys_of(self._project, film) if key]
        with self._project.session() as session:
            return film_keys.names_by_key(session, keys)

    def _judge(
        self, file: SourceFile, film: StoredFilm | Refusal, known: dict[str, str]
    ) -> FileFate:
        if isinstance(film, Refusal):
            return FileFate(file.path, Outcome.REFUSED, str(film))
        same = next((known[key] for key in keys_of(self._project, film) if key in known), None)
        if same is not None:
            return FileFate(file.path, Outcome.DUPLICATE, f"the same film as {same}")
        twin = self._twin(film)
        if twin is None:
            return FileFate(file.path, Outcome.IMPORTED, "")
        outcome = Outcome.IMPORTED if self._keep_suspects else Outcome.SUSPECT
        return FileFate(file.path, outcome, f"probably the same film as {twin}")

    def _twin(self, film: StoredFilm) -> str | None:
        """The name of a film that is probably the same, in another format or window."""
        for row in self._prints.find(film.film.pixels, film.fingerprint):
            if row >= len(self._project.pixels):
                return _ELSEWHERE
            with self._project.session() as session:
                name = film_keys.name_at(session, row)
            if name is not None:
                return name
        return None

    def _add(self, films: list[tuple[SourceFile, StoredFilm]]) -> list[str]:
        """Store the films and add their rows; returns the images' names."""
        first_row = self._project.pixels.append([film.film.pixels for _, film in films])
        new = [
            _new_image(self._project, file, film, self._source, row)
            for row, (file, film) in enumerate(films, start=first_row)
        ]
        with self._project.session() as session:
            ids = studies.add_images(session, new)
            imports.extend(session, self.import_id, ids)
        paths = [file.path for file, _ in films]
        self._project.remember_originals(dict(zip(ids, paths, strict=True)))
        return [studies.image_name(image_id) for image_id in ids]


def keys_of(project: Project, film: StoredFilm) -> tuple[str, str | None]:
    """The keyed hashes of a film's pixels and of its SOP instance, None where it has none."""
    sop = keyed_hash(project.key, "instance", film.film.sop) if film.film.sop else None
    return keyed_hash(project.key, "pixels", film.pixel_hash), sop


def patient_key(project: Project, patient: str) -> str:
    """The keyed hash of a patient as a table or a file names them."""
    return keyed_hash(project.key, "patient", patient)


def _new_image(
    project: Project, file: SourceFile, film: StoredFilm, source: str, store_row: int
) -> studies.NewImage:
    facts = film.film
    patient = file.patient or facts.patient or film.pixel_hash
    study = facts.study or f"{patient}\0{film.pixel_hash}"
    pixels, sop = keys_of(project, film)
    return studies.NewImage(
        patient_key=patient_key(project, patient),
        study_key=keyed_hash(project.key, "study", study),
        split=Split(file.role),
        truth=0 if file.role == Split.NORMAL else file.truth,
        source=source,
        sop_key=sop,
        pixel_hash=pixels,
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
