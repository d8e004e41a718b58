"""A project to read in: large originals of two kinds, unlabeled images with ratings, maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import PseudoLabelConfig, ScoreConfig, ScoreKind, Stage1Config
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import Twins
from amae_engine.jobs.planning.defaults import choose_label_settings
from amae_engine.project import Project
from amae_engine.resources import required_resource
from amae_engine.runs.map_files import MapWriter, maps_folder
from tests.benchmarks.importing import write_jpeg2000, write_uncompressed

_NORMALS = 20
_MAP_SIDE = 224


@dataclass(frozen=True, slots=True)
class Syntax:
    """One kind of original: how many, how it is written, and its name for people."""

    text: str
    images: int
    write: Callable[[Path, Image.Image, int], None]


SYNTAXES = {
    "raw": Syntax("2000² uncompressed", 24, write_uncompressed),
    "j2k": Syntax("2000² JPEG 2000", 26, write_jpeg2000),
}
"""By the source label that their images have; their counts differ, so that a list tells which it is."""


def make_reading_project(folder: Path) -> Project:
    """Import the images, and give them ratings and maps as runs would; no network is trained."""
    project = Project.create(folder, "Reading")
    originals = folder.parent / "originals"
    originals.mkdir()
    pictures = sorted(required_resource("demo/images").glob("*.jpeg"))
    number = 0
    for source, syntax in SYNTAXES.items():
        files = []
        for _ in range(syntax.images):
            path = originals / f"{number}.dcm"
            syntax.write(path, Image.open(pictures[number]).convert("L"), number)
            files.append(SourceFile(path, "test", number % 2))
            number += 1
        _import(project, files, source)
    _import(project, [SourceFile(path, "unlabeled") for path in pictures[_NORMALS:]], "unlabeled")
    _import(project, [SourceFile(path, "normal", 0) for path in pictures[:_NORMALS]], "normal")
    _rate(project)
    choose_label_settings(project, PseudoLabelConfig())
    return project


def _import(project: Project, files: list[SourceFile], source: str) -> None:
    for _ in import_images(project, files, source, twins=Twins.KEEP):
        pass


def _rate(project: Project) -> None:
    draw = np.random.default_rng(0)
    with project.session() as session:
        stage1 = runs.start(session, RunKind.STAGE1, Stage1Config().to_dict(), None, 0)
        score = runs.start(session, RunKind.SCORE, ScoreConfig().to_dict(), stage1, 0)
        for split in Split:
            ids = image_tables.images_in(session, split).ids
            scores.save(session, stage1, ScoreKind.STAGE1_PROBABILITY, ids, draw.random(len(ids)))
        test = image_tables.images_in(session, Split.TEST).ids
        scores.save(session, score, ScoreKind.DISCREPANCY, test, draw.random(len(test)))
        for run in (stage1, score):
            runs.finish(session, run)
    with MapWriter(maps_folder(project, score), test) as writer:
        writer.write({ScoreKind.DISCREPANCY: draw.random((len(test), _MAP_SIDE, _MAP_SIDE))})
