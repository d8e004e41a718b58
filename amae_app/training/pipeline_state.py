"""The pipeline as four cards: what is done, out of date and why, and what comes next.

Knows no Qt: catalog rows in, one frozen state out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amae_app.training.card import Card, CardState, of_kind, run_facts, unfinished_run
from amae_app.training.checks import checks_before_training
from amae_app.training.stage2_state import stage2_card
from amae_engine.catalog import decisions, image_tables, runs, studies
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import JUDGED, RunKind, RunState, Split
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource, Stage1Config
from amae_engine.errors import AmaeError
from amae_engine.events import EpochEnd, Preview
from amae_engine.jobs.evaluation.what_scores_learned import proxy_worth
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    PseudoLabelView,
    current_pseudo_labels,
)
from amae_engine.jobs.training.pretrain_weights import FEWEST_IMAGES
from amae_engine.jobs.training.train_stage1 import FEWEST_NORMALS, stage1_inputs
from amae_engine.project import Project
from amae_engine.resources import resource
from amae_engine.runs.inputs import InputImages, read_inputs
from amae_engine.runs.record import input_hashes, read_metrics, read_previews
from amae_engine.words import plural

_STAGE1 = "frozen encoder, 3-layer head, AnatPaste"
_STEPS = {
    RunKind.PRETRAIN: "Starting weights",
    RunKind.STAGE1: "Stage 1",
    RunKind.STAGE2: "Stage 2",
}


@dataclass(frozen=True, slots=True)
class PipelineState:
    """All four cards, what to do next, and the checks before it.

    Attributes:
        next_step: "import", "stage1", "stage2" or "results".
        checks: (good, sentence) pairs.
        pretrain_runs: Finished pre-training runs, newest first.
        last_epochs, last_previews: What the newest training run has shown, for a window that
            opens on an earlier day's work.
        trained: Number and step ("Stage 2") of every run that has curves, newest first.
        images: A text that changes when N, U or a decision on U does.
        can_compare: Whether there are normal and unlabeled images.
    """

    weights: Card
    stage1: Card
    pseudo: Card
    stage2: Card
    next_step: str
    checks: tuple[tuple[bool, str], ...]
    pretrain_runs: tuple[int, ...]
    last_epochs: tuple[EpochEnd, ...]
    last_previews: tuple[Preview, ...]
    trained: tuple[tuple[int, str], ...]
    images: str
    can_compare: bool


def read_pipeline_state(project: Project, labels: PseudoLabelConfig) -> PipelineState:
    """Read the catalog and judge every step: out of date is what would see other inputs now."""
    with project.session() as session:
        rows = runs.list_runs(session)
        counts = studies.split_counts(session)
        shared = len(studies.patients_in_two_splits(session))
        both = [image_tables.images_in(session, s) for s in (Split.NORMAL, Split.UNLABELED)]
        decided = decisions.current(session)
    images = "|".join(InputImages.of(table).digest for table in both) + str(sorted(decided.items()))
    stage1 = _stage1_card(project, rows, counts[Split.NORMAL].images, labels)
    view, pseudo = _pseudo_card(project, labels, stage1)
    trained = next((row.id for row in rows if row.kind not in JUDGED and row.epoch), None)
    stage2 = stage2_card(project, rows, view, pseudo, stage1)
    return PipelineState(
        weights=_weights_card(rows, counts),
        stage1=stage1,
        pseudo=pseudo,
        stage2=stage2,
        next_step=_next_step(counts[Split.NORMAL].images, stage1, stage2),
        checks=checks_before_training(counts, shared, view),
        pretrain_runs=tuple(r.id for r in of_kind(rows, RunKind.PRETRAIN, RunState.FINISHED)),
        last_epochs=read_metrics(project, trained) if trained else (),
        last_previews=read_previews(project, trained) if trained else (),
        trained=tuple((row.id, _STEPS[row.kind]) for row in rows if row.kind in _STEPS),
        images=images,
        can_compare=counts[Split.NORMAL].images > 0 and counts[Split.UNLABELED].images > 0,
    )


def _weights_card(rows: list[RunRow], counts: dict[Split, studies.SplitCount]) -> Card:
    running = of_kind(rows, RunKind.PRETRAIN, RunState.RUNNING)
    if running:
        facts = f"run {running[0].id} · pre-training on your own images"
        return Card(CardState.RUNNING, facts, can_start=False)
    own = of_kind(rows, RunKind.PRETRAIN, RunState.FINISHED)
    bundled = resource("weights/compact.safetensors").is_file()
    parts = ["bundled compact weights" if bundled else "the bundled weights are missing"]
    parts += [f"run {row.id} (your own images)" for row in own[:2]]
    state = CardState.READY if bundled or own else CardState.WAITING
    images = counts[Split.NORMAL].images + counts[Split.UNLABELED].images
    enough = images >= FEWEST_IMAGES
    reason = "" if enough else f"pre-training needs {FEWEST_IMAGES} images; there are {images}"
    resumable = unfinished_run(rows, RunKind.PRETRAIN)
    return Card(state, " · ".join(parts), reason, resumable, can_start=enough)


def _stage1_card(
    project: Project, rows: list[RunRow], normals: int, labels: PseudoLabelConfig
) -> Card:
    running = of_kind(rows, RunKind.STAGE1, RunState.RUNNING)
    if running:
        return Card(CardState.RUNNING, run_facts(running[0]))
    if normals < FEWEST_NORMALS:
        reason = f"needs at least {FEWEST_NORMALS} normal images; there are {normals}"
        return Card(CardState.WAITING, _STAGE1, reason, can_start=False)
    resumable = unfinished_run(rows, RunKind.STAGE1)
    finished = of_kind(rows, RunKind.STAGE1, RunState.FINISHED)
    if not finished:
        state = CardState.UNFINISHED if resumable else CardState.READY
        return Card(state, _STAGE1, "", resumable)
    run = finished[0]
    reason, facts = _stage1_reason(project, run), run_facts(run)
    worth = proxy_worth(project, run.id)
    if worth is not None:
        facts += f" · validation split of N against U: AUC {worth.auc.value:.2f}"
    if not reason and labels.source is PseudoLabelSource.UNLABELED:
        facts += _decided_since(project, run)
    return Card(CardState.STALE if reason else CardState.DONE, facts, reason, resumable)


def _stage1_reason(project: Project, run: RunRow) -> str:
    """Why stage 1 would see other inputs now; "" where it would not."""
    recorded = input_hashes(project, run.id)
    if not recorded:
        return ""
    try:
        seen = stage1_inputs(project, Stage1Config.from_dict(run.config))
    except AmaeError as error:
        return str(error)
    hashes = seen.hashes()
    texts = {
        f"images.{Split.NORMAL}": "normal images came or went",
        f"images.{Split.UNLABELED}": "unlabeled images came or went",
        "weights.start": "its starting weights have changed",
        "weights.encoder": "its encoder has changed",
    }
    reasons = [text for part, text in texts.items() if recorded.get(part) != hashes.get(part)]
    # test images are only rated: one that left changes nothing
    rated = read_inputs(project.run_folder(run.id)).images[Split.TEST].ids
    new = len(np.setdiff1d(seen.images[Split.TEST].ids, rated))
    if new:
        reasons.append(f"{plural(new, 'test image')} not rated yet")
    return "; ".join(reasons)


def _decided_since(project: Project, run: RunRow) -> str:
    """How many labels a new run's probe would take into account."""
    if not input_hashes(project, run.id):
        return ""
    before = read_inputs(project.run_folder(run.id)).decisions
    with project.session() as session:
        now = decisions.current(session)
    changed = sum(now.get(i) != before.get(i) for i in {*now, *before})
    return f" · {plural(changed, 'decision')} since, for its next run" if changed else ""


def _pseudo_card(
    project: Project, labels: PseudoLabelConfig, stage1: Card
) -> tuple[PseudoLabelView | None, Card]:
    chosen = f"{labels.source.label}, K = {labels.keep_text}"
    if stage1.state not in (CardState.DONE, CardState.STALE):
        return None, Card(CardState.WAITING, chosen, "needs stage 1")
    try:
        view = current_pseudo_labels(project, labels)
    except AmaeError as error:
        return None, Card(CardState.WAITING, chosen, str(error))
    facts = (
        f"{int((view.labels == 0).sum())} normal · {int((view.labels == 1).sum())} abnormal · "
        f"checked {int(view.by_reader.sum())} of {len(view.labels)} · {chosen}"
    )
    state = CardState.STALE if stage1.state is CardState.STALE else CardState.READY
    return view, Card(state, facts, stage1.reason)


def _next_step(normals: int, stage1: Card, stage2: Card) -> str:
    if normals < FEWEST_NORMALS:
        return "import"
    if stage1.state is not CardState.DONE:
        return "stage1"
    return "results" if stage2.state is CardState.DONE else "stage2"
