"""Read a bundle, and make a project of it: its images found again by their pixels."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from amae_engine.atomic_write import write_arrays
from amae_engine.catalog import (
    bundle_rows,
    decision_table,
    image_keys,
    regions,
    runs,
    scores,
    studies,
)
from amae_engine.catalog.decision_table import DecisionLine
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.studies import NewImage
from amae_engine.catalog.tables import Held, Label, RunKind, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import Outline, Shape
from amae_engine.events import Event, Progress
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.sources import SourceFile, from_paths
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.jobs.sharing.write_bundle import (
    ALWAYS,
    FORMAT,
    RESULTS,
    WEIGHTS,
    pixels_digest,
)
from amae_engine.project import Project
from amae_engine.runs.lineage import renumbered
from amae_engine.runs.run_files import content_digest

_LARGEST = 1_000_000_000  # bytes of one member


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's content, as JSON values.

    Attributes:
        path: The zip, for what is read later.
        runs, images, decisions, regions: As they were written.
        side: Of the stored images.
    """

    path: Path
    side: int
    made_by: dict[str, str]
    runs: list[dict[str, Any]]
    images: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    regions: list[dict[str, Any]]


def read_bundle(path: Path) -> Bundle:
    """A bundle's content.

    Raises:
        BadInput: It is no bundle, is damaged, or was made by a newer AMAE.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            facts = _json(zipped, "bundle.json")
            if int(facts["format"]) > FORMAT:
                raise BadInput(
                    f"{path.name} was written by a newer AMAE (bundle format {facts['format']}, this "
                    f"one reads up to {FORMAT}); update AMAE to read it."
                )
            images = _json(zipped, "images.json")
            return Bundle(
                path,
                int(images["side"]),
                dict(facts["made_by"]),
                list(facts["runs"]),
                list(images["images"]),
                list(_json(zipped, "decisions.json")),
                list(_json(zipped, "regions.json")),
            )
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be read ({error.strerror or 'no zip file'})."
        ) from error
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path.name} is no bundle of AMAE, or is damaged.") from error


def project_of_bundle(
    bundle: Bundle, images: Path, folder: Path
) -> Generator[Event, None, tuple[Project, dict[int, int]]]:
    """A new project with a bundle's images, decisions, regions and recorded runs.

    Args:
        bundle: What it holds.
        images: A folder with the images, in any order, among others and under any names.
        folder: The new project's.

    Returns:
        The project, and each recorded run's number there by its number in the bundle.

    Raises:
        BadInput: Images of the bundle are not in the folder.
        ProjectError: The folder is not empty.
    """
    wanted = Counter(str(each["pixels"]) for each in bundle.images)
    found: dict[str, list[_Found]] = {digest: [] for digest in wanted}
    files = from_paths([images], "test")
    done = 0
    for batch in decode_ahead(files, _path, bundle.side):
        done += len(batch)
        yield Progress("Finding the bundle's images", done, len(files))
        for file, image in batch:
            if isinstance(image, Refusal):
                continue
            digest = pixels_digest(image.image.pixels)
            same = found.get(digest)
            if same is None or any(each.digest == image.pixel_hash for each in same):
                continue
            own = image.image
            same.append(_Found(file.path, own.pixels, image.pixel_hash, own.sop))
    missing = sum(max(0, count - len(found[digest])) for digest, count in wanted.items())
    if missing:
        raise BadInput(
            f"{missing} of the bundle's {len(bundle.images)} images are not in {images.name}: their pixels are "
            f"not those of any file there. The runs are made of exactly these images; give the folder "
            f"that holds them all."
        )
    project = Project.create(folder, folder.name)
    rows = _add_images(project, bundle, found)
    _add_acts(project, bundle)
    return project, _add_runs(project, bundle, rows)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that holds an image of the bundle: its stored pixels, its digest, its SOP UID."""

    path: Path
    pixels: np.ndarray
    digest: str
    sop: str = field(repr=False)


def _path(file: SourceFile) -> Path:
    return file.path


def _add_images(project: Project, bundle: Bundle, found: dict[str, list[_Found]]) -> dict[int, int]:
    """Add the images under their numbers; returns the store's row of each.

    Of images that are stored alike, each has a file of its own.
    """
    ordered = sorted(bundle.images, key=lambda each: int(each["id"]))
    files = [found[str(each["pixels"])].pop(0) for each in ordered]
    with project.lock_pixels():
        first = project.pixels.append([file.pixels for file in files])
    made = [
        _new_image(project, each, file, row)
        for row, (each, file) in enumerate(zip(ordered, files, strict=True), start=first)
    ]
    with project.session() as session:
        ids = studies.add_images(session, made, [int(each["id"]) for each in ordered])
        bundle_rows.restore_marks(session, list(zip(ids, ordered, strict=True)))
    project.remember_originals({i: file.path for i, file in zip(ids, files, strict=True)})
    project.close_private()
    return {image_id: row for row, image_id in enumerate(ids, start=first)}


