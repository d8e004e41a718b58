"""What a model shows of an image that is in no project: its map as a picture, and DICOM objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import atomic_write
from amae_engine.catalog.image_tables import aspect
from amae_engine.config import ScoreKind
from amae_engine.images.decode import IncomingImage
from amae_engine.jobs.model_files.read_model import Model
from amae_engine.reports.table import RESEARCH_USE

Maps = Mapping[str, npt.NDArray[np.floating]]


def write_overlay(folder: Path, model: Model, name: str, image: IncomingImage, maps: Maps) -> None:
    """The image with the leading score's map over it, or the first map that there is, as PNG."""
    from PIL import Image

    from amae_engine.reports.dicom_objects import overlaid

    shown = _shown(model, maps)
    if shown is None:
        return
    kind, share = shown
    path = place(folder, name).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = overlaid(_pixels(image), share, (f"{kind.label}, {model.title}", RESEARCH_USE))
    with atomic_write(path) as unfinished:
        Image.fromarray(picture).save(unfinished, format="PNG")


def write_objects(
    folder: Path,
    model: Model,
    name: str,
    image: IncomingImage,
    maps: Maps,
    scores: Mapping[ScoreKind, float],
) -> None:
    """De-identified DICOM objects of an image: itself, its map, the map over it, its scores."""
    from amae_engine.reports import dicom_objects as objects
    from amae_engine.reports import dicom_report

    own = hashlib.sha256(f"{model.digest} {image.pixel_hash}".encode()).hexdigest()
    called, pixels = f"IMAGE-{own[:12]}", _pixels(image)
    source = objects.deidentified_image(
        pixels, objects.uid_of(own), called, f"AMAE-{own[:12]}", None,
        "burnt-in-text" in image.image.flags,
    )  # fmt: skip
    made = {"image": source}
    if (shown := _shown(model, maps)) is not None:
        kind, share = shown
        made["map"] = objects.map_segmentation(source, share, kind.label)
        made["overlay"] = objects.overlay_capture(source, pixels, share, kind.label)
    listed = [objects.ReportedScore(str(kind), kind.label, value) for kind, value in scores.items()]
    made["report"] = dicom_report.score_report(source, listed, [], f"model {model.title}")
    target = place(folder, name)
    target.mkdir(parents=True, exist_ok=True)
    for each, dataset in made.items():
        with atomic_write(target / f"{each}.dcm") as unfinished:
            dataset.save_as(unfinished, enforce_file_format=True)


def place(folder: Path, name: str) -> Path:
    """Where the pictures of a row lie: below the folder, whatever the row is called."""
    return folder.joinpath(*(part for part in Path(name).parts if part not in ("..", "/", ".")))


def _shown(model: Model, maps: Maps) -> tuple[ScoreKind, npt.NDArray[np.float32]] | None:
    """The map to show, as a share of its scale, and whose it is; None where there is none."""
    for kind in dict.fromkeys((model.leading, *model.kinds)):
        if kind in maps and kind in model.facts["map_scales"]:
            share = maps[kind].astype(np.float32) / float(model.facts["map_scales"][kind])
            return kind, share
    return None


def _pixels(image: IncomingImage) -> npt.NDArray[np.uint8]:
    """The image in the shape of its original, as large as it is rated."""
    from PIL import Image

    side, spacing = image.image.pixels.shape[0], image.image.spacing
    shape = aspect(
        image.columns,
        image.rows,
        None if spacing is None else spacing.column_mm,
        None if spacing is None else spacing.row_mm,
    )
    picture = Image.fromarray(image.image.pixels)
    return np.asarray(picture.resize((max(64, round(side * shape)), side)))
