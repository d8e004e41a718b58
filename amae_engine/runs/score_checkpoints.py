"""What a score run has done so far: a killed one resumes from it, with any number of processes.

In `runs/NNN/pieces` until the run is whole: the scores of some batches, and what their maps' scale needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_arrays
from amae_engine.config import ScoreKind
from amae_engine.runs.map_files import Samples

_FOLDER, _SCORE, _SAMPLE = "pieces", "score ", "sample "


@dataclass(frozen=True, slots=True)
class ScoreCheckpoint:
    """Of the images of consecutive batches.

    Attributes:
        first: The first batch; the batches are those of the whole run, whoever makes them.
        batches: How many.
        scores: (b,) float64 of each kind, in the images' order.
        samples: (k,) float16 values of each map, for the scale of its colours.
    """

    first: int
    batches: int
    scores: Mapping[ScoreKind, npt.NDArray[np.float64]]
    samples: Mapping[str, Samples]


class ScoreCheckpoints:
    """What a score run keeps until it is whole.

    Args:
        run_folder: Of the run.
    """

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / _FOLDER

    def keep(self, checkpoint: ScoreCheckpoint) -> None:
        """Keep one whose maps are on the disk."""
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{checkpoint.first:08d}-{checkpoint.batches}.npz"
        arrays: dict[str, npt.NDArray[Any]] = {
            **{_SCORE + kind: values for kind, values in checkpoint.scores.items()},
            **{_SAMPLE + name: values for name, values in checkpoint.samples.items()},
        }
        write_arrays(path, arrays)

    def load(self) -> list[ScoreCheckpoint]:
        """Every one that is kept, by its first batch."""
        return [_load(path) for path in sorted(self._folder.glob("*.npz"))]

    def drop(self) -> None:
        """The run is whole: its scores are in the catalog, its maps in their files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def missing_batches(count: int, checkpoints: Iterable[ScoreCheckpoint]) -> list[int]:
    """The batches that no checkpoint has, ascending."""
    done = {p.first + number for p in checkpoints for number in range(p.batches)}
    return [number for number in range(count) if number not in done]


def _load(path: Path) -> ScoreCheckpoint:
    first, batches = path.stem.split("-")
    with np.load(path) as found:
        scores = {
            ScoreKind(name.removeprefix(_SCORE)): found[name]
            for name in found
            if name.startswith(_SCORE)
        }
        samples = {
            name.removeprefix(_SAMPLE): found[name] for name in found if name.startswith(_SAMPLE)
        }
    return ScoreCheckpoint(int(first), int(batches), scores, samples)
