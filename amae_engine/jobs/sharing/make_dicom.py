"""Write what a run and its readers found as DICOM objects, image by image."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amae_engine.catalog import image_keys, looks, scores, studies
from amae_engine.catalog.audit import audit
from amae_engine.catalog.studies import ImageRow
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, NotReady
from amae_engine.events import Event, Level, Notice, Progress
from amae_engine.images.decode import pixel_digest, read_full_depth
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.dicom import read_header
from amae_engine.images.picture import SUFFIXES
from amae_engine.jobs.curation.image_regions import ListedRegion, image_regions
from amae_engine.jobs.evaluation.evaluate_run import judged_run, peer_title
from amae_engine.jobs.evaluation.leading_score import leading_score
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_log = logging.getLogger(__name__)

_BESIDE = ".part"
_REFUSALS = (ValueError, TypeError, AttributeError, KeyError)  # highdicom's, of a source
_ODD = "attributes of the original are not what the standard asks for"
_BURNT_IN = "burnt-in-text"  # the flag of an image whose file says so


@dataclass(frozen=True, slots=True)
class DicomMade:
    """What was written.

    Attributes:
        folder: Holds a folder an image, with image, overlay, map, regions, report.
        images: How many.
        left_out: Why images have none, with how many.
    """

    folder: Path
    images: int
    left_out: dict[str, int]

    @property
    def files(self) -> list[Path]:
        """Every object, an image's own before what names it."""
        return sorted(self.folder.rglob("*.dcm"), key=lambda path: (path.parent.name, path.name))


def make_dicom(
    project: Project,
    run_id: int = 0,
    reader: str = "",
    image_ids: Sequence[int] | None = None,
    for_source_pacs: bool = False,
) -> Generator[Event, None, DicomMade]:
    """Write DICOM objects of a run's test images: all of them, or nothing new is left.

    De-identified objects come with the image itself and go to `exports/run-NNN/dicom`. Objects for the
    PACS that the images came from name patient and study as the originals do; they lie in `private`.

    Args:
        project: Where the run is.
        run_id: An evaluated run; 0 for the newest.
        reader: Who asks, for the audit.
        image_ids: Which images; None for all that the run has scored.
        for_source_pacs: Whether the objects go back to where the images came from.

    Raises:
        NotReady: The run is not finished, or has none of the images.
        BadInput: Nobody is named who sends identities back.
    """
    project.require_writable()
    if for_source_pacs and not reader.strip():
        raise BadInput("Objects that name patients need a reader: say who sends them (--reader).")
    run = judged_run(project, run_id, "DICOM objects")
    project.in_session(looks.require_open, "Objects of rated test images")
    values = _scores(project, run.id)
    every = sorted({image for found in values.values() for image in found})
    wanted = every if image_ids is None else [i for i in image_ids if i in set(every)]
    if not wanted:
        raise NotReady(f"Run {run.id} has scored none of these images.")
    with project.session() as session:
        rows = studies.rows(session, wanted)
        hashes = {k.image_id: k.pixel_hash for k in image_keys.of_images(session, wanted)}
    leading, peer = leading_score(project, run.id), peer_title(run)
    shown = leading.kind if leading is not None else ScoreKind.PEER
    base = project.folder / "private" if for_source_pacs else project.exports_folder
    folder = base / f"run-{run.id:03d}" / "dicom"
    unfinished = folder.with_name(folder.name + _BESIDE)
    shutil.rmtree(unfinished, ignore_errors=True)
    left_out: dict[str, int] = {}
    made = 0
    try:
        unfinished.mkdir(parents=True)
        for number, row in enumerate(rows):
            yield Progress("DICOM objects", number, len(rows))
            source = _source(project, row, hashes[row.id], for_source_pacs)
            if isinstance(source, str):
                left_out[source] = left_out.get(source, 0) + 1
                continue
            of_image = {kind: found[row.id] for kind, found in values.items() if row.id in found}
            try:
                _write(project, run.id, peer, shown, row, source, of_image, unfinished / row.name)
            except _REFUSALS as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                _log.warning("No objects of %s: %s in %s", row.name, type(error).__name__, where)
                shutil.rmtree(unfinished / row.name, ignore_errors=True)
                left_out[_ODD] = left_out.get(_ODD, 0) + 1
                continue
            made += 1
        if not made:
            raise NotReady(f"No object was written: {'; '.join(left_out)}.")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    if for_source_pacs:
        project.close_private()
    what = "identified, for the source PACS" if for_source_pacs else "de-identified"
    with project.session() as session:
        audit(session, reader, "dicom", f"objects of {made} images of run {run.id}, {what}")
    burnt_in = sum(_BURNT_IN in row.flags for row in rows)
    if burnt_in and not for_source_pacs:
        yield Notice(
            f"{burnt_in} images have text burnt into their pixels, as their files say: look at them "
            f"before the objects leave (Studies, flag:{_BURNT_IN}).",
            Level.WARNING,
        )
    for reason, count in left_out.items():
        yield Notice(f"{count} images have no objects: {reason}.", Level.WARNING)
    return DicomMade(folder, made, left_out)


