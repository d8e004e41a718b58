"""What readers' decisions did to the sets of images that the newest stage 2 was trained on."""

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
        decided_since: Images that readers decided on after it began.
        moved_a, moved_b: Images that came into or left module A's, module B's own set since.
        size_b: Of module B's own set then.
    """

    run_id: int
    decided_since: int = 0
    moved_a: int = 0
    moved_b: int = 0
    size_b: int = 0

    @property
    def is_out_of_date(self) -> bool:
        """Whether stage 2 was trained on other images than it would be now."""
        return bool(self.run_id and (self.moved_a or self.moved_b))

    @property
    def b_alone(self) -> bool:
        """Whether module A would learn from the same images, so that B alone can be trained."""
        return bool(self.is_out_of_date and not self.moved_a)

    @property
    def share_of_b(self) -> float:
        """Images moved, in percent of module B's own set then."""
        return 100 * self.moved_b / self.size_b if self.size_b else 0.0


def stage2_effect(project: Project, view: PseudoLabelView) -> Stage2Effect:
    """Compare the newest stage 2 with what it would learn from now."""
    with project.session() as session:
        run = runs.newest(session, RunKind.STAGE2)
        if run is None:
            return Stage2Effect(0)
        since = decisions.images_decided_since(session, run.created_at)
    try:
        then = read_inputs(project.run_folder(run.id)).images
    except NotReady:  # its folder has lost them
        return Stage2Effect(0)
    now = view.input_ids()
    moved = {
        name: len(np.setxor1d(then[name].ids, now[name], assume_unique=True))
        for name in now
        if name in then
    }
    return Stage2Effect(
        run.id,
        since,
        moved.get(NORMAL, 0) + moved.get(PSEUDO_NORMAL, 0),
        moved.get(PSEUDO_ABNORMAL, 0),
        len(then[PSEUDO_ABNORMAL]),
    )
