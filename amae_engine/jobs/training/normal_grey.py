"""The grey statistics of stage 1's normal images: the trivial baseline, kept with the run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_arrays
from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.evaluation.gaussian import Gaussian
from amae_engine.evaluation.grey_statistics import grey_density, grey_features
from amae_engine.events import Event, Progress
from amae_engine.project import Project

_FILE = "grey.npz"
_READ_AT_ONCE = 256  # images


def keep_grey(
    project: Project, folder: Path, normal_rows: npt.NDArray[np.int64]
) -> Generator[Event, None, None]:
    """Keep the normal images' distribution in a run's folder."""
    density = grey_density((yield from measure_grey(project, normal_rows, "Stage 1")))
    write_arrays(folder / _FILE, {"centre": density.centre, "precision": density.precision})


def normal_grey(project: Project, stage1: int) -> Generator[Event, None, Gaussian]:
    """What a run keeps of its normal images; of a run of 0.1, which kept nothing, today's are measured."""
    path = project.run_folder(stage1) / _FILE
    if not path.is_file():
        with project.session() as session:
            rows = image_tables.images_in(session, Split.NORMAL).store_rows
        return grey_density((yield from measure_grey(project, rows, "Scoring")))
    with np.load(path) as stored:
        return Gaussian(stored["centre"], stored["precision"])


def measure_grey(
    project: Project, rows: npt.NDArray[np.int64], step: str
) -> Generator[Event, None, npt.NDArray[np.float64]]:
    """Grey statistics (n, 11) of stored images, read in pieces."""
    parts = [np.zeros((0, 11))]
    for start in range(0, len(rows), _READ_AT_ONCE):
        yield Progress(f"{step} · grey statistics", start, len(rows))
        parts.append(grey_features(project.pixels.read(rows[start : start + _READ_AT_ONCE])))
    return np.concatenate(parts)
