"""Read a bundle, and make a project of it: its images found again by their pixels."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from amae_engine.catalog import bundle_rows, decision_table, regions, runs, scores, studies
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
from amae_engine.jobs.bundles.write_bundle import FORMAT, pixels_digest, renumbered
from amae_engine.jobs.importing.decode_ahead import decode_ahead
from amae_engine.project import Project

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
    wanted = {str(each["pixels"]): each for each in bundle.images}
    found: dict[str, tuple[Path, np.ndarray, str, str]] = {}
    files = from_paths([images], "test")
    done = 0
    for batch in decode_ahead(files, _path, bundle.side):
        done += len(batch)
        yield Progress("Finding the bundle's images", done, len(files))
        for file, image in batch:
            if isinstance(image, Refusal):
                continue
            digest = pixels_digest(image.image.pixels)
            if digest in wanted and digest not in found:
                entry = (file.path, image.image.pixels, image.pixel_hash, image.image.sop)
                found[digest] = entry
    missing = len(wanted) - len(found)
    if missing:
        raise BadInput(
            f"{missing} of the bundle's {len(wanted)} images are not in {images.name}: their pixels are "
            f"not those of any file there. The runs are made of exactly these images; give the folder "
            f"that holds them all."
        )
    project = Project.create(folder, folder.name)
    numbers = _add_images(project, bundle, found)
    _add_acts(project, bundle, numbers)
    recorded = _add_runs(project, bundle, numbers)
    return project, recorded


def _path(file: SourceFile) -> Path:
    return file.path


def _add_images(
    project: Project, bundle: Bundle, found: dict[str, tuple[Path, np.ndarray, str, str]]
) -> dict[int, int]:
    """Add the images in the bundle's order; their new numbers by those of the bundle."""
    ordered = sorted(bundle.images, key=lambda each: int(each["id"]))
    with project.pixels.locked():
        first = project.pixels.append([found[str(each["pixels"])][1] for each in ordered])
    made = [
        _new_image(project, each, found[str(each["pixels"])], first + place)
        for place, each in enumerate(ordered)
    ]
    with project.session() as session:
        ids = studies.add_images(session, made)
        bundle_rows.restore_marks(session, list(zip(ids, ordered, strict=True)))
    paths = [found[str(each["pixels"])][0] for each in ordered]
    project.remember_originals(dict(zip(ids, paths, strict=True)))
    project.close_private()
    return {int(each["id"]): new for each, new in zip(ordered, ids, strict=True)}


def _new_image(
    project: Project, facts: dict[str, Any], entry: tuple[Path, np.ndarray, str, str], row: int
) -> NewImage:
    own = {field.name for field in fields(NewImage)}
    values = {name: value for name, value in facts.items() if name in own}
    _, _, digest, sop = entry
    return NewImage(
        **{
            **values,
            "patient_key": keyed_hash(project.key, "patient", f"bundle {facts['patient_id']}"),
            "study_key": keyed_hash(project.key, "study", f"bundle {facts['study']}"),
            "sop_key": keyed_hash(project.key, "instance", sop) if sop else None,
            "pixel_hash": keyed_hash(project.key, "pixels", digest),
            "store_row": row,
            "split": Split(facts["split"]),
            "flags": (),
            "held": Held.NO,
        }
    )


def _add_acts(project: Project, bundle: Bundle, numbers: dict[int, int]) -> None:
    with project.session() as session:
        keys = {k.image_id: k.pixel_hash for k in _keys(session, list(numbers.values()))}
        lines = [
            DecisionLine(
                **{
                    **line,
                    "image": studies.image_name(numbers[int(line["image"])]),
                    "image_key": keys[numbers[int(line["image"])]],
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
            new = NewRegion(numbers[int(each["image_id"])], outline, RegionState(each["state"]))
            by_reader.setdefault(str(each["reader"]), []).append(new)
        for reader, new_regions in by_reader.items():
            regions.add(session, new_regions, reader, "bundle")


def _keys(session: Any, ids: Sequence[int]) -> list[Any]:
    from amae_engine.catalog import image_keys

    return image_keys.of_images(session, ids)


def _add_runs(project: Project, bundle: Bundle, numbers: dict[int, int]) -> dict[int, int]:
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
                    ids = np.array([numbers[int(i)] for i in values["ids"]], dtype=np.int64)
                    scores.save(session, new, ScoreKind(kind), ids, values["values"])
            recorded[old] = new
            folder = project.run_folder(new)
            folder.mkdir(parents=True)
            for name in zipped.namelist():
                file = name.removeprefix(place)
                if name.startswith(place) and file and Path(file).name == file:
                    (folder / file).write_bytes(_content(zipped, name))
            _renumber_inputs(folder / "inputs.npz", numbers)
    return recorded


def _renumber_inputs(path: Path, numbers: dict[int, int]) -> None:
    """What a run saw, by the new project's image numbers and rows of its store."""
    first = min(numbers.values())
    with np.load(io.BytesIO(path.read_bytes())) as stored:
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    for name in list(arrays):
        if name == "decided" or name.endswith(".ids"):
            arrays[name] = np.array([numbers[i] for i in arrays[name].tolist()], dtype=np.int64)
    for name in [n for n in arrays if n.endswith(".store_rows")]:
        arrays[name] = arrays[name.replace(".store_rows", ".ids")] - first
    np.savez(path, **arrays)


def _json(zipped: zipfile.ZipFile, name: str) -> Any:
    return json.loads(_content(zipped, name))


def _content(zipped: zipfile.ZipFile, name: str) -> bytes:
    if zipped.getinfo(name).file_size > _LARGEST:
        raise BadInput(f"{name} in the bundle is larger than anything AMAE writes.")
    return zipped.read(name)
