"""What the Compare workspace shows; knows no Qt."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amae_app.image_ref import ImageRef
from amae_engine.catalog import runs, studies
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.delong import AucDifference, compare_aucs
from amae_engine.evaluation.multiple_testing import holm, replicates
from amae_engine.evaluation.ranks import relative_ranks
from amae_engine.events import EpochEnd
from amae_engine.jobs.evaluation.evaluate_run import (
    RunEvaluation,
    ScoreEvaluation,
    evaluate_run,
    judged_runs,
    method_title,
)
from amae_engine.project import Project
from amae_engine.runs.record import read_metrics

_DISAGREED = 50  # images, at most, that are listed
_CURVES = 6  # runs whose training is drawn
_TRAINED = (RunKind.PRETRAIN, RunKind.STAGE1, RunKind.STAGE2, RunKind.PEER)
AT_FIRST = 20  # runs; each is judged anew with its intervals


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A score run (or a peer's) with the runs it builds on; `evaluation` is None without truth."""

    score_run: RunRow
    lineage: tuple[RunRow, ...]
    evaluation: RunEvaluation | None

    @property
    def method(self) -> str:
        """The method's name in full."""
        return method_title(self.score_run)

    @property
    def leading(self) -> ScoreKind | None:
        """The leading score, a peer's own for a peer."""
        if self.evaluation is None:
            return None
        lead = self.evaluation.leading
        if lead is not None:
            return lead.kind
        return ScoreKind.PEER if self.evaluation.score(ScoreKind.PEER) else None

    def score(self, kind: ScoreKind) -> ScoreEvaluation | None:
        """One of its scores."""
        return None if self.evaluation is None else self.evaluation.score(kind)

    def chosen(self, kind: ScoreKind | None) -> ScoreEvaluation | None:
        """One of its scores; None is its leading one."""
        wanted = kind or self.leading
        return None if wanted is None else self.score(wanted)

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


def read_compare_state(project: Project, most: int = AT_FIRST, reader: str = "") -> CompareState:
    """Read and judge the project's score runs and peers' runs, the newest `most` of them."""
    found = judged_runs(project)
    with project.session() as session:
        every = {row.id: row for row in runs.list_runs(session)}
    compared = []
    for row in found[:most]:
        try:
            evaluation = evaluate_run(project, row.id, reader)
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


def paired_test(
    first: ComparedRun, second: ComparedRun, kind: ScoreKind | None
) -> AucDifference | None:
    """The paired test on the images both runs judged, by patients; None where there are none."""
    one, two = first.chosen(kind), second.chosen(kind)
    if one is None or two is None:
        return None
    shared, a, b = np.intersect1d(one.image_ids, two.image_ids, return_indices=True)
    truth = one.truth[a]
    if len(shared) == 0 or truth.min() == truth.max():
        return None
    return compare_aucs(truth, one.values[a], two.values[b], one.patients[a])


def _why_not(first: ComparedRun, second: ComparedRun, kind: ScoreKind | None) -> str:
    """Why two runs cannot be tested against each other."""
    name = kind.label if kind is not None else "leading score"
    without = [run for run in (first, second) if run.chosen(kind) is None]
    if without:
        numbers = " and ".join(str(run.score_run.id) for run in without)
        return f"have no test: run {numbers} has no judged '{name}'"
    return "have no judged images of both classes in common"


@dataclass(frozen=True, slots=True)
class PairTest:
    """The paired test of two runs, with Holm's correction over all pairs that are shown.

    Attributes:
        why_not: Why there is none.
    """

    first: int
    second: int
    found: AucDifference | None
    adjusted: float
    why_not: str = ""


def pair_tests(chosen: Sequence[ComparedRun], kind: ScoreKind | None) -> list[PairTest]:
    """Every pair of runs on the images that both judged."""
    pairs = list(itertools.combinations(chosen, 2))
    found = [paired_test(a, b, kind) for a, b in pairs]
    adjusted = holm([math.nan if each is None else each.p_value for each in found])
    return [
        PairTest(
            a.score_run.id,
            b.score_run.id,
            each,
            float(p),
            "" if each is not None else _why_not(a, b, kind),
        )
        for (a, b), each, p in zip(pairs, found, adjusted, strict=True)
    ]


def replicates_text(chosen: Sequence[ComparedRun], kind: ScoreKind | None) -> str:
    """Mean ± 1.96 std where the runs differ in nothing but their seeds; "" where they do not."""
    if len(chosen) < 2:
        return ""
    for other in chosen[1:]:
        names = [name for name, _, _ in differing_settings(chosen[0], other)]
        if not names or any(not name.endswith("seed") for name in names):
            return ""
    values = [score.auc.value for run in chosen if (score := run.chosen(kind)) is not None]
    found = replicates(values)
    if found.count < 2:
        return ""
    return (
        f"These {found.count} runs differ only in their seeds: AUC {found.mean:.3f} ± "
        f"{found.half:.3f} (mean ± 1.96 std)."
    )


@dataclass(frozen=True, slots=True)
class Disagreed:
    """An image that two runs rank differently.

    Attributes:
        ranks: Its rank by each run among the images that both judged, 0…1.
    """

    ref: ImageRef
    name: str
    truth: int
    ranks: tuple[float, float]


def disagreements(
    project: Project, first: ComparedRun, second: ComparedRun, kind: ScoreKind | None
) -> list[Disagreed]:
    """Images that both runs judged, those first whose ranks lie farthest apart."""
    one, two = first.chosen(kind), second.chosen(kind)
    if one is None or two is None:
        return []
    shared, a, b = np.intersect1d(one.image_ids, two.image_ids, return_indices=True)
    if not len(shared):
        return []
    ranks = [relative_ranks(one.values[a]), relative_ranks(two.values[b])]
    order = np.argsort(-np.abs(ranks[0] - ranks[1]), kind="stable")[:_DISAGREED]
    with project.session() as session:
        rows = {row.id: row for row in studies.rows(session, shared[order].tolist())}
    return [
        Disagreed(
            ImageRef(row.id, row.store_row, row.aspect),
            row.name,
            int(one.truth[a][place]),
            (float(ranks[0][place]), float(ranks[1][place])),
        )
        for place in order.tolist()
        if (row := rows.get(int(shared[place]))) is not None
    ]


def read_curves(project: Project) -> dict[str, tuple[EpochEnd, ...]]:
    """The epochs of the newest runs that train or trained, running ones first."""
    with project.session() as session:
        every = runs.list_runs(session)
    trained = [run for run in every if run.epochs and run.kind in _TRAINED]
    trained.sort(key=lambda run: (run.state != "running", -run.id))
    return {
        f"run {run.id}, {run.kind}, {run.state}": read_metrics(project, run.id)
        for run in trained[:_CURVES]
    }


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
