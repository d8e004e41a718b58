"""The pipeline as four cards: what is done, out of date and why, and what comes next.

Knows no Qt: catalog rows in, one frozen state out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amae_engine.catalog import decisions, runs, studies
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, RunState, Split
from amae_engine.config import PseudoLabelConfig
from amae_engine.errors import AmaeError
from amae_engine.events import EpochEnd, Preview
from amae_engine.jobs.assign_pseudo_labels import current_pseudo_labels
from amae_engine.jobs.run_record import read_metrics, read_preview
from amae_engine.project import Project
from amae_engine.resources import resource

_FEWEST_NORMALS = 16


class CardState(StrEnum):
    """What a card says about its step."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    STALE = "out of date"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Card:
    """One step.

    Attributes:
        facts: What the step is made of, in a line.
        reason: Why it waits or is out of date; "" when nothing is wrong.
        resumable: A run that can go on from its last whole epoch, or None.
    """

    state: CardState
    facts: str
    reason: str = ""
    resumable: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineState:
    """All four cards, what to do next, and the checks before it.

    Attributes:
        next_step: "import", "stage1", "stage2" or "results".
        checks: (good, sentence) pairs.
        pretrain_runs: Finished pre-training runs, newest first.
        last_epochs, last_preview: What the newest training run has shown, for a window that
            opens on an earlier day's work.
    """

    weights: Card
    stage1: Card
    pseudo: Card
    stage2: Card
    next_step: str
    checks: tuple[tuple[bool, str], ...]
    pretrain_runs: tuple[int, ...]
    last_epochs: tuple[EpochEnd, ...]
    last_preview: Preview | None


def read_pipeline_state(project: Project, labels: PseudoLabelConfig) -> PipelineState:
    """Read the catalog and judge every step."""
    with project.session() as session:
        rows = runs.list_runs(session)
        counts = studies.split_counts(session)
        shared = len(studies.patients_in_two_splits(session))
        newest_image = studies.newest_addition(session)
        decided = decisions.history(session, limit=1)
    newest_decision = decided[0].decided_at if decided else ""
    normals, unlabeled = counts[Split.NORMAL].images, counts[Split.UNLABELED].images
    stage1 = _stage1_card(rows, normals, newest_image)
    pseudo, unchecked = _pseudo_card(project, labels, stage1)
    stage2 = _stage2_card(rows, stage1, pseudo, newest_decision)
    checks = (
        (shared == 0, "no patient is in two splits" if shared == 0
         else f"{shared} patients are in two splits: results would be too good"),
        (normals >= _FEWEST_NORMALS, f"{normals} normal, {unlabeled} unlabeled, "
         f"{counts[Split.TEST].images} test images"),
        (unchecked == 0, f"{unchecked} pseudo-labels are unchecked"
         if unchecked else "every pseudo-label in use was checked or none is there yet"),
    )  # fmt: skip
    of_others = (RunKind.SCORE, RunKind.PEER)
    trained = next((row.id for row in rows if row.kind not in of_others), None)
    return PipelineState(
        weights=_weights_card(rows),
        stage1=stage1,
        pseudo=pseudo,
        stage2=stage2,
        next_step=_next_step(normals, stage1, stage2),
        checks=checks,
        pretrain_runs=tuple(r.id for r in _of(rows, RunKind.PRETRAIN, RunState.FINISHED)),
        last_epochs=read_metrics(project, trained) if trained else (),
        last_preview=read_preview(project, trained) if trained else None,
    )


def _of(rows: list[RunRow], kind: RunKind, state: RunState) -> list[RunRow]:
    return [row for row in rows if row.kind is kind and row.state is state]


def _weights_card(rows: list[RunRow]) -> Card:
    running = _of(rows, RunKind.PRETRAIN, RunState.RUNNING)
    if running:
        return Card(CardState.RUNNING, f"run {running[0].id} · pre-training on your own images")
    own = _of(rows, RunKind.PRETRAIN, RunState.FINISHED)
    bundled = resource("weights/compact.safetensors").is_file()
    parts = ["bundled compact weights" if bundled else "the bundled weights are missing"]
    parts += [f"run {row.id} (your own images)" for row in own[:2]]
    state = CardState.READY if bundled or own else CardState.WAITING
    return Card(state, " · ".join(parts), resumable=_resumable(rows, RunKind.PRETRAIN))


