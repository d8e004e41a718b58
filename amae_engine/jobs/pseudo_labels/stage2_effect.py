"""What has changed in the sets of images that the newest stage 2 was trained on, and by what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amae_engine.catalog import decisions, runs
from amae_engine.catalog.tables import RunKind
from amae_engine.errors import NotReady
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
    PseudoLabelView,
)
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs


@dataclass(frozen=True, slots=True)
class Stage2Effect:
    """Stage 2's images as they were against the current pseudo-labels.

    Attributes:
        run_id: The newest finished stage-2 run; 0 where there is none.
        decided: Images whose decision is another one than when it began.
        by_decisions, otherwise: Images of either module that moved: of those, and of all others.
        moved_a: Images that came into or left module A's own set since.
        came_b, left_b: Images that came into, and that left, module B's own set since.
        size_b: Of module B's own set then.
    """

    run_id: int
    decided: int = 0
    by_decisions: int = 0
    otherwise: int = 0
    moved_a: int = 0
    came_b: int = 0
    left_b: int = 0
    size_b: int = 0

    @property
    def is_out_of_date(self) -> bool:
        """Whether stage 2 was trained on other images than it would be now."""
        return bool(self.run_id and (self.by_decisions or self.otherwise))

    @property
    def b_alone(self) -> bool:
        """Whether module A would learn from the same images, so that B alone can be trained."""
        return bool(self.is_out_of_date and not self.moved_a)


def stage2_effect(project: Project, view: PseudoLabelView) -> Stage2Effect:
    """Compare the newest stage 2 with what it would learn from now."""
    with project.session() as session:
        run = runs.newest(session, RunKind.STAGE2)
        if run is None:
            return Stage2Effect(0)
        decided = decisions.changed_since(session, run.created_at)
    try:
        then = read_inputs(project.run_folder(run.id)).images
    except NotReady:  # its folder has lost them
        return Stage2Effect(0)
    now = view.input_ids()
    moved = {
        name: np.setxor1d(then[name].ids, now[name], assume_unique=True)
        for name in now
        if name in then
    }
    every = np.unique(np.concatenate(list(moved.values())))
    by_decisions = int(np.isin(every, decided).sum())
    then_b, now_b = then[PSEUDO_ABNORMAL].ids, now[PSEUDO_ABNORMAL]
    return Stage2Effect(
        run.id,
        len(decided),
        by_decisions,
        len(every) - by_decisions,
        sum(len(moved[name]) for name in (NORMAL, PSEUDO_NORMAL) if name in moved),
        len(np.setdiff1d(now_b, then_b)),
        len(np.setdiff1d(then_b, now_b)),
        len(then_b),
    )