@dataclass(frozen=True, slots=True)
class _Source:
    """The DICOM image that objects name.

    Attributes:
        header: Of our own image, or what stands in for the original's.
        pixels: As they are shown.
        original: The original's header, where objects go back to where it came from.
    """

    header: Dataset
    pixels: np.ndarray
    original: Dataset | None = None


def _source(project: Project, row: ImageRow, stored: str, for_source_pacs: bool) -> _Source | str:
    """What the objects of an image name, or why there is nothing to name."""
    from amae_engine.reports import dicom_naming
    from amae_engine.reports import dicom_objects as objects

    path = project.original_path(row.id)
    pixels = None
    if path is not None:
        try:
            image, _ = read_full_depth(path)
        except (Refusal, OSError):
            pixels = None
        else:
            is_same = keyed_hash(project.key, "pixels", pixel_digest(image.pixels)) == stored
            pixels = image.pixels if is_same else None
    if for_source_pacs:
        if path is None:
            return "their originals have moved or are gone"
        if path.suffix.lower() in SUFFIXES:
            return "their originals are no DICOM files"
        if pixels is None:
            return "their originals have changed or cannot be read"
        header = read_header(path)
        if not header.get("StudyInstanceUID"):
            return "their files name no study that objects could join"
        return _Source(dicom_naming.stand_in(header), pixels, header)
    spacing = None
    if row.pixel_spacing_mm and row.column_spacing_mm:
        spacing = (row.pixel_spacing_mm, row.column_spacing_mm)
    if pixels is None:  # the stored image stands in, in the original's shape
        pixels, spacing = _stored(project, row), None
    study = objects.uid_of(keyed_hash(project.key, "study of objects", row.name))
    made = objects.deidentified_image(
        pixels, study, row.name, f"AMAE-P{row.patient_id}", spacing, _BURNT_IN in row.flags
    )
    return _Source(made, pixels)


def _stored(project: Project, row: ImageRow) -> np.ndarray:
    from PIL import Image

    image = project.pixels.read(np.array([row.store_row]))[0]
    side = image.shape[0]
    return np.asarray(Image.fromarray(image).resize((max(64, round(side * row.aspect)), side)))


def _write(
    project: Project,
    run_id: int,
    peer: str,
    shown: ScoreKind,
    row: ImageRow,
    source: _Source,
    values: dict[ScoreKind, float],
    folder: Path,
) -> None:
    from amae_engine.reports import dicom_naming, dicom_report
    from amae_engine.reports import dicom_objects as objects

    maps = load_image_maps(project, run_id, row.id)
    found = image_regions(project, row.id, "", maps, shown)
    reported = [
        objects.ReportedRegion(
            each.region, each.reader, str(each.state), each.outline, _measures(each)
        )
        for each in found.listed
    ]
    marked = [one for one, each in zip(reported, found.listed, strict=True) if each.state.is_marked]
    is_ours, original = source.original is None, source.original
    uids = {} if original is None else dicom_naming.uids_of(source.header, original)
    made: dict[str, Dataset | None] = {"image": source.header if is_ours else None}
    values_of_map = maps.of_score(shown) if maps is not None else None
    if values_of_map is not None and maps is not None:
        share = values_of_map / maps.scale[shown]
        name = shown.named(peer)
        made["map"] = objects.map_segmentation(source.header, share, name)
        made["overlay"] = objects.overlay_capture(source.header, source.pixels, share, name)
    made["regions"] = objects.region_segmentation(source.header, marked)
    listed = [objects.ReportedScore(str(k), k.named(peer), v) for k, v in values.items()]
    made["report"] = dicom_report.score_report(source.header, listed, reported, f"run {run_id}")
    folder.mkdir()
    for name, dataset in made.items():
        if dataset is not None:
            if original is not None:
                dicom_naming.named_as(dataset, uids, original)
            dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _measures(each: ListedRegion) -> dict[tuple[str, str], float]:
    """What is measured of a region, by name and unit."""
    found = {("share", "%"): 100 * each.share} if each.mm2 is None else {("area", "mm2"): each.mm2}
    if not np.isnan(each.peak):
        found |= {("mean", "1"): each.mean, ("peak", "1"): each.peak}
    return found


def _scores(project: Project, run_id: int) -> dict[ScoreKind, dict[int, float]]:
    """Every score of a run by image id."""
    found = {}
    with project.session() as session:
        for kind in scores.kinds(session, run_id):
            ids, values = scores.load(session, run_id, kind)
            found[kind] = dict(zip(ids.tolist(), values.tolist(), strict=True))
    return found
