"""The current decision of each image, kept from one reading to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from amae_engine.catalog.decisions import RANDOM
from amae_engine.catalog.tables import Label, LabelDecision

_LABELS = {str(label): label for label in Label}
_IS_FAIR = (LabelDecision.offered == RANDOM) & LabelDecision.truth_shown.is_(False)


@dataclass(frozen=True, slots=True)
class CurrentLabels:
    """The current labels at one moment.

    Attributes:
        decided: The newest decision of each image that has one; undone ones are left out.
        fair: (n,) the images among them whose decision was made in random order, without its truth.
    """

    decided: dict[int, Label]
    fair: npt.NDArray[np.int64]


class CurrentDecisions:
    """Reads what was decided since it last read: the table of decisions only grows.

    Its rows become visible in the order of their numbers, as acts wait for each other
    (`one_act_at_a_time`). For one catalog, and one thread at a time.
    """

    def __init__(self) -> None:
        self._last = 0
        self._decided: dict[int, Label] = {}
        self._fair: set[int] = set()

    def read(self, session: Session) -> CurrentLabels:
        """The current labels, now."""
        newest = session.scalar(select(func.max(LabelDecision.id))) or 0
        if newest < self._last:  # the catalog was put back from a backup
            self._last, self._decided, self._fair = 0, {}, set()
        query = select(LabelDecision.id, LabelDecision.image_id, LabelDecision.after, _IS_FAIR)
        since = query.where(LabelDecision.id > self._last).order_by(LabelDecision.id)
        for number, image, after, was_fair in session.execute(since):
            self._last = number
            self._fair.discard(image)
            if after == Label.NONE:
                self._decided.pop(image, None)
                continue
            self._decided[image] = _LABELS[after]
            if was_fair:
                self._fair.add(image)
        fair = np.fromiter(self._fair, np.int64, len(self._fair))
        return CurrentLabels(dict(self._decided), fair)
