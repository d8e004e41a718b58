"""What to look at before training: leakage, counts, unchecked pseudo-labels."""

from __future__ import annotations

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import PseudoLabelView
from amae_engine.jobs.training.train_stage1 import FEWEST_NORMALS
from amae_engine.words import plural


def checks_before_training(
    counts: dict[Split, studies.SplitCount], shared: int, view: PseudoLabelView | None
) -> tuple[tuple[bool, str], ...]:
    """(good, sentence) pairs; `shared` patients are in two splits."""
    unknown = sum(count.unknown for count in counts.values())
    if shared:
        leak = f"{plural(shared, 'patient')} in two splits: results would be too good"
    elif unknown:
        leak = (
            f"no known patient is in two splits; of {plural(unknown, 'image')} nothing says who "
            f"the patient is, so that cannot be checked"
        )
    else:
        leak = "no patient is in two splits"
    normals, unlabeled = counts[Split.NORMAL].images, counts[Split.UNLABELED].images
    unchecked = 0
    if view is not None:
        unchecked = int(((view.labels >= 0) & ~view.by_reader).sum())
    return (
        (shared == 0 and unknown == 0, leak),
        (
            normals >= FEWEST_NORMALS,
            f"{normals} normal, {unlabeled} unlabeled, {counts[Split.TEST].images} test images",
        ),
        (
            unchecked == 0,
            f"{plural(unchecked, 'pseudo-label')} unchecked"
            if unchecked
            else "every pseudo-label in use was checked or none is there yet",
        ),
    )
