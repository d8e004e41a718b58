"""What the Compare workspace shows; knows no Qt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from amae_engine.catalog import runs
from amae_engine.catalog.runs import RunRow
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.delong import AucDifference, compare_aucs
from amae_engine.jobs.judging.evaluate_run import (
    RunEvaluation,
    ScoreEvaluation,
    evaluate_run,
    judged_runs,
)
from amae_engine.project import Project

AT_FIRST = 20  # runs; each is judged anew with its intervals


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A score run (or a peer's) with the runs it builds on; `evaluation` is None without truth."""

    score_run: RunRow
    lineage: tuple[RunRow, ...]
    evaluation: RunEvaluation | None

    def score(self, kind: ScoreKind) -> ScoreEvaluation | None:
        """One of its scores."""
        return None if self.evaluation is None else self.evaluation.score(kind)

    def settings(self) -> dict[str, str]:
        """Every setting of the score run and its parents, by "kind.name"."""
        flat: dict[str, str] = {}
        for run in (*self.lineage, self.score_run):
            _flatten(str(run.kind), run.config, flat)
        return flat


@dataclass(frozen=True, slots=True)
class CompareState:
    """Finished score runs and peers' runs, newest first.

    Attributes:
        runs: Those that were read and judged.
        more: How many older ones there are.
    """

    runs: tuple[ComparedRun, ...]
    more: int = 0


def read_compare_state(project: Project, most: int = AT_FIRST) -> CompareState:
    """Read and judge the project's score runs and peers' runs, the newest `most` of them."""
    found = judged_runs(project)
    with project.session() as session:
        every = {row.id: row for row in runs.list_runs(session)}
    compared = []
    for row in found[:most]:
        try:
            evaluation = evaluate_run(project, row.id)
        except NotReady:
            evaluation = None
        compared.append(ComparedRun(row, tuple(_lineage(row, every)), evaluation))
    return CompareState(tuple(compared), max(0, len(found) - most))


def differing_settings(first: ComparedRun, second: ComparedRun) -> list[tuple[str, str, str]]:
    """Settings that differ: name, the first's value, the second's."""
    a, b = first.settings(), second.settings()
    hidden = ("stage1_run", "stage2_run")
    return [
        (name, a.get(name, "–"), b.get(name, "–"))
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name) and not name.endswith(hidden)
    ]


def paired_test(first: ComparedRun, second: ComparedRun, kind: ScoreKind) -> AucDifference | None:
    """DeLong's paired test on the images both runs judged; None where there are none."""
    one, two = first.score(kind), second.score(kind)
    if one is None or two is None:
        return None
    shared, a, b = np.intersect1d(one.image_ids, two.image_ids, return_indices=True)
    truth = one.truth[a]
    if len(shared) == 0 or truth.min() == truth.max():
        return None
    return compare_aucs(truth, one.values[a], two.values[b])


def _lineage(row: RunRow, every: dict[int, RunRow]) -> list[RunRow]:
    chain: list[RunRow] = []
    parent = every.get(row.parent_id or 0)
    while parent is not None:
        chain.insert(0, parent)
        parent = every.get(parent.parent_id or 0)
    return chain


def _flatten(prefix: str, value: Any, into: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, into)
    else:
        into[prefix] = value if isinstance(value, str) else json.dumps(value)
