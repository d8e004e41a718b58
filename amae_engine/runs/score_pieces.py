"""What a score run has done, in pieces: a killed one goes on from them, by whichever processes.

In `runs/NNN/pieces` until the run is whole: each piece's scores, and what its maps' scale needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.config import ScoreKind
from amae_engine.runs.map_files import Samples

_FOLDER, _SCORE, _SAMPLE = "pieces", "score ", "sample "


@dataclass(frozen=True, slots=True)
class Piece:
    """Of the images of some batches on end.

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


class ScorePieces:
    """The pieces that a score run keeps until it is whole.

    Args:
        run_folder: Of the run.
    """

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / _FOLDER

    def keep(self, piece: Piece) -> None:
        """Keep a piece whose maps are on the disk."""
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{piece.first:08d}-{piece.batches}.npz"
        beside = path.with_suffix(".part")
        arrays: dict[str, npt.NDArray[Any]] = {
            **{_SCORE + kind: values for kind, values in piece.scores.items()},
            **{_SAMPLE + name: values for name, values in piece.samples.items()},
        }
        with beside.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        beside.replace(path)

    def load(self) -> list[Piece]:
        """Every piece that is kept, by its first batch."""
        return [_load(path) for path in sorted(self._folder.glob("*.npz"))]

    def drop(self) -> None:
        """The run is whole: its scores are in the catalog, its maps in their files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def missing_batches(count: int, pieces: Iterable[Piece]) -> list[int]:
    """The batches that no piece has, ascending."""
    done = {p.first + number for p in pieces for number in range(p.batches)}
    return [number for number in range(count) if number not in done]


def _load(path: Path) -> Piece:
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
    return Piece(int(first), int(batches), scores, samples)