def _new_image(project: Project, facts: dict[str, Any], file: _Found, row: int) -> NewImage:
    own = {each.name for each in fields(NewImage)}
    values = {name: value for name, value in facts.items() if name in own}
    return NewImage(
        **{
            **values,
            "patient_key": keyed_hash(project.key, "patient", f"bundle {facts['patient_id']}"),
            "study_key": keyed_hash(project.key, "study", f"bundle {facts['study']}"),
            "sop_key": keyed_hash(project.key, "instance", file.sop) if file.sop else None,
            "pixel_hash": keyed_hash(project.key, "pixels", file.digest),
            "store_row": row,
            "split": Split(facts["split"]),
            "flags": (),
            "held": Held.NO,
        }
    )


def _add_acts(project: Project, bundle: Bundle) -> None:
    with project.session() as session:
        found = image_keys.of_images(session, [int(each["id"]) for each in bundle.images])
        keys = {each.image_id: each.pixel_hash for each in found}
        lines = [
            DecisionLine(
                **{
                    **line,
                    "image": studies.image_name(int(line["image"])),
                    "image_key": keys[int(line["image"])],
                    "run": None,
                    "before": Label(line["before"]),
                    "after": Label(line["after"]),
                }
            )
            for line in bundle.decisions
        ]
        decision_table.take_over(session, lines)
        by_reader: dict[str, list[NewRegion]] = {}
        for each in bundle.regions:
            points = tuple((float(x), float(y)) for x, y in each["outline"]["points"])
            outline = Outline(Shape(each["outline"]["shape"]), points)
            new = NewRegion(int(each["image_id"]), outline, RegionState(each["state"]))
            by_reader.setdefault(str(each["reader"]), []).append(new)
        for reader, new_regions in by_reader.items():
            regions.add(session, new_regions, reader, "bundle")


def _add_runs(project: Project, bundle: Bundle, rows: dict[int, int]) -> dict[int, int]:
    """The recorded runs as finished ones, with all the files that the bundle has of them."""
    recorded: dict[int, int] = {}
    with zipfile.ZipFile(bundle.path) as zipped:
        for facts in bundle.runs:
            old = int(facts["id"])
            place = f"runs/{old:03d}/"
            with project.session() as session:
                parent = recorded.get(int(facts["parent"] or 0))
                config = renumbered(facts["config"], recorded)
                new = runs.start(
                    session, RunKind(facts["kind"]), config, parent, int(facts["epochs"])
                )
                runs.finish(session, new)
                for kind, values in _json(zipped, f"{place}scores.json").items():
                    ids = np.array(values["ids"], dtype=np.int64)
                    scores.save(session, new, ScoreKind(kind), ids, values["values"])
            recorded[old] = new
            folder = project.run_folder(new)
            folder.mkdir(parents=True)
            _take_files(zipped, place, folder)
            _place_inputs(folder / "inputs.npz", rows)
    return recorded


def _take_files(zipped: zipfile.ZipFile, place: str, folder: Path) -> None:
    """Write what a bundle has of a run: files by known names, and weights by their digests.

    Raises:
        BadInput: Weights are others than the bundle's own list of results says.
    """
    known = {*ALWAYS, RESULTS, "run.json"}
    digests = _json(zipped, f"{place}{RESULTS}")
    for name in zipped.namelist():
        file = name.removeprefix(place)
        if not name.startswith(place) or Path(file).name != file:
            continue
        if file not in known and not (file.endswith(WEIGHTS) and file in digests):
            continue
        (folder / file).write_bytes(_content(zipped, name))
        if file not in known and content_digest(folder / file) != digests[file]:
            raise BadInput(f"{name} in the bundle is not the file that its results.json names.")


def _place_inputs(path: Path, rows: dict[int, int]) -> None:
    """Let what a run saw name the rows of this project's store."""
    with np.load(io.BytesIO(path.read_bytes())) as stored:
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    for name in [n for n in arrays if n.endswith(".store_rows")]:
        ids = arrays[name.replace(".store_rows", ".ids")].tolist()
        arrays[name] = np.array([rows[i] for i in ids], dtype=np.int64)
    write_arrays(path, arrays)


def _json(zipped: zipfile.ZipFile, name: str) -> Any:
    return json.loads(_content(zipped, name))


def _content(zipped: zipfile.ZipFile, name: str) -> bytes:
    if zipped.getinfo(name).file_size > _LARGEST:
        raise BadInput(f"{name} in the bundle is larger than anything AMAE writes.")
    return zipped.read(name)
