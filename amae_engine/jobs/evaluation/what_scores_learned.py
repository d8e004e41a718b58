"""What a run's scores have learned: what the proxy task is worth here, and which shortcut is open."""

from __future__ import annotations

from amae_engine.config import ScoreKind, Stage1Config
from amae_engine.jobs.confounders.matching_file import read_check, read_matching
from amae_engine.jobs.evaluation.leading_score import Judged, judge_unlabeled
from amae_engine.project import Project

_CHANCE = 0.5  # AUC


def proxy_worth(project: Project, stage1: int) -> Judged | None:
    """How well stage 1's classifier tells U from normal images that it did not learn from.

    What tells N from U tells normal from abnormal, only less sharply: a classifier that sees its
    synthetic anomalies alone stays at chance.

    Returns:
        None where fewer than ten images of N or of U can be judged.
    """
    matched = read_matching(project.run_folder(stage1))
    return judge_unlabeled(project, stage1, ScoreKind.STAGE1_PROBABILITY, matched)


def proxy_text(found: Judged | None, synthesis: str = "synthetic") -> str:
    """One sentence for the reader; "" where too few images can be judged."""
    if found is None:
        return ""
    auc = found.auc
    said = (
        f"Stage 1's classifier tells {found.normal} normal images of the validation split from {found.others} "
        f"unlabeled ones with AUC {auc.text()}"
    )
    if auc.low > _CHANCE:
        return f"{said}: it sees some of what sets the unlabeled images apart."
    if auc.high < _CHANCE:
        return (
            f"{said}, the wrong way round: to it the unlabeled images look less like its {synthesis} "
            f"anomalies than the normal ones. It is no guide to disease here."
        )
    return (
        f"{said}, no better than chance: nothing shows that it sees more here than its {synthesis} "
        f"anomalies."
    )


def what_scores_learned(project: Project, stage1: int, config: Stage1Config) -> tuple[str, ...]:
    """Sentences that belong next to every result of a stage-1 run and what builds on it."""
    found = [proxy_text(proxy_worth(project, stage1), config.synthesis.label)]
    found.append(str(read_check(project.run_folder(stage1)).get("why", "")))
    return tuple(text for text in found if text)
