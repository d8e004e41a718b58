"""Pseudo-labels from the current catalog: stage-1 scores, K, and the readers' decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.config import KeepRule, PseudoLabelConfig, PseudoLabelSource, ScoreKind
from amae_engine.errors import NotReady, TooFewImages
from amae_engine.jobs.confounders.matching_file import read_matching
from amae_engine.method.pseudo_labels import (
    PseudoLabel,
    assign,
    by_cuts,
    density_log_odds,
    fit_mixture,
    log_odds_of,
    probability_of,
)
from amae_engine.project import Project
from amae_engine.reports.table import write_csv
from amae_engine.runs.inputs import InputImages
from amae_engine.runs.record import newest_finished

FEWEST_PER_MODULE = 2
NORMAL, PSEUDO_NORMAL, PSEUDO_ABNORMAL = "normal", "pseudo_normal", "pseudo_abnormal"
_KINDS = {
    PseudoLabelSource.PROXY: ScoreKind.STAGE1_PROBABILITY,
    PseudoLabelSource.DENSITY: ScoreKind.MAHALANOBIS,
    PseudoLabelSource.UNLABELED: ScoreKind.UNLABELED_PROBE,
    PseudoLabelSource.ROUNDS: ScoreKind.RERANKED,
}
_DECIDED = {
    Label.NORMAL: PseudoLabel.NORMAL,
    Label.ABNORMAL: PseudoLabel.ABNORMAL,
    Label.EXCLUDE: PseudoLabel.EXCLUDED,
}


@dataclass(frozen=True, slots=True)
class PseudoLabelView:
    """The unlabeled images and what stage 2 would make of them; arrays are (M,), by image id.

    Attributes:
        run_id: The stage-1 run behind the ratings.
        source: What rated the images.
        unlabeled: All M images that the run has rated.
        log_odds: log P(abnormal | x) / P(normal | x); what images are ranked by.
        labels: `PseudoLabel` values.
        by_reader: True where a reader decided.
        truth: 0, 1, or −1 where unknown; for judging purity, never for training.
        cut_normal: Log-odds at or below which an image is pseudo-normal.
        cut_abnormal: Log-odds at or above which an image is pseudo-abnormal.
        normal: N, the normal training images that module A gets as well.
        b_learns_all: Whether module B gets every unlabeled image, whatever its label.
    """

    run_id: int
    source: PseudoLabelSource
    unlabeled: image_tables.ImageTable
    log_odds: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int8]
    by_reader: npt.NDArray[np.bool_]
    cut_normal: float
    cut_abnormal: float
    normal: image_tables.ImageTable
    b_learns_all: bool = False

    @property
    def image_ids(self) -> npt.NDArray[np.int64]:
        """(M,) ids."""
        return self.unlabeled.ids

    @property
    def names(self) -> tuple[str, ...]:
        """What readers call the M images."""
        return self.unlabeled.names

    @property
    def truth(self) -> npt.NDArray[np.int8]:
        """(M,) 0, 1, or −1 where unknown."""
        return self.unlabeled.truth

    @property
    def probability(self) -> npt.NDArray[np.float64]:
        """P(abnormal | x), for showing."""
        return probability_of(self.log_odds)

    @property
    def cut_probabilities(self) -> tuple[float, float]:
        """Both cuts as probabilities, for showing."""
        return float(probability_of(self.cut_normal)), float(probability_of(self.cut_abnormal))

    def by_cuts(self, cut_normal: float, cut_abnormal: float) -> npt.NDArray[np.int8]:
        """(M,) the labels that the ratings alone give with other cuts."""
        return by_cuts(self.log_odds, cut_normal, cut_abnormal)

    def count(self, label: PseudoLabel) -> int:
        """How many images have `label`."""
        return int((self.labels == label).sum())

    def inputs(self) -> dict[str, InputImages]:
        """The sets of images that stage 2 learns from: N, Un and Ua."""
        return {
            NORMAL: InputImages.of(self.normal),
            PSEUDO_NORMAL: InputImages.of(self.unlabeled, self.labels == PseudoLabel.NORMAL),
            PSEUDO_ABNORMAL: InputImages.of(self.unlabeled, self._of_module_b),
        }

    @property
    def _of_module_b(self) -> npt.NDArray[np.bool_]:
        """(M,) what module B learns from U."""
        if self.b_learns_all:
            return self.labels != PseudoLabel.EXCLUDED
        return self.labels == PseudoLabel.ABNORMAL

    def input_ids(self) -> dict[str, npt.NDArray[np.int64]]:
        """The ids of `inputs`, without the digests of what they show."""
        return {
            NORMAL: self.normal.ids,
            PSEUDO_NORMAL: self.image_ids[self.labels == PseudoLabel.NORMAL],
            PSEUDO_ABNORMAL: self.image_ids[self._of_module_b],
        }


@dataclass(frozen=True, slots=True)
class Ratings:
    """The unlabeled images as a source rates them: the same for every K and every decision.

    The attributes are those of `PseudoLabelView`.
    """

    run_id: int
    source: PseudoLabelSource
    unlabeled: image_tables.ImageTable
    log_odds: npt.NDArray[np.float64]
    normal: image_tables.ImageTable

    def labelled(self, decided: Mapping[int, Label], config: PseudoLabelConfig) -> PseudoLabelView:
        """Label the images (section 2.2); a reader's decision always wins.

        Args:
            decided: Which decisions stand.
            config: K and its reading.
        """
        reader = np.full(len(self.log_odds), PseudoLabel.UNUSED, dtype=np.int8)
        ids = np.fromiter(decided, np.int64, len(decided))
        found = np.fromiter((_DECIDED[label] for label in decided.values()), np.int8, len(decided))
        places = np.searchsorted(self.unlabeled.ids, ids)
        is_rated = places < len(reader)
        is_rated[is_rated] = self.unlabeled.ids[places[is_rated]] == ids[is_rated]
        reader[places[is_rated]] = found[is_rated]
        labelled = assign(self.log_odds, reader, config)
        return PseudoLabelView(
            run_id=self.run_id,
            source=self.source,
            unlabeled=self.unlabeled,
            log_odds=self.log_odds,
            labels=labelled.labels,
            by_reader=labelled.by_reader,
            cut_normal=labelled.cut_normal,
            cut_abnormal=labelled.cut_abnormal,
            normal=self.normal,
            b_learns_all=config.rule is KeepRule.B_ON_ALL,
        )


def current_pseudo_labels(
    project: Project, config: PseudoLabelConfig, stage1_run: int = 0
) -> PseudoLabelView:
    """Label the unlabeled images (section 2.2); a reader's decision always wins.

    Args:
        project: Where the scores and decisions are.
        config: Source, K and its reading.
        stage1_run: Its scores are used; 0 is the newest finished one.

    Raises:
        NotReady: Stage 1 has not run yet, or the run does not have the source's score.
        TooFewImages: No unlabeled image is rated.
    """
    ratings = read_ratings(project, config.source, stage1_run)
    with project.session() as session:
        decided = decisions.current(session)
    return ratings.labelled(decided, config)


def read_ratings(project: Project, source: PseudoLabelSource, stage1_run: int = 0) -> Ratings:
    """How a source rates the unlabeled images.

    Args:
        project: Where the scores are.
        source: What rates them.
        stage1_run: Its scores are used; 0 is the newest finished one.

    Raises:
        NotReady: Stage 1 has not run yet, or the run does not have the source's score.
        TooFewImages: No unlabeled image is rated.
    """
    run = newest_finished(project, RunKind.STAGE1, stage1_run, "Pseudo-labelling")
    kind, holder = _KINDS[source], run.id
    if source is PseudoLabelSource.ROUNDS:
        holder = _required_ranking(project, run.id)
    with project.session() as session:
        table = image_tables.images_in(session, Split.UNLABELED)
        normal = image_tables.images_in(session, Split.NORMAL)
        rated = scores.of_images(session, holder, kind, table.ids)
        of_normal = scores.of_images(session, run.id, kind, normal.ids)
    known = ~np.isnan(rated)
    if not known.any():
        _explain_nothing_rated(project, run.id, kind, table)
    unlabeled = table.chosen(known)
    counts = _counts(project, run.id, normal.ids)
    has = ~np.isnan(of_normal)
    log_odds = _log_odds(source, rated[known], of_normal[has], counts[has])
    return Ratings(run.id, source, unlabeled, log_odds, normal)


def has_ranking(project: Project, stage1: int) -> bool:
    """Whether a finished stage 2 has re-ranked the unlabeled images of a stage-1 run."""
    return _newest_ranking(project, stage1) > 0


def _newest_ranking(project: Project, stage1: int) -> int:
    """The newest score run that re-ranked U on top of a stage-1 run; 0 where there is none."""
    with project.session() as session:
        rows = {row.id: row for row in runs.list_runs(session)}
    for row in rows.values():  # newest first
        above = rows.get(row.parent_id or 0)
        is_of = row.kind is RunKind.SCORE and above is not None and above.parent_id == stage1
        if is_of and row.state is RunState.FINISHED and row.config.get("rerank"):
            return row.id
    return 0


def _required_ranking(project: Project, stage1: int) -> int:
    found = _newest_ranking(project, stage1)
    if found:
        return found
    raise NotReady(
        f"No finished stage 2 has re-ranked the unlabeled images of run {stage1} yet: start a "
        f"second round (Pseudo-labels, More, 'Second round', or `amae rounds`)."
    )


def _explain_nothing_rated(
    project: Project, run_id: int, kind: ScoreKind, table: image_tables.ImageTable
) -> None:
    with project.session() as session:
        has_other = bool(set(scores.kinds(session, run_id)) & set(_KINDS.values()))
        any_rated = (
            has_other
            and not np.isnan(
                scores.of_images(session, run_id, ScoreKind.MAHALANOBIS, table.ids)
            ).all()
        )
    if any_rated:
        raise NotReady(
            f"Run {run_id} has no score '{kind.label}' of the unlabeled images; run stage 1 again, "
            f"or have them rated by another (Train, 'Pseudo-labels by')."
        )
    raise TooFewImages(
        f"Run {run_id} has rated none of the {len(table.ids)} unlabeled images; import unlabeled "
        f"images and run stage 1 again."
    )


def _counts(
    project: Project, run_id: int, normal: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """What each normal image (n,) counts in a run whose N was matched to U; else 1."""
    matched = read_matching(project.run_folder(run_id))
    if matched is None:
        return np.ones(len(normal))
    by_id = dict(zip(matched.ids.tolist(), matched.weights.tolist(), strict=True))
    return np.array([by_id.get(i, 0.0) for i in normal.tolist()])


def _log_odds(
    source: PseudoLabelSource,
    unlabeled: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    if source is PseudoLabelSource.DENSITY:
        return density_log_odds(unlabeled.astype(np.float32), normal.astype(np.float32))
    if source is PseudoLabelSource.ROUNDS:
        return unlabeled
    if source is PseudoLabelSource.UNLABELED:
        return fit_mixture(normal, unlabeled, counts).log_odds(unlabeled)
    return log_odds_of(unlabeled)


def why_too_few(view: PseudoLabelView) -> str:
    """Why module B has nothing to learn from, and what to do; "" where it has."""
    abnormal = view.count(PseudoLabel.ABNORMAL)
    if abnormal >= FEWEST_PER_MODULE:
        return ""
    return (
        f"Module B needs at least {FEWEST_PER_MODULE} pseudo-abnormal images; there are "
        f"{abnormal}. Mark abnormal images in Pseudo-labels, raise K, or import more unlabeled "
        f"images."
    )


def require_both_classes(view: PseudoLabelView) -> None:
    """Stage 2 needs images for module B.

    Raises:
        TooFewImages: There are too few; the message says what to do.
    """
    if why := why_too_few(view):
        raise TooFewImages(
            f"{why} Until then, score without stage 2 (`amae score --set without_stage2=true`)."
        )


def write_labels(view: PseudoLabelView, path: Path) -> None:
    """Write every image's label as a table, for people; a run keeps its own sets of images."""
    columns = {
        "image_id": view.image_ids.tolist(),
        "name": view.names,
        "probability": [f"{value:.6f}" for value in view.probability.tolist()],
        "log_odds": [f"{value:.4f}" for value in view.log_odds.tolist()],
        "label": [PseudoLabel(label).name.lower() for label in view.labels.tolist()],
        "by_reader": view.by_reader.astype(int).tolist(),
    }
    write_csv(path, (tuple(columns), *zip(*columns.values(), strict=True)))
