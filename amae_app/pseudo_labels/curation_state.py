"""What the Pseudo-labels workspace shows; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_app.words import plural
from amae_engine.catalog import decisions, runs
from amae_engine.catalog.decisions import DecisionRow
from amae_engine.catalog.tables import Label, RunKind
from amae_engine.config import PseudoLabelConfig
from amae_engine.errors import NotReady
from amae_engine.evaluation.agreement import wilson_interval
from amae_engine.jobs.training.assign_pseudo_labels import PseudoLabelView, current_pseudo_labels
from amae_engine.project import Project

NORMAL, ABNORMAL, UNUSED, EXCLUDED = 0, 1, -1, -2
Ids = npt.NDArray[np.int64]


class Order(StrEnum):
    """In which order images are offered."""

    NEAREST_CUT = "nearest a cut first"
    MOST_ABNORMAL = "most abnormal first"
    MOST_NORMAL = "most normal first"
    RANDOM = "random"


class Shown(StrEnum):
    """Which images are offered."""

    UNCHECKED = "unchecked"
    CHECKED = "checked"
    PSEUDO_NORMAL = "pseudo-normal"
    PSEUDO_ABNORMAL = "pseudo-abnormal"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CurationState:
    """The view, the readers' decisions, and the newest acts."""

    view: PseudoLabelView
    decided: dict[int, Label]
    history: tuple[DecisionRow, ...]

    @property
    def rated_by(self) -> str:
        """What rates the images, as a sentence begins."""
        label = self.view.source.label
        return label[0].upper() + label[1:]

    def counts_html(self, normal: str, abnormal: str) -> str:
        """Counts of each class in the two colours, and the modules' sizes."""
        count = {value: int((self.view.labels == value).sum()) for value in (0, 1, -1, -2)}
        normals = len(self.view.normal.ids)
        module_a = normals + count[NORMAL]
        used = count[NORMAL] + count[ABNORMAL]
        ratio = f"{100 * count[ABNORMAL] / used:.0f} %" if used else "–"
        return (
            f"<span style='color:{normal}'>normal <b>{count[NORMAL]}</b></span> · "
            f"unused <b>{count[UNUSED]}</b> · "
            f"<span style='color:{abnormal}'>abnormal <b>{count[ABNORMAL]}</b></span> · "
            f"excluded <b>{count[EXCLUDED]}</b><br>"
            f"Module A: {normals} normal + {count[NORMAL]} = <b>{module_a}</b> images. "
            f"Module B: <b>{count[ABNORMAL]}</b> images. Anomaly ratio of those used: {ratio}"
        )

    def purity_text(self) -> str:
        """How often the source that rates was right, on the images that readers decided."""
        view = self.view
        rated_abnormal = view.log_odds >= 0
        checked = [i for i, image in enumerate(view.image_ids.tolist()) if image in self.decided]
        judged = [i for i in checked if self.decided[int(view.image_ids[i])] is not Label.EXCLUDE]
        if not judged:
            return "No image is checked yet: purity is unknown."
        right = sum(
            (self.decided[int(view.image_ids[i])] is Label.ABNORMAL) == bool(rated_abnormal[i])
            for i in judged
        )
        share = wilson_interval(right, len(judged))
        return (
            f"{self.rated_by} agrees with readers on {100 * share.value:.0f} % of "
            f"{plural(len(judged), 'checked image')} (95 % interval "
            f"{100 * share.low:.0f}–{100 * share.high:.0f} %)."
        )

    def truth_text(self) -> str:
        """Purity of each set against the hidden truth, where the project knows it."""
        parts = []
        for name, value in (("pseudo-normal", NORMAL), ("pseudo-abnormal", ABNORMAL)):
            known = (self.view.labels == value) & (self.view.truth >= 0)
            if known.any():
                right = int((self.view.truth[known] == value).sum())
                share = wilson_interval(right, int(known.sum()))
                parts.append(
                    f"{name} {100 * share.value:.0f} % pure "
                    f"({100 * share.low:.0f}–{100 * share.high:.0f} %, n = {int(known.sum())})"
                )
        return f"Hidden truth: {'; '.join(parts)}." if parts else ""

    def history_text(self) -> str:
        """The newest decisions, a line each."""
        lines = [
            f"{row.decided_at[11:16]} {row.reader}  {row.image_name}  "
            f"{row.before or 'none'} → {row.after or 'none'}"
            + (f" ({row.kind})" if row.kind != "decide" else "")
            for row in self.history[:9]
        ]
        return "\n".join(lines) or "No decision yet."

    def offered(self, order: Order, shown: Shown) -> Ids:
        """Places in the view, in the order in which images are offered."""
        view = self.view
        keep = {
            Shown.ALL: np.ones(len(view.labels), dtype=bool),
            Shown.UNCHECKED: ~view.by_reader,
            Shown.CHECKED: view.by_reader,
            Shown.PSEUDO_NORMAL: view.labels == NORMAL,
            Shown.PSEUDO_ABNORMAL: view.labels == ABNORMAL,
        }[shown]
        places = np.flatnonzero(keep)
        key = self._key(order)[places]
        return places[np.argsort(key, kind="stable")]

    def _key(self, order: Order) -> npt.NDArray[np.floating]:
        p = self.view.log_odds
        if order is Order.MOST_ABNORMAL:
            return -p
        if order is Order.MOST_NORMAL:
            return p
        if order is Order.RANDOM:
            return np.random.default_rng(0).random(len(p))
        to_normal = np.abs(p - self.view.cut_normal)
        return np.minimum(to_normal, np.abs(p - self.view.cut_abnormal))


def read_curation_state(project: Project, config: PseudoLabelConfig) -> CurationState:
    """Read scores and decisions.

    Raises:
        NotReady: Stage 1 has not run yet.
    """
    with project.session() as session:
        if runs.newest(session, RunKind.STAGE1) is None:
            raise NotReady(
                "Stage 1 has not run yet: it gives every unlabeled image a probability to check."
            )
    view = current_pseudo_labels(project, config)
    with project.session() as session:
        decided = decisions.current(session)
        history = tuple(decisions.history(session, limit=30))
    return CurationState(view, decided, history)


def keep_percent_for_cut(
    probability: npt.NDArray[np.floating], cut: float, abnormal: bool
) -> float:
    """K that puts a class's cut at a probability; the cut's own side of 0.5 counts.

    Args:
        probability: (M,) P(abnormal | x).
        cut: Where the reader dropped the line.
        abnormal: Which class's line it is.
    """
    side = probability >= 0.5 if abnormal else probability < 0.5
    kept = probability[side] >= cut if abnormal else probability[side] <= cut
    share = 100 * kept.mean() if kept.size else 50.0
    return float(np.clip(share, 1, 100))
