"""Where a score's operating point stands at first, and why; knows no Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from amae_engine.catalog.locked_points import LockedRow
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, NotReady
from amae_engine.evaluation.operating_rules import Rule, RuleChoice
from amae_engine.jobs.evaluation.evaluate_run import ScoreEvaluation
from amae_engine.jobs.evaluation.model_basis import points_for
from amae_engine.jobs.evaluation.operating_points import choice_of, choose_point
from amae_engine.project import Project

_NORMALS = RuleChoice(Rule.NORMALS, 0.95)
_VALIDATION = RuleChoice(Rule.YOUDEN)
MOVED = "Moved by hand while these images were in sight: optimistic."


@dataclass(frozen=True, slots=True)
class StartPoint:
    """A threshold and what it was chosen on.

    Attributes:
        locked: The lock that fixed it, where there is one.
        choice: The rule that chose it, with its target; None where these test images did.
    """

    threshold: float
    why: str
    locked: LockedRow | None = None
    choice: RuleChoice | None = None

    @property
    def rule(self) -> Rule | None:
        """Of the choice."""
        return None if self.choice is None else self.choice.rule


def start_points(
    project: Project,
    run_id: int,
    kinds: Iterable[ScoreKind],
    judged: dict[ScoreKind, ScoreEvaluation],
) -> dict[ScoreKind, StartPoint]:
    """Of each score: the locked point, else one from validation, else normal, else test images."""
    locked = {row.kind: row for row in points_for(project, run_id)}
    return {
        kind: _start(project, run_id, kind, locked.get(kind), judged.get(kind)) for kind in kinds
    }


def _start(
    project: Project,
    run_id: int,
    kind: ScoreKind,
    locked: LockedRow | None,
    judged: ScoreEvaluation | None,
) -> StartPoint:
    if locked is not None:
        by = choice_of(locked)
        why = f"{locked.text} Chosen: {by.text}; on {locked.chosen_on}."
        if locked.run_id != run_id:
            why += f" It was locked for run {locked.run_id}, which rates images as this one does."
        return StartPoint(locked.threshold, why, locked, by)
    for choice in (_VALIDATION, _NORMALS):
        try:
            found = choose_point(project, run_id, kind, choice)
        except (NotReady, BadInput):
            continue
        why = f"Chosen: {choice.text}; on {found.chosen_on}."
        return StartPoint(found.threshold, why, choice=choice)
    if judged is None:
        return StartPoint(float("nan"), "Nothing to choose a point on.")
    best = int(np.argmax(judged.roc.y - judged.roc.x))
    threshold = float(judged.roc.thresholds[best])
    return StartPoint(
        threshold if np.isfinite(threshold) else float(judged.values.max()),
        "Chosen on these same test images (Youden): optimistic.",
    )
