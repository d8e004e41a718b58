"""`coverage`: how often a 95 % interval holds the truth, with several images a patient and few abnormal.

Scores are Gaussian with a share `icc` of their variance between patients. "before" is what stood here
until this was measured: DeLong's interval and Wilson's, every image for itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.agreement import share_of, wilson_interval
from amae_engine.evaluation.delong import auc_interval, compare_aucs
from amae_engine.evaluation.ranks import midranks

_Z = NormalDist().inv_cdf(0.975)
_SHARED = 0.5  # of two scores' variance, where they are compared


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting.

    Attributes:
        measure: "auc", "difference" or "share".
        normal, abnormal: Patients; of a share all that there are, and 0.
        images: Of each patient.
        icc: Of a patient's scores.
        value: The AUC, the share; a difference is of it and of 0.1 less.
        mixed: Whether a patient has normal and abnormal images.
    """

    measure: str
    normal: int
    abnormal: int
    images: int
    icc: float
    value: float
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the interval held the truth, and how often none was given."""

    cell: Cell
    before: float
    after: float
    without: float


CELLS = (
    *(Cell("auc", 100, few, 1, 0.0, 0.9) for few in (3, 5, 10, 20, 30)),
    *(Cell("auc", 100, 30, 1, 0.0, value) for value in (0.7, 0.95)),
    Cell("auc", 30, 30, 1, 0.0, 0.9),
    Cell("auc", 300, 300, 1, 0.0, 0.9),
    *(Cell("auc", n, n, 5, icc, 0.8) for n in (20, 30, 100) for icc in (0.6, 0.8)),
    Cell("auc", 30, 30, 5, 0.8, 0.9),
    *(Cell("auc", 60, 60, 5, icc, 0.8, mixed=True) for icc in (0.6, 0.8)),
    *(Cell("difference", 100, few, 1, 0.0, 0.9) for few in (5, 10, 30)),
    *(Cell("difference", 30, 30, 5, icc, 0.9) for icc in (0.6, 0.8)),
    *(Cell("share", 40, 0, 1, 0.0, value) for value in (0.8, 0.95)),
    *(Cell("share", n, 0, 5, icc, 0.8) for n in (20, 30, 100) for icc in (0.6, 0.8)),
    *(Cell("share", n, 0, 5, 0.8, 0.95) for n in (30, 100)),
)


def coverage(cell: Cell, runs: int, seed: int = 0) -> Coverage:
    """Draw a setting many times."""
    random = np.random.default_rng(seed)
    found = {"auc": _auc, "difference": _difference, "share": _share}[cell.measure]
    estimates, before, after = (np.array(each) for each in zip(
        *(found(cell, random) for _ in range(runs)), strict=True))  # fmt: skip
    truth = _truth(cell) if not cell.mixed else float(estimates.mean())
    given = ~np.isnan(after[:, 0])
    holds = [((b[:, 0] <= truth) & (truth <= b[:, 1])) for b in (before, after)]
    inside = float(holds[1][given].mean()) if given.any() else math.nan
    return Coverage(cell, float(holds[0].mean()), inside, float(1 - given.mean()))


def _truth(cell: Cell) -> float:
    return 0.1 if cell.measure == "difference" else cell.value


_Found = tuple[float, tuple[float, float], tuple[float, float]]


def _drawn(
    cell: Cell, random: np.random.Generator, values: tuple[float, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[npt.NDArray[np.float64]]]:
    """Patients (n,), truth (n,), and a score (n,) of each AUC."""
    count = cell.normal + cell.abnormal
    patients = np.repeat(np.arange(count), cell.images)
    truth = (patients < cell.abnormal).astype(np.int64)
    if cell.mixed:
        truth = (random.random(len(patients)) < cell.abnormal / count).astype(np.int64)

    def noise() -> npt.NDArray[np.float64]:
        own, between = random.normal(size=len(patients)), random.normal(size=count)[patients]
        return math.sqrt(cell.icc) * between + math.sqrt(1 - cell.icc) * own

    shared = noise()
    share = _SHARED if len(values) > 1 else 0.0
    scores = [
        math.sqrt(2) * NormalDist().inv_cdf(value) * truth
        + math.sqrt(share) * shared
        + math.sqrt(1 - share) * noise()
        for value in values
    ]
    return patients, truth, scores


def _auc(cell: Cell, random: np.random.Generator) -> _Found:
    patients, truth, (scores,) = _drawn(cell, random, (cell.value,))
    found = auc_interval(truth, scores, patients)
    placed = _placements(truth, scores)
    half = _Z * math.sqrt(sum(float(each.var(ddof=1)) / len(each) for each in placed))
    return found.value, (found.value - half, found.value + half), (found.low, found.high)


def _difference(cell: Cell, random: np.random.Generator) -> _Found:
    patients, truth, (one, two) = _drawn(cell, random, (cell.value, cell.value - 0.1))
    found = compare_aucs(truth, one, two, patients)
    pairs = zip(_placements(truth, one), _placements(truth, two), strict=True)
    half = _Z * math.sqrt(sum(float((a - b).var(ddof=1)) / len(a) for a, b in pairs))
    return (
        found.difference,
        (found.difference - half, found.difference + half),
        (found.low, found.high),
    )


def _share(cell: Cell, random: np.random.Generator) -> _Found:
    patients = np.repeat(np.arange(cell.normal), cell.images)
    between = random.normal(size=cell.normal)[patients]
    own = random.normal(size=len(patients))
    hits = math.sqrt(cell.icc) * between + math.sqrt(1 - cell.icc) * own < NormalDist().inv_cdf(
        cell.value
    )
    before, after = wilson_interval(int(hits.sum()), len(hits)), share_of(hits, patients)
    return after.value, (before.low, before.high), (after.low, after.high)


def _placements(
    truth: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    ranks, abnormal = midranks(scores), truth == 1
    positives, negatives = int(abnormal.sum()), int((~abnormal).sum())
    return (
        (ranks[abnormal] - midranks(scores[abnormal])) / negatives,
        1 - (ranks[~abnormal] - midranks(scores[~abnormal])) / positives,
    )


def table(runs: int) -> str:
    """Every cell, in Markdown."""
    lines = [
        "| measure | patients | images each | correlation | value | before | now |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in CELLS:
        found = coverage(cell, runs)
        who = f"{cell.normal}" if cell.measure == "share" else f"{cell.normal} + {cell.abnormal}"
        who += ", each with both kinds" if cell.mixed else ""
        now = "none given" if math.isnan(found.after) else f"{found.after:.3f}"
        lines.append(
            f"| {cell.measure} | {who} | {cell.images} | {cell.icc:g} | {cell.value:g} | "
            f"{found.before:.3f} | {now} |"
        )
    return "\n".join(lines)