def _stage1_card(rows: list[RunRow], normals: int, newest_image: str) -> Card:
    running = _of(rows, RunKind.STAGE1, RunState.RUNNING)
    if running:
        return Card(CardState.RUNNING, _run_facts(running[0]))
    if normals < _FEWEST_NORMALS:
        reason = f"needs at least {_FEWEST_NORMALS} normal images; there are {normals}"
        return Card(CardState.WAITING, "frozen encoder, 3-layer head, AnatPaste", reason)
    resumable = _resumable(rows, RunKind.STAGE1)
    finished = _of(rows, RunKind.STAGE1, RunState.FINISHED)
    if not finished:
        state = CardState.UNFINISHED if resumable else CardState.READY
        return Card(state, "frozen encoder, 3-layer head, AnatPaste", "", resumable)
    run = finished[0]
    if newest_image > run.created_at:
        return Card(CardState.STALE, _run_facts(run), "images were imported after it", resumable)
    return Card(CardState.DONE, _run_facts(run), "", resumable)


def _pseudo_card(project: Project, labels: PseudoLabelConfig, stage1: Card) -> tuple[Card, int]:
    if stage1.state not in (CardState.DONE, CardState.STALE):
        return Card(CardState.WAITING, f"K = {labels.keep_percent:g} %", "needs stage 1"), 0
    try:
        view = current_pseudo_labels(project, labels)
    except AmaeError as error:
        return Card(CardState.WAITING, f"K = {labels.keep_percent:g} %", str(error)), 0
    used = int((view.labels >= 0).sum())
    checked = int((view.by_reader & (view.labels >= 0)).sum())
    facts = (
        f"{int((view.labels == 0).sum())} normal · {int((view.labels == 1).sum())} abnormal · "
        f"checked {int(view.by_reader.sum())} of {len(view.labels)} · K = {labels.keep_percent:g} %"
    )
    state = CardState.STALE if stage1.state is CardState.STALE else CardState.READY
    return Card(state, facts, stage1.reason), used - checked


def _stage2_card(rows: list[RunRow], stage1: Card, pseudo: Card, newest_decision: str) -> Card:
    running = _of(rows, RunKind.STAGE2, RunState.RUNNING) + _of(
        rows, RunKind.SCORE, RunState.RUNNING
    )
    if running:
        return Card(CardState.RUNNING, _run_facts(running[0]))
    finished = _of(rows, RunKind.STAGE2, RunState.FINISHED)
    resumable = _resumable(rows, RunKind.STAGE2)
    if pseudo.state is CardState.WAITING and not finished:
        return Card(CardState.WAITING, "modules A and B", "needs pseudo-labels", resumable)
    if not finished:
        state = CardState.UNFINISHED if resumable else CardState.READY
        return Card(state, "modules A and B", "", resumable)
    run = finished[0]
    newest_stage1 = _of(rows, RunKind.STAGE1, RunState.FINISHED)[0].id
    if run.parent_id != newest_stage1:
        reason = f"stage 1 was trained again (run {newest_stage1})"
        return Card(CardState.STALE, _run_facts(run), reason, resumable)
    if newest_decision > run.created_at:
        return Card(CardState.STALE, _run_facts(run), "pseudo-labels were decided since", resumable)
    return Card(CardState.DONE, _run_facts(run), "", resumable)


def _resumable(rows: list[RunRow], kind: RunKind) -> int | None:
    """The newest unfinished run, unless a later one of its kind has finished."""
    for row in rows:
        if row.kind is kind:
            return row.id if row.state in runs.RESUMABLE else None
    return None


def _run_facts(run: RunRow) -> str:
    epochs = f" · epoch {run.epoch} of {run.epochs}" if run.epochs else ""
    return f"run {run.id}{epochs}"


def _next_step(normals: int, stage1: Card, stage2: Card) -> str:
    if normals < _FEWEST_NORMALS:
        return "import"
    if stage1.state is not CardState.DONE:
        return "stage1"
    return "results" if stage2.state is CardState.DONE else "stage2"
