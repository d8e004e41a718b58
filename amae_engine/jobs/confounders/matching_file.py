"""A run's shortcut check and how its images were matched, in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_arrays, write_text
from amae_engine.runs.record import SHORTCUTS_FILE

MATCHING_FILE = "matching.npz"


@dataclass(frozen=True, slots=True)
class Matched:
    """How N and U, and the test images, enter the probe; arrays are (n,).

    Attributes:
        ids: Of all images.
        weights: What each counts in the fit; 0 only rates it.
        strata: The stratum of each, −1 for none.
        within: Whether images are compared within strata alone.
    """

    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    strata: npt.NDArray[np.int64]
    within: bool


def write_shortcuts(folder: Path, facts: dict[str, Any], matched: Matched | None) -> None:
    """Keep a check's facts and its matching in a run's folder."""
    write_text(folder / SHORTCUTS_FILE, json.dumps(facts, indent=1))
    if matched is not None:
        write_arrays(folder / MATCHING_FILE, asdict(matched))


def read_check(folder: Path) -> dict[str, Any]:
    """What a run's check found, as `ShortcutCheck.facts`; {} where it has none."""
    path = folder / SHORTCUTS_FILE
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def read_matching(folder: Path) -> Matched | None:
    """How a run's images were matched; None where they were not."""
    path = folder / MATCHING_FILE
    if not path.is_file():
        return None
    with np.load(path) as stored:
        return Matched(stored["ids"], stored["weights"], stored["strata"], bool(stored["within"]))
