"""No training while a patient is in two splits: the results would be too good."""

from __future__ import annotations

from amae_engine.catalog.studies import patients_in_two_splits
from amae_engine.errors import BadInput
from amae_engine.project import Project

_NAMED = 5


def require_one_split_a_patient(project: Project) -> None:
    """Let training begin only where no patient has images in more than one split.

    Raises:
        BadInput: Which patients do, and what to do.
    """
    with project.session() as session:
        shared = sorted(patients_in_two_splits(session))
    if not shared:
        return
    named = ", ".join(f"P{number}" for number in shared[:_NAMED])
    rest = " and others" if len(shared) > _NAMED else ""
    raise BadInput(
        f"{len(shared)} patients have images in more than one split ({named}{rest}): the results "
        f"would be too good. Move all images of each into one split, in one act, with `amae "
        f"fix-patients`, or remove some of them."
    )
