"""What a reader lets follow on the decisions on pseudo-labels: jobs for the queue."""

from __future__ import annotations

from amae_engine.catalog import runs
from amae_engine.catalog.job_queue import NewJob
from amae_engine.catalog.tables import Split
from amae_engine.config import PseudoLabelConfig, ScoreConfig, Stage2Config
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.jobs.pseudo_labels.stage2_effect import Stage2Effect
from amae_engine.project import Project


def retraining(
    project: Project, labels: PseudoLabelConfig, effect: Stage2Effect
) -> tuple[NewJob, NewJob]:
    """Stage 2 again, as it was, on the current labels, and scoring; B alone where A would be the same."""
    then = project.in_session(runs.get, effect.run_id).config
    module_a = effect.run_id if effect.b_alone else 0
    stage2 = Stage2Config.from_dict(then).replace(module_a_run=module_a, pseudo_labels=labels)
    title = "Stage 2, module B" if effect.b_alone else "Stage 2"
    score = default_config(project, ScoreConfig).config
    return NewJob(title, "stage2", stage2.to_dict()), NewJob("Scoring", "score", score.to_dict())


def rating_unlabeled(project: Project) -> tuple[NewJob]:
    """The newest stage 2 rates the unlabeled images too, next to the test images."""
    both = str(Split.TEST), str(Split.UNLABELED)
    score = default_config(project, ScoreConfig).config.replace(splits=both)
    return (NewJob("Scoring", "score", score.to_dict()),)
