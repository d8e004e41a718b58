"""What the Pseudo-labels workspace shows; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from amae_app.image_ref import ImageRef
from amae_engine.catalog import decisions, image_tables, runs, studies
from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.decisions import DecisionRow
from amae_engine.catalog.tables import RunKind
from amae_engine.config import KeepRule, PseudoLabelConfig, PseudoLabelSource
from amae_engine.errors import NotReady
from amae_engine.evaluation.agreement import share_of
from amae_engine.jobs.curation.second_reading import Agreement, agreement
from amae_engine.jobs.evaluation.what_scores_learned import proxy_text, proxy_worth
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    PseudoLabelView,
    Ratings,
    has_ranking,
    read_ratings,
)
from amae_engine.jobs.pseudo_labels.orders import Clusters, Disagreement, clusters, disagreement
from amae_engine.jobs.pseudo_labels.stage2_effect import Stage2Effect, stage2_effect
from amae_engine.project import Project
from amae_engine.words import plural

NORMAL, ABNORMAL, UNUSED, EXCLUDED = 0, 1, -1, -2
_SETS = (("pseudo-normal", NORMAL), ("pseudo-abnormal", ABNORMAL))
AgreementState = tuple[Agreement, dict[int, tuple[ImageRef, str]]]  # conflicts' pictures and names
Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


class Order(StrEnum):
    """In which order images are offered."""

    NEAREST_CUT = "nearest a cut first"
    DISAGREEMENT = "scores disagree first"
    CLUSTERS = "by cluster"
    MOST_ABNORMAL = "most abnormal first"
    MOST_NORMAL = "most normal first"
    RANDOM = decisions.RANDOM


class Shown(StrEnum):
    """Which images are offered."""

    UNCHECKED = "unchecked"
    CHECKED = "checked"
    PSEUDO_NORMAL = "pseudo-normal"
    PSEUDO_ABNORMAL = "pseudo-abnormal"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class OrderData:
    """What some orders need beyond the ratings; of one stage-1 run."""

    run_id: int
    disagreement: Disagreement | None = None
    clusters: Clusters | None = None


@dataclass(frozen=True, slots=True)
class CurationState:
    """The view with the readers' decisions, and the newest acts.

    Attributes:
        is_fair: (M,) whether a reader decided on the image in random order, without its truth.
        effect: What the decisions did to the newest stage 2's images.
        worth: What stage 1's classifier is worth here, where it rates the images; else "".
        has_ranking: Whether a stage 2 has ranked the images for a second round.
    """

    view: PseudoLabelView
    history: tuple[DecisionRow, ...]
    is_fair: npt.NDArray[np.bool_]
    effect: Stage2Effect
    worth: str
    has_ranking: bool

    @property
    def rated_by(self) -> str:
        """What rates the images, as a sentence begins."""
        label = self.view.source.label
        return label[0].upper() + label[1:]

    @property
    def by_rating(self) -> npt.NDArray[np.int8]:
        """(M,) the labels that the ratings alone give."""
        return self.view.by_cuts(self.view.cut_normal, self.view.cut_abnormal)

    def counts_html(
        self, normal: str, abnormal: str, cuts: tuple[float, float] | None = None
    ) -> str:
        """Counts of each class in the two colours, and the modules' sizes.

        Args:
            normal: The class's colour.
            abnormal: The class's colour.
            cuts: Where the reader holds the cuts now, as log-odds; where they are by default.
        """
        labels = self.view.labels
        if cuts is not None:
            labels = np.where(self.view.by_reader, labels, self.view.by_cuts(*cuts))
        count = {value: int((labels == value).sum()) for value in (0, 1, -1, -2)}
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
            f"Module B: <b>{count[ABNORMAL]}</b> abnormal, and A's unless it learns “abnormal only”. "
            f"Anomaly ratio of those used: {ratio}"
        )

    def purity_text(self) -> str:
        """How often readers agree with each set that the ratings make, on images they checked."""
        labels, by_rating = self.view.labels, self.by_rating
        checked = self.view.by_reader & (labels != EXCLUDED)
        parts, biased = [], False
        for name, value in _SETS:
            of_set = checked & self.is_fair & (by_rating == value)
            if not of_set.any():
                of_set = checked & (by_rating == value)
                biased = biased or bool(of_set.any())
            if not of_set.any():
                parts.append(f"{name}: none checked")
                continue
            parts.append(f"{name} {self._pure(labels, of_set, value)}")
        if not checked.any():
            return "No image is checked yet: purity is unknown."
        text = f"Readers find {'; '.join(parts)}."
        if biased:
            text += (
                " These were not checked in random order, so this may mislead; the order 'random' "
                "gives a fair figure."
            )
        return text

    def truth_text(self) -> str:
        """Purity of each set against the hidden truth, where the project knows it."""
        parts = []
        for name, value in _SETS:
            known = (self.view.labels == value) & (self.view.truth >= 0)
            if known.any():
                parts.append(f"{name} {self._pure(self.view.truth, known, value)}")
        return f"Hidden truth: {'; '.join(parts)}." if parts else "No hidden truth is known."

    def _pure(self, found: npt.NDArray[np.int8], of_set: npt.NDArray[np.bool_], value: int) -> str:
        """Which share of a set is what it is called, by patients: "80 % pure (…, n = 40)"."""
        share = share_of(found[of_set] == value, self.view.unlabeled.patient_ids[of_set])
        bounds = f"95 % interval {100 * share.low:.0f}–{100 * share.high:.0f}"
        return (
            f"{100 * share.value:.0f} % pure ({bounds if share.has_interval else share.interval()}, "
            f"n = {int(of_set.sum())})"
        )

    def truth_of(self, image_id: int) -> str:
        """An image's hidden truth, to follow other facts; "" where it is not known."""
        truth = int(self.view.truth[np.searchsorted(self.view.image_ids, image_id)])
        return {0: " · truth: normal", 1: " · truth: abnormal"}.get(truth, "")

    def facts_of(self, probability: float, log_odds: float, label: int, is_decided: bool) -> str:
        """What rates an image and how, and what stage 2 makes of it."""
        side = "abnormal" if probability >= 0.5 else "normal"
        used = {0: "in module A", 1: "in module B", -1: "unused", -2: "excluded"}[label]
        by = " · decided by a reader" if is_decided else ""
        return (
            f"{self.rated_by}: P(abnormal) {probability:.2f}, {side} (log-odds {log_odds:+.1f})\n"
            f"Stage 2: {used}{by}"
        )

    def effect_text(self) -> str:
        """What has changed since stage 2 learnt, and by what; "" where there is none."""
        effect = self.effect
        if not effect.run_id:
            return ""
        if not effect.is_out_of_date:
            return f"Stage 2, run {effect.run_id}, is up to date."
        causes = []
        if effect.by_decisions:
            decided = plural(effect.decided, "changed decision")
            causes.append(f"{decided} moved {plural(effect.by_decisions, 'image')}")
        if effect.otherwise:
            causes.append(
                f"other cuts, ratings or images moved {plural(effect.otherwise, 'image')}"
            )
        of_b = f"of module B's {effect.size_b} images {effect.left_b} left, {effect.came_b} came"
        of_a = f"; {plural(effect.moved_a, 'image')} of module A moved" if effect.moved_a else ""
        return (
            f"Since stage 2, run {effect.run_id}, {' and '.join(causes)}: {of_b}{of_a}. It is out of "
            f"date."
        )

    def history_text(self) -> str:
        """The newest decisions, a line each."""
        lines = [
            f"{row.decided_at[11:16]} {row.reader}  {row.image_name}  "
            f"{row.before or 'none'} → {row.after or 'none'}"
            + (f" ({row.kind})" if row.kind != "decide" else "")
            for row in self.history[:7]
        ]
        return "\n".join(lines) or "No decision yet."

    def offered(self, order: Order, shown: Shown, data: OrderData | None = None) -> Ids:
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
        keys = [key[places] for key in self._keys(order, data)]
        return places[np.lexsort(keys[::-1])]

    def _keys(self, order: Order, data: OrderData | None) -> list[npt.NDArray[np.floating]]:
        """What to sort by, first things first; small ones come first."""
        p = self.view.log_odds
        if order is Order.MOST_ABNORMAL:
            return [-p]
        if order is Order.MOST_NORMAL:
            return [p]
        if order is Order.RANDOM:
            return [np.random.default_rng(0).random(len(p))]
        if order is Order.DISAGREEMENT and data is not None and data.disagreement is not None:
            return [-np.nan_to_num(data.disagreement.spread)]
        if order is Order.CLUSTERS and data is not None and data.clusters is not None:
            found = data.clusters
            return [np.where(found.number < 0, np.inf, found.number), found.distance]
        to_normal = np.abs(p - self.view.cut_normal)
        return [np.minimum(to_normal, np.abs(p - self.view.cut_abnormal))]


