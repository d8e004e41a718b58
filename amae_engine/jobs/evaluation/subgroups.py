"""AUC by view, sex, age, source and finding: where a score is good, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import studies
from amae_engine.catalog.image_facts import RECORDED
from amae_engine.catalog.studies import ImageRow
from amae_engine.config import ScoreKind
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation, ScoreEvaluation
from amae_engine.project import Project

FEW = 10  # images of a group's rarer class, below which its figure says little
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One group of the judged images.

    Attributes:
        of: "view", "sex", "age", "source" or "finding".
        value: "PA", "40–59", …; for a finding, its abnormal images against all normal ones.
        auc: None where a class is missing.
    """

    of: str
    value: str
    normal: int
    abnormal: int
    auc: Auc | None

    @property
    def is_small(self) -> bool:
        """Whether it has too few images of the rarer class to say much."""
        return min(self.normal, self.abnormal) < FEW

    @property
    def facts(self) -> dict[str, object]:
        """For JSON."""
        auc = None if self.auc is None else self.auc.numbers
        return {"of": self.of, "value": self.value, "normal": self.normal,
                "abnormal": self.abnormal, "auc": auc, "is_small": self.is_small}  # fmt: skip


_GROUPS = ("view", "sex", "age", "source")


def subgroups(project: Project, evaluation: RunEvaluation, kind: ScoreKind) -> list[Subgroup]:
    """A score judged in each group; what is known of no image makes no group."""
    score = evaluation.score(kind)
    if score is None:
        return []
    with project.session() as session:
        rows = studies.rows(session, score.image_ids.tolist())
    found: list[Subgroup] = []
    for of in _GROUPS:
        values = np.array([getattr(row, RECORDED[of]) or _UNKNOWN for row in rows])
        if set(values) == {_UNKNOWN}:
            continue
        each = sorted(set(values.tolist()), key=lambda text: (text == _UNKNOWN, text))
        found += [_judged(of, v, values == v, score) for v in each]
    return found + _by_finding(rows, score)


def _by_finding(rows: list[ImageRow], score: ScoreEvaluation) -> list[Subgroup]:
    """Abnormal images with a finding against all normal images."""
    named = [set(row.findings.split(" | ")) - {""} for row in rows]
    abnormal = score.truth == 1
    every = sorted(
        {
            name
            for names, sick in zip(named, abnormal.tolist(), strict=True)
            if sick
            for name in names
        }
    )
    found = []
    for finding in every:
        has = np.array([finding in names for names in named])
        found.append(_judged("finding", finding, ~abnormal | has, score))
    return found


def _judged(of: str, value: str, chosen: npt.NDArray[np.bool_], score: ScoreEvaluation) -> Subgroup:
    own = score.truth[chosen]
    normal, abnormal = int((own == 0).sum()), int((own == 1).sum())
    auc = None
    if normal and abnormal:
        auc = auc_interval(own, score.values[chosen], score.patients[chosen])
    return Subgroup(of, value, normal, abnormal, auc)
