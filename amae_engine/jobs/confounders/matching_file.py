"""A run's shortcut check and how its images were matched, in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        fact: The one fact whose values the strata are; "" where a model of facts made them.
        values: (S,) its value in each stratum.
    """

    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    strata: npt.NDArray[np.int64]
    within: bool
    fact: str = ""
    values: Sequence[str] = ()

    @property
    def strata_of_later(self) -> FactStrata | None:
        """What says the stratum of an image that came later; None where nothing is compared within any."""
        if not self.within:
            return None
        numbers = set(self.strata.tolist())
        known = {value: place for place, value in enumerate(self.values) if place in numbers}
        return FactStrata(self.fact, known)


@dataclass(frozen=True, slots=True)
class FactStrata:
    """Strata that are the values of one fact.

    Attributes:
        fact: Its name; "" where nothing tells the stratum of an image that came later.
        numbers: The stratum of each value.
    """

    fact: str
    numbers: Mapping[str, int]

    def of(self, values: Sequence[str]) -> npt.NDArray[np.int64]:
        """The strata (n,) of images by their values; −1 where it is unknown."""
        return np.array([self.numbers.get(value, -1) for value in values], dtype=np.int64)


def write_shortcuts(folder: Path, facts: dict[str, Any], matched: Matched | None) -> None:
    """Keep a check's facts and its matching in a run's folder."""
    write_text(folder / SHORTCUTS_FILE, json.dumps(facts, indent=1))
    if matched is not None:
        arrays = {**asdict(matched), "values": np.array(matched.values, dtype=np.str_)}
        write_arrays(folder / MATCHING_FILE, arrays)


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
        return Matched(
            stored["ids"],
            stored["weights"],
            stored["strata"],
            bool(stored["within"]),
            str(stored.get("fact", "")),  # a run of 0.1 did not note it
            tuple(str(value) for value in stored.get("values", ())),
        )