class CurationReader:
    """Reads a project's state again and again; what no decision changes is read once.

    For one thread at a time.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._current = CurrentDecisions()
        self._rated: _Rated | None = None

    def read(self, config: PseudoLabelConfig) -> CurationState:
        """The state as it is now.

        Raises:
            NotReady: Stage 1 has not run yet.
        """
        with self._project.session() as session:
            if runs.newest(session, RunKind.STAGE1) is None:
                raise NotReady(
                    "Stage 1 has not run yet: it gives every unlabeled image a probability to check."
                )
            images = image_tables.newest_change(session)
            known = tuple((run.id, run.state) for run in runs.list_runs(session))
            current = self._current.read(session)
            history = tuple(decisions.history(session, limit=30))
        rated = self._rated_by(config.source, (config.source, images, known))
        view = rated.ratings.labelled(current.decided, config)
        return CurationState(
            view,
            history,
            np.isin(view.image_ids, current.fair),
            stage2_effect(self._project, view),
            rated.worth,
            rated.has_ranking,
        )

    def _rated_by(self, source: PseudoLabelSource, of: tuple[object, ...]) -> _Rated:
        """What a source says of the images and runs as they are: `of` is another after a change."""
        if self._rated is None or self._rated.of != of:
            ratings = read_ratings(self._project, source)
            worth = ""
            if source is PseudoLabelSource.PROXY:
                worth = proxy_text(proxy_worth(self._project, ratings.run_id))
            ranked = has_ranking(self._project, ratings.run_id)
            self._rated = _Rated(of, ratings, worth, ranked)
        return self._rated


@dataclass(frozen=True, slots=True)
class _Rated:
    of: tuple[object, ...]
    ratings: Ratings
    worth: str
    has_ranking: bool


def read_order_data(project: Project, view: PseudoLabelView, order: Order) -> OrderData:
    """What an order needs beyond the ratings; takes seconds for many images.

    Raises:
        NotReady: The runs do not have it; which, it says.
    """
    run, ids = view.run_id, view.image_ids
    if order is Order.DISAGREEMENT:
        return OrderData(run, disagreement=disagreement(project, run, ids))
    if order is Order.CLUSTERS:
        return OrderData(run, clusters=clusters(project, run, ids, view.log_odds))
    return OrderData(run)


def keep_percent_for_cut(
    log_odds: Doubles, cut: float, abnormal: bool, rule: KeepRule = KeepRule.WITHIN_CLASS
) -> float:
    """K that puts a class's cut at a rating; a class keeps its own side of 0 alone.

    Args:
        log_odds: (M,) of the unlabeled images.
        cut: Where the reader dropped the line.
        abnormal: Which class's line it is.
        rule: What K is a share of.
    """
    side = log_odds >= 0 if abnormal else log_odds < 0
    if rule is KeepRule.OVER_ALL:
        side = np.ones(len(log_odds), dtype=bool)
    kept = log_odds[side] >= cut if abnormal else log_odds[side] <= cut
    share = 100 * kept.mean() if kept.size else 50.0
    return float(np.clip(share, 1, 100))


def read_agreement(project: Project, session_id: int) -> AgreementState:
    """How the readers of a second reading agree, and the images that they see differently."""
    found = agreement(project, session_id)
    rows = project.in_session(studies.rows, [item.image_id for item in found.conflicts])
    return found, {row.id: (ImageRef(row.id, row.store_row, row.aspect), row.name) for row in rows}
