"""Stage 2's card: what it would learn from now, and whether the test images are scored."""

from __future__ import annotations

import numpy as np

from amae_app.training.card import Card, CardState, of_kind, run_facts, unfinished_run
from amae_engine.catalog import image_tables
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind, RunState, Split
from amae_engine.config import Stage2Config
from amae_engine.errors import AmaeError
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
    PseudoLabelView,
    why_too_few,
)
from amae_engine.jobs.training.train_stage2 import inputs_of
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.record import input_hashes
from amae_engine.words import plural

_STAGE2 = "modules A and B"


def stage2_card(
    project: Project,
    rows: list[RunRow],
    view: PseudoLabelView | None,
    pseudo: Card,
    stage1: Card,
) -> Card:
    """Judge stage 2 and the scoring after it.

    Args:
        project: Whose runs.
        rows: All its runs, newest first.
        view: The current pseudo-labels; None where nothing is rated.
        pseudo: The card of the pseudo-labels.
        stage1: That of stage 1.
    """
    running = of_kind(rows, RunKind.STAGE2, RunState.RUNNING) + of_kind(
        rows, RunKind.SCORE, RunState.RUNNING
    )
    if running:
        return Card(CardState.RUNNING, run_facts(running[0]))
    finished = of_kind(rows, RunKind.STAGE2, RunState.FINISHED)
    resumable = unfinished_run(rows, RunKind.STAGE2)
    if not finished:
        is_rated = stage1.state in (CardState.DONE, CardState.STALE)
        why = pseudo.reason if view is None else why_too_few(view)
        if is_rated and why:
            return _stage1_alone_card(project, rows, why, resumable)
        if pseudo.state is CardState.WAITING:
            return Card(
                CardState.WAITING, _STAGE2, "needs pseudo-labels", resumable, can_start=False
            )
        state = CardState.UNFINISHED if resumable else CardState.READY
        return Card(state, _STAGE2, "", resumable)
    run = finished[0]
    reason = _stage2_reason(project, run, view)
    if reason:
        return Card(CardState.STALE, run_facts(run), reason, resumable)
    unscored = _unscored_reason(project, rows, run)
    state = CardState.STALE if unscored else CardState.DONE
    begun = _begun_score(rows, run)
    if unscored and begun is not None:
        unscored += f"; scoring, run {begun.id}, was stopped and goes on with the same settings"
    return Card(
        state,
        run_facts(run),
        unscored,
        resumable,
        only_score=bool(unscored),
        begun_score=begun,
    )


def _stage1_alone_card(
    project: Project, rows: list[RunRow], why: str, resumable: int | None
) -> Card:
    """Stage 2 where it has nothing to learn from: the images are scored without it."""
    run = of_kind(rows, RunKind.STAGE1, RunState.FINISHED)[0]
    unscored = _unscored_reason(project, rows, run)
    scored = any(r.parent_id == run.id for r in of_kind(rows, RunKind.SCORE, RunState.FINISHED))
    if not scored and not unscored:  # there is no test image
        return Card(CardState.WAITING, _STAGE2, why, resumable, can_start=False)
    facts = f"{_STAGE2} · {unscored}" if unscored else "scored without stage 2"
    return Card(
        CardState.READY if unscored else CardState.DONE,
        facts,
        why,
        resumable,
        only_score=True,
        without_stage2=True,
        begun_score=_begun_score(rows, run),
    )


def _begun_score(rows: list[RunRow], parent: RunRow) -> RunRow | None:
    """An unfinished score run on top of a run."""
    begun = unfinished_run(rows, RunKind.SCORE)
    return next((r for r in rows if r.id == begun and r.parent_id == parent.id), None)


def _stage2_reason(project: Project, run: RunRow, view: PseudoLabelView | None) -> str:
    """Why stage 2 would see other inputs now; "" where it would not."""
    recorded = input_hashes(project, run.id)
    if view is None or not recorded:
        return ""
    try:
        seen = inputs_of(project, Stage2Config.from_dict(run.config), view)
    except AmaeError as error:
        return str(error)
    hashes = seen.hashes()
    if all(recorded.get(part) == hashes[part] for part in hashes):
        return ""
    reasons = []
    before = read_inputs(project.run_folder(run.id)).images
    for module, names in (("A", (NORMAL, PSEUDO_NORMAL)), ("B", (PSEUDO_ABNORMAL,))):
        was = np.concatenate([before[name].ids for name in names])
        now = np.concatenate([seen.images[name].ids for name in names])
        moved = len(np.setxor1d(was, now))
        if moved:
            share = 100 * moved / max(len(was), 1)
            reasons.append(f"{moved} of module {module}'s images changed ({share:.1f} %)")
    weights = [name for name in hashes if name.startswith("weights.")]
    if any(recorded.get(name) != hashes[name] for name in weights):
        reasons.append("stage 1 has other weights now")
    return "; ".join(reasons) or "its images have changed"


def _unscored_reason(project: Project, rows: list[RunRow], run: RunRow) -> str:
    """Why the test images should be scored (again) on top of a run: a stage 2, or stage 1 alone."""
    scored = [r for r in of_kind(rows, RunKind.SCORE, RunState.FINISHED) if r.parent_id == run.id]
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids
    if not scored or len(test) == 0:
        return "the test images are not scored yet" if len(test) else ""
    if not input_hashes(project, scored[0].id):
        return ""
    seen = read_inputs(project.run_folder(scored[0].id)).images
    new = len(np.setdiff1d(test, seen[Split.TEST].ids)) if Split.TEST in seen else len(test)
    return f"{plural(new, 'test image')} not scored yet" if new else ""
