"""Stage 1, stage 2 and scoring with default settings, each once: `amae run` and the demo."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from amae_engine.catalog import runs, studies
from amae_engine.catalog.tables import RunKind, RunState, Split
from amae_engine.config import JsonConfig, ScoreConfig, Stage1Config, Stage2Config
from amae_engine.errors import NotReady, TooFewImages
from amae_engine.events import Event, Level, Notice
from amae_engine.jobs.child_process import make_job
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels, why_too_few
from amae_engine.jobs.scoring.score_images import score_inputs
from amae_engine.jobs.training.train_stage1 import FEWEST_NORMALS, stage1_inputs
from amae_engine.jobs.training.train_stage2 import inputs_of
from amae_engine.project import Project
from amae_engine.runs.inputs import RunInputs
from amae_engine.runs.record import input_hashes

Config = TypeVar("Config", bound=JsonConfig)
_TITLES = {RunKind.STAGE1: "Stage 1", RunKind.STAGE2: "Stage 2", RunKind.SCORE: "Scoring"}


@dataclass(frozen=True, slots=True)
class PipelineRuns:
    """What `run_pipeline` made, or found up to date.

    Attributes:
        stage1: A run's number.
        stage2: 0 where no image is pseudo-abnormal.
        score: 0 where there is no test image.
    """

    stage1: int
    stage2: int
    score: int


def require_both_sets(project: Project | None, plan: ImportPlan | None) -> None:
    """Look, before any work, whether there will be normal and unlabeled images.

    Args:
        project: With images that are there already; None where it is yet to be made.
        plan: What would be imported; None for nothing.

    Raises:
        TooFewImages: There will be too few of one of them.
        BadInput: The plan's sources cannot be read.
    """
    from amae_engine.method.unlabeled_probe import FEWEST_UNLABELED

    counts = dict.fromkeys((Split.NORMAL, Split.UNLABELED), 0)
    if project is not None:
        with project.session() as session:
            found = studies.split_counts(session)
        counts = {split: found[split].images for split in counts}
    if plan is not None:
        with TemporaryDirectory(prefix="amae-") as place:
            roles = [file.role for file in plan.unpacked(Path(place)).select(project).files]
        counts = {split: max(n, roles.count(split)) for split, n in counts.items()}
    fewest = {Split.NORMAL: FEWEST_NORMALS, Split.UNLABELED: FEWEST_UNLABELED}
    for split, count in counts.items():
        if count < fewest[split]:
            raise TooFewImages(
                f"At least {fewest[split]} {split} images are needed; there are {count}. Put them into "
                f"a folder '{split}', or name them in a table (--csv)."
            )


def run_pipeline(
    project: Project, epochs: int | None = None
) -> Generator[Event, None, PipelineRuns]:
    """Stage 1, stage 2 on its pseudo-labels, and scores of the test images, with default settings.

    A step whose newest run has seen the same inputs is not repeated, and one that was cut short goes on
    from its last whole epoch. Where no image is pseudo-abnormal, the test images are scored without
    stage 2; where there is no test image, nothing is scored.

    Args:
        project: With normal and unlabeled images.
        epochs: Of both stages, in place of the default.

    Raises:
        NotReady: A step is at work in another process.
        TooFewImages: There are too few normal images.
    """
    first, why = _chosen(project, Stage1Config, 0, epochs)
    seen = stage1_inputs(project, first)
    stage1 = yield from _step(project, RunKind.STAGE1, first, seen, None, why)

    second, why = _chosen(project, Stage2Config, stage1, epochs)
    second, stage2 = second.replace(stage1_run=stage1), 0
    view = current_pseudo_labels(project, second.pseudo_labels, stage1)
    nothing_to_learn = why_too_few(view)
    if nothing_to_learn:
        yield Notice(f"Scored without stage 2: {nothing_to_learn}", Level.WARNING)
    else:
        seen = inputs_of(project, second, view)
        stage2 = yield from _step(project, RunKind.STAGE2, second, seen, stage1, why)

    score, why = _chosen(project, ScoreConfig, stage2 or stage1, epochs)
    above = {"stage2_run": stage2} if stage2 else {"stage1_run": stage1, "without_stage2": True}
    score = score.replace(**above)
    try:
        seen = score_inputs(project, score)
    except TooFewImages as error:
        yield Notice(str(error), Level.WARNING)
        return PipelineRuns(stage1, stage2, 0)
    made = yield from _step(project, RunKind.SCORE, score, seen, stage2 or stage1, why)
    return PipelineRuns(stage1, stage2, made)


def _chosen(
    project: Project, kind: type[Config], parent: int, epochs: int | None
) -> tuple[Config, str]:
    chosen = default_config(project, kind, parent=parent)
    if epochs is None or kind is ScoreConfig:
        return chosen.config, chosen.why
    shorter = {"training.epochs": epochs, "training.warmup_epochs": min(1, epochs - 1)}
    return chosen.config.changed(shorter), chosen.why


def _step(
    project: Project,
    kind: RunKind,
    config: JsonConfig,
    seen: RunInputs,
    parent: int | None,
    why: str,
) -> Generator[Event, None, int]:
    """The newest run of a kind where it saw the same, resumed where it did not end; else a new one."""
    with project.session() as session:
        own = (row for row in runs.list_runs(session) if row.kind is kind and not row.experiment)
        run = next(own, None)
    resume: int | None = None
    if run is not None and run.parent_id == parent:
        is_same = input_hashes(project, run.id) == seen.hashes()
        if run.state is RunState.RUNNING:
            raise NotReady(f"{_TITLES[kind]}, run {run.id}, is at work in another process.")
        if is_same and run.state is RunState.FINISHED:
            yield Notice(f"{_TITLES[kind]}: run {run.id} is up to date.")
            return run.id
        if is_same and run.state in runs.RESUMABLE:
            yield Notice(f"{_TITLES[kind]}: run {run.id} goes on from its last whole epoch.")
            resume = run.id
    if resume is None:
        yield Notice(why)
    made: Any = yield from make_job(project, str(kind), config, resume)
    return int(made)
