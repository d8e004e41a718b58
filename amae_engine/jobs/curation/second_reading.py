"""A blind second reading: choose its images, and say how well two readers agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from amae_engine.catalog import blind_readings
from amae_engine.catalog.blind_readings import BlindItem
from amae_engine.catalog.tables import Label
from amae_engine.errors import NotReady
from amae_engine.evaluation.agreement import Proportion, cohens_kappa
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import PseudoLabelView
from amae_engine.project import Project


class ChosenBy(StrEnum):
    """How the images of a second reading are chosen among those that another reader decided on."""

    RANDOM = "random"
    NEAREST_CUT = "nearest a cut"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two readers of the same images agree.

    Attributes:
        kappa: Cohen's κ with its 95 % interval, over images that both rated.
        same: How many both called the same.
        table: How often (first label, second label) came.
        conflicts: Images on which they differ, in the session's order.
    """

    session_id: int
    first: str
    second: str
    read: int
    images: int
    kappa: Proportion
    same: int
    table: dict[tuple[Label, Label], int]
    conflicts: tuple[BlindItem, ...]


def begin_second_reading(
    project: Project, view: PseudoLabelView, reader: str, count: int, chosen_by: ChosenBy
) -> int:
    """Begin a blind reading of up to `count` images; returns the session's number.

    Raises:
        NotReady: No other reader has decided on an image that this one has not.
        BadInput: The reader has no name.
    """
    with project.session() as session:
        known = blind_readings.candidates(session, reader)
        places = [n for n, image in enumerate(view.image_ids.tolist()) if image in known]
        if not places:
            raise NotReady(
                "A second reading needs images that another reader has decided on and you have "
                "not; there are none. Check the reader's name."
            )
        chosen = _order(view, np.array(places), chosen_by)[:count]
        ids = view.image_ids[chosen].tolist()
        return blind_readings.begin(session, ids, reader, str(chosen_by))


def _order(
    view: PseudoLabelView, places: np.ndarray[tuple[int], np.dtype[np.int64]], by: ChosenBy
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    draw = np.random.default_rng()  # another sample in every session
    shuffled = draw.permutation(places)
    if by is ChosenBy.RANDOM:
        return shuffled
    log_odds = view.log_odds[shuffled]
    nearest = np.minimum(np.abs(log_odds - view.cut_normal), np.abs(log_odds - view.cut_abnormal))
    return shuffled[np.argsort(nearest, kind="stable")]


def agreement(project: Project, session_id: int) -> Agreement:
    """How the readers of a session agree so far.

    Raises:
        NotReady: There is no such session.
    """
    with project.session() as session:
        row = next((s for s in blind_readings.sessions(session) if s.id == session_id), None)
        if row is None:
            raise NotReady(f"There is no second reading {session_id}.")
        items = blind_readings.items(session, session_id)
    both = [item for item in items if item.second is not Label.NONE]
    pairs = Counter((item.first, item.second) for item in both)
    firsts = sorted({item.first_reader for item in items})
    return Agreement(
        session_id,
        ", ".join(firsts),
        row.reader,
        len(both),
        len(items),
        cohens_kappa([item.first for item in both], [item.second for item in both]),
        sum(count for (first, second), count in pairs.items() if first is second),
        dict(pairs),
        tuple(item for item in both if item.is_conflict),
    )
