"""Put decoded images into a project: each image once, pixels before rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amae_engine.catalog import held_images, image_keys, imports, studies, twins
from amae_engine.images.decode import IncomingImage
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.fingerprints import Fingerprints
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_report import (
    NAMES_FOLDER,
    STORED,
    FileFate,
    ImportReport,
    Outcome,
    Twins,
)
from amae_engine.jobs.importing.new_image import (
    keys_of,
    label_text,
    looks_unlike,
    new_image,
    why_held,
)
from amae_engine.project import Project

_ELSEWHERE = "another of these files"
_CLASH = "its SOP Instance UID is also that of an image with other pixels"


class ImageIntake:
    """One import's way into a project.

    Args:
        project: Receives the images.
        source: A short label of where the images come from.
        reader: Who imports, for the audit.
        wanted: What becomes of images that are probably there in another format. Of two in one import
            the larger one stays.

    Attributes:
        fates: Of every file that was stored or refused so far, in their order.
    """

    def __init__(self, project: Project, source: str, reader: str, wanted: Twins) -> None:
        self._project = project
        self._source = project.source_names.code(source)
        self._reader, self._wanted = reader, wanted
        self.fates: list[FileFate] = []
        self._came: dict[int, int] = {}  # by row of the store: the place of the fate
        self._prints = Fingerprints(project.folder / "pixels", project.pixels)
        with project.session() as session:
            self.import_id = imports.begin(session, self._source, reader)

    def store(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> None:
        """Pixels first, then rows in one commit: a crash leaves at most unused pixels.

        One importer at a time: what one stores, the next one sees before it judges.
        """
        before, near = len(self._prints), self._near(batch)
        with self._project.lock_pixels():
            self._store(batch, near, before)

    def _near(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> list[list[int]]:
        """Rows that probably hold the same image as each of a batch, of those that are known already.

        Looked for while others may store; what they store meanwhile is looked at when it is our turn.
        """
        known = self._known(batch)
        return [
            []
            if isinstance(image, Refusal) or self._keys(image)[0] in known
            else self._prints.find(image.image.pixels, image.fingerprint)
            for _, image in batch
        ]

    def _store(
        self,
        batch: list[tuple[SourceFile, IncomingImage | Refusal]],
        near: list[list[int]],
        before: int,
    ) -> None:
        self._prints.sync()
        known = self._known(batch)
        new: dict[int, _New] = {}
        for number, (file, image) in enumerate(batch):
            fate, twin = self._judge(file, image, known, near[number], before, new)
            clash = self._clashes(image, known)
            if clash and fate.outcome in STORED:
                fate = replace(fate, reason=f"{fate.reason}; {_CLASH}".removeprefix("; "))
            place = len(self.fates)
            self.fates.append(fate)
            if isinstance(image, IncomingImage) and fate.outcome in STORED:
                known |= {key: _ELSEWHERE for key in self._keys(image) if key}
                row = self._prints.add(image.image.pixels, image.fingerprint)
                new[row] = _New(place, file, image, clashes=clash)
                self._came[row] = place
                if twin is not None and twin.row in self._came:
                    self._supersede(twin, new, label_text(file.role, file.truth))
                elif twin is not None and fate.outcome is Outcome.REPLACED:
                    new[row].replaces = twin
        self._add(new)
        self._carry_over(batch)

    def _carry_over(self, batch: list[tuple[SourceFile, IncomingImage | Refusal]]) -> None:
        """What files say of images that they repeat: a truth that was lacking, or another label.

        An image of this import that has two labels is held back for the reader.
        """
        start = len(self.fates) - len(batch)
        repeated = {
            place: (file, self._keys(image)[0])
            for place, (file, image) in enumerate(batch, start)
            if isinstance(image, IncomingImage) and self.fates[place].outcome is Outcome.DUPLICATE
        }
        if not repeated:
            return
        with self._project.session() as session:
            there = image_keys.labels_by_pixels(session, [key for _, key in repeated.values()])
            lacking: dict[int, dict[int, str]] = {0: {}, 1: {}}  # by truth: names by fates' places
            for place, (file, key) in repeated.items():
                image, fate = there.get(key), self.fates[place]
                if image is None:  # a larger one of it came in its place
                    continue
                if image.split != file.role or len({file.truth, image.truth} - {None}) > 1:
                    is_, here = (
                        label_text(image.split, image.truth),
                        label_text(file.role, file.truth),
                    )
                    reason = f"{fate.reason}, which is {is_}; here it is {here}"
                    self.fates[place] = FileFate(fate.path, Outcome.CONFLICT, reason)
                    if image.store_row in self._came and not twins.is_used(session, image.id):
                        held_images.hold(session, image.id)
                elif file.truth is not None and image.truth is None:
                    lacking[file.truth][place] = image.name
            for truth, names in lacking.items():
                found = studies.complete_truth(session, list(names.values()), truth, self._reader)
                if found:
                    imports.extend_truths(session, self.import_id, truth, list(found))
                for place in names:
                    fate = self.fates[place]
                    reason = f"{fate.reason}, which now has its truth"
                    self.fates[place] = FileFate(fate.path, Outcome.COMPLETED, reason)

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
        keys = [key for image in images for key in self._keys(image) if key]
        with self._project.session() as session:
            return image_keys.names_by_key(session, keys)

    def _keys(self, image: IncomingImage) -> tuple[str, str | None]:
        return keys_of(self._project, image)

    def _clashes(self, image: IncomingImage | Refusal, known: dict[str, str]) -> bool:
        """Whether another image has its SOP Instance UID."""
        return isinstance(image, IncomingImage) and self._keys(image)[1] in known

    def _judge(
        self,
        file: SourceFile,
        image: IncomingImage | Refusal,
        known: dict[str, str],
        near: list[int],
        before: int,
        new: dict[int, _New],
    ) -> tuple[FileFate, _Twin | None]:
        if isinstance(image, Refusal):
            return FileFate(file.path, Outcome.REFUSED, str(image)), None
        pixels, _ = self._keys(image)
        if pixels in known:
            same = f"the same image as {known[pixels]}"
            return FileFate(file.path, Outcome.DUPLICATE, same), None
        since = self._prints.find(image.image.pixels, image.fingerprint, before)
        twin = self._twin_at([*near, *since], new)
        is_better = twin is not None and _quality(image) > twin.quality
        reason, differs = "" if twin is None else f"probably the same image as {twin.name}", ""
        if twin is not None and twin.label != label_text(file.role, file.truth):
            differs = f", which is {twin.label}; here it is {label_text(file.role, file.truth)}"
        if twin is not None and self._wanted is Twins.KEEP:
            return FileFate(file.path, Outcome.IMPORTED, f"{reason}{differs}"), None
        takes_place = is_better and twin is not None and twin.row in self._came
        if looks_unlike(image) and (twin is None or takes_place):
            return FileFate(file.path, Outcome.HELD, why_held(image)), twin
        if twin is None or takes_place:
            return FileFate(file.path, Outcome.IMPORTED, ""), twin
        if not is_better:
            return FileFate(file.path, Outcome.SUSPECT, f"{reason}{differs}"), None
        is_wanted = self._wanted is Twins.REPLACE and twin.image_id
        outcome = Outcome.REPLACED if is_wanted else Outcome.LARGER
        size = f"{image.columns} × {image.rows}, {image.image.bits_stored} bits"
        return FileFate(file.path, outcome, f"{reason}, and larger ({size}){differs}"), twin

    def _twin_at(self, rows: list[int], new: dict[int, _New]) -> _Twin | None:
        """The first image of these rows that is in the project, or about to be."""
        for row in rows:
            if row in new and not new[row].is_superseded:
                mine = new[row]
                label = label_text(mine.file.role, mine.file.truth)
                return _Twin(row, 0, _ELSEWHERE, _quality(mine.image), label)
            if row in new or row >= len(self._project.pixels):
                continue
            with self._project.session() as session:
                found = twins.at(session, row)
                if (
                    found is not None
                    and row in self._came
                    and twins.is_used(session, found.image_id)
                ):
                    del self._came[row]  # it is not replaced silently any more
            if found is not None:
                label = label_text(found.split, found.truth)
                return _Twin(row, found.image_id, found.name, found.quality, label)
        return None

    def _supersede(self, twin: _Twin, new: dict[int, _New], label: str) -> None:
        """Leave an image of this import out after all: a larger one of it came."""
        place = self._came.pop(twin.row)
        if twin.row in new:
            new[twin.row].is_superseded = True
        else:
            with self._project.session() as session:
                imports.withdraw(session, self.import_id, twin.image_id)
            self._project.forget_originals([twin.image_id])
        reason = f"probably the same image as {_ELSEWHERE}, which is larger"
        if label != twin.label:
            reason += f", and is {label}; here it is {twin.label}"
        self.fates[place] = FileFate(self.fates[place].path, Outcome.SUSPECT, reason)

    def _add(self, new: dict[int, _New]) -> None:
        """Store the images and add their rows; their fates say what they are called."""
        first = self._project.pixels.append([each.image.image.pixels for each in new.values()])
        rows = dict(zip(new.values(), range(first, first + len(new)), strict=True))
        added = [each for each in rows if not each.is_superseded and each.replaces is None]
        facts = {
            each: new_image(self._project, each.file, each.image, self._source, row, each.clashes)
            for each, row in rows.items()
        }
        with self._project.session() as session:
            ids = studies.add_images(session, [facts[each] for each in added])
            imports.extend(session, self.import_id, ids)
            named = dict(zip(added, ids, strict=True))
            for each in rows:
                if each.replaces is not None:
                    image = named[each] = each.replaces.image_id
                    before = twins.take_place(session, image, facts[each])
                    imports.extend_replaced(session, self.import_id, image, before)
        self._project.remember_originals({i: each.file.path for each, i in named.items()})
        for each, image in named.items():
            fate, name = self.fates[each.place], studies.image_name(image)
            reason = f"{name}; {fate.reason}" if fate.reason else name
            self.fates[each.place] = FileFate(fate.path, fate.outcome, reason)


@dataclass(eq=False, slots=True)
class _New:
    """An image that is about to be stored.

    Attributes:
        place: Of its fate.
        clashes: Whether another image has its SOP Instance UID, which it is not known by then.
        replaces: Whose place it takes.
        is_superseded: Whether a larger one of it came in the same batch.
    """

    place: int
    file: SourceFile
    image: IncomingImage
    clashes: bool = False
    replaces: _Twin | None = None
    is_superseded: bool = False


@dataclass(frozen=True, slots=True)
class _Twin:
    """What an image is probably the same as; the id is 0 while it is not stored yet."""

    row: int
    image_id: int
    name: str
    quality: twins.Quality
    label: str


def _quality(image: IncomingImage) -> twins.Quality:
    return image.rows * image.columns, image.image.bits_stored
