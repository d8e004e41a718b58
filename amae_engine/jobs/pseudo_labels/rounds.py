"""Purer pseudo-labels by rounds: a finished stage 2 helps to rank U for the next one.

A round follows only where labelled validation images say that the new ranking is better than the
one before; without such images none does, since nothing else could tell.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import PseudoLabelSource, ScoreConfig, ScoreKind, Stage2Config, of_preset
from amae_engine.errors import BadSetting
from amae_engine.evaluation.delong import auc_interval, compare_aucs
from amae_engine.events import Event, Notice
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.record import newest_finished

FEWEST = 10  # validation images of each class
_SIGNIFICANT = 0.05
_SPLITS = (str(Split.TEST), str(Split.UNLABELED))
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation images say of a ranking against the one before.

    Attributes:
        is_better: Whether its AUC is higher.
        why: A sentence for the reader.
    """

    is_better: bool
    why: str


@dataclass(frozen=True, slots=True)
class Rounds:
    """What came of it.

    Attributes:
        stage2_runs: Finished stage-2 runs, the first one's first.
        best: The one that validation images prefer.
        verdicts: A sentence for each ranking and each new stage 2.
    """

    stage2_runs: tuple[int, ...]
    best: int
    verdicts: tuple[str, ...]


def more_rounds(
    project: Project, rounds: int = 1, score: dict[str, object] | None = None
) -> Generator[Event, None, Rounds]:
    """Re-rank U with the newest stage 2, train another one on that, while validation says so.

    Args:
        project: Whose runs; a finished stage 2 must be there.
        rounds: At most so many more.
        score: Settings of scoring; its preset's by default.

    Raises:
        BadSetting: `rounds` is below 1.
        NotReady: Stage 2 has not run yet, or stage 1 has not seen all images.
    """
    if rounds < 1:
        raise BadSetting(f"rounds must be at least 1; it is {rounds}.")
    stage2 = newest_finished(project, RunKind.STAGE2, 0, "A second round")
    start = ScoreConfig.from_dict(score) if score else _score_settings(project, stage2)
    found, verdicts, best = [stage2.id], [], stage2.id
    scored = yield from _ranked(project, start, stage2.id)
    for number in range(2, rounds + 2):
        verdict = judge_scores(
            project, scored, ScoreKind.RERANKED, scored, ScoreKind.UNLABELED_PROBE
        )
        text = f"Round {number}: {verdict.why}"
        verdicts.append(text)
        yield Notice(text + ("" if verdict.is_better else " No further round."))
        if not verdict.is_better:
            break
        config = Stage2Config.from_dict(stage2.config)
        labels = config.pseudo_labels.replace(source=PseudoLabelSource.ROUNDS)
        config = config.replace(pseudo_labels=labels, module_a_run=0)
        number_of_run = yield from train_stage2(project, config)
        found.append(number_of_run)
        before, scored = scored, (yield from _ranked(project, start, number_of_run))
        of_stage2 = judge_scores(
            project, scored, ScoreKind.LIKELIHOOD_RATIO, before, ScoreKind.LIKELIHOOD_RATIO
        )
        best = number_of_run if of_stage2.is_better else best
        text = f"Stage 2, run {number_of_run}: {of_stage2.why} Run {best} is the one to use."
        verdicts.append(text)
        yield Notice(text)
    return Rounds(tuple(found), best, tuple(verdicts))


def judge_scores(
    project: Project, run: int, kind: ScoreKind, other_run: int, other: ScoreKind
) -> Verdict:
    """Whether a score is better than another on the labelled validation images."""
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        table = table.chosen(table.is_validation & (table.truth >= 0))
        first, second = (
            scores.of_images(session, number, each, table.ids)
            for number, each in ((run, kind), (other_run, other))
        )
    known = ~np.isnan(first) & ~np.isnan(second)
    truth = table.truth[known]
    normal, abnormal = int((truth == 0).sum()), int((truth == 1).sum())
    if min(normal, abnormal) < FEWEST:
        return Verdict(
            False,
            f"there are {normal} normal and {abnormal} abnormal validation images, and {FEWEST} of "
            f"each are needed to tell whether it helps (`amae validation`).",
        )
    values = (first[known], second[known])
    owners = table.patient_ids[known]
    new, old = (auc_interval(truth, each, owners).value for each in values)
    p_value = compare_aucs(truth, *values, owners).p_value
    same = kind is other
    what = "its likelihood ratio" if same else f"'{kind.label}' together"
    than = f"run {other_run}'s" if same else f"'{other.label}' alone"
    return Verdict(
        new > old and p_value < _SIGNIFICANT,
        f"{what} has AUC {new:.3f} on {normal} + {abnormal} validation images, {than} {old:.3f} "
        f"(paired p = {p_value:.2f}; taken below {_SIGNIFICANT:g}).",
    )


def _score_settings(project: Project, stage2: RunRow) -> ScoreConfig:
    """As its images were scored before, else the preset's."""
    with project.session() as session:
        rows = runs.list_runs(session)
        stage1 = runs.get(session, stage2.parent_id or 0)
    before = [row for row in rows if row.kind is RunKind.SCORE and row.parent_id == stage2.id]
    if before:
        return ScoreConfig.from_dict(before[0].config)
    return of_preset(ScoreConfig, str(stage1.config.get("preset") or "compact"))


def _ranked(project: Project, start: ScoreConfig, stage2: int) -> Generator[Event, None, int]:
    """A score run that ranks U by a stage 2: one that has seen today's decisions, or a new one."""
    config = start.replace(stage2_run=stage2, splits=_SPLITS, rerank=True)
    run = yield from score_images(project, config)
    return run
