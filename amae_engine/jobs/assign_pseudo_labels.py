"""Pseudo-labels as the catalog stands now: stage-1 scores, K, and the readers' decisions."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import decisions, scores, studies
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import PseudoLabelConfig, PseudoLabelSource, ScoreKind
from amae_engine.errors import NotReady, TooFewImages
from amae_engine.jobs.run_record import newest_finished
from amae_engine.method.pseudo_labels import (
    PseudoLabel,
    assign,
    density_probability,
    mixture_posterior,
)
from amae_engine.project import Project

FEWEST_PER_MODULE = 2
_KINDS = {
    PseudoLabelSource.PROXY: ScoreKind.STAGE1_PROBABILITY,
    PseudoLabelSource.DENSITY: ScoreKind.MAHALANOBIS,
    PseudoLabelSource.UNLABELED: ScoreKind.UNLABELED_PROBE,
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
        run_id: The stage-1 run behind the probabilities.
        probability: P(abnormal | x).
        confidence: max(p, 1 − p).
        labels: `PseudoLabel` values.
        by_reader: True where a reader decided.
        truth: 0, 1, or −1 where unknown; for judging purity, never for training.
        threshold_normal: Probability at or below which an image is pseudo-normal.
        threshold_abnormal: Probability at or above which an image is pseudo-abnormal.
        normals: N, the normal training images that module A gets as well.
    """

    run_id: int
    image_ids: npt.NDArray[np.int64]
    store_rows: npt.NDArray[np.int64]
    names: tuple[str, ...]
    probability: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int8]
    by_reader: npt.NDArray[np.bool_]
    truth: npt.NDArray[np.int8]
    threshold_normal: float
    threshold_abnormal: float
    normals: int

    def count(self, label: PseudoLabel) -> int:
        """How many images have `label`."""
        return int((self.labels == label).sum())


def current_pseudo_labels(
    project: Project, config: PseudoLabelConfig, stage1_run: int = 0
) -> PseudoLabelView:
    """Label the unlabeled images (section 2.2); a reader's decision always wins.

    Args:
        project: Where the scores and decisions are.
        config: Source, K and its reading.
        stage1_run: Its scores are used; 0 is the newest finished one.

    Raises:
        NotReady: Stage 1 has not run yet.
        TooFewImages: No unlabeled image has a stage-1 score.
    """
    run = newest_finished(project, RunKind.STAGE1, stage1_run, "Pseudo-labelling")
    with project.session() as session:
        table = studies.images_in(session, Split.UNLABELED)
        normals = studies.images_in(session, Split.NORMAL)
        found = {
            kind: tuple(
                scores.of_images(session, run.id, kind, each.ids) for each in (table, normals)
            )
            for kind in _KINDS.values()
        }
        decided = decisions.current(session)
    scored = ~np.isnan(found[ScoreKind.STAGE1_PROBABILITY][0])
    if not scored.any():
        raise TooFewImages(
            f"Run {run.id} has scored none of the {len(table.ids)} unlabeled images; import "
            f"unlabeled images and run stage 1 again."
        )
    probability = _probability(config.source, found, scored)
    ids = table.ids[scored]
    reader = [_DECIDED.get(decided.get(int(i), Label.NONE), PseudoLabel.UNUSED) for i in ids]
    labelled = assign(probability, np.array(reader, dtype=np.int8), config)
    return PseudoLabelView(
        run_id=run.id,
        image_ids=ids,
        store_rows=table.store_rows[scored],
        names=tuple(np.array(table.names, dtype=object)[scored]),
        probability=probability,
        confidence=labelled.confidence,
        labels=labelled.labels,
        by_reader=labelled.by_reader,
        truth=table.truth[scored],
        threshold_normal=labelled.threshold_normal,
        threshold_abnormal=labelled.threshold_abnormal,
        normals=len(normals.ids),
    )


def _probability(
    source: PseudoLabelSource,
    found: dict[ScoreKind, tuple[npt.NDArray[np.float64], ...]],
    scored: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float32]:
    """P(abnormal | x) of the scored unlabeled images.

    Raises:
        NotReady: The run does not have the score that the source needs.
    """
    unlabeled, normal = (each.astype(np.float32) for each in found[_KINDS[source]])
    unlabeled, normal = unlabeled[scored], normal[~np.isnan(normal)]
    if np.isnan(unlabeled).any() or len(normal) == 0:
        raise NotReady(
            f"The stage-1 run has no score '{_KINDS[source].label}' for every unlabeled image; run "
            f"stage 1 again, or have them rated by another (Train, 'Pseudo-labels by')."
        )
    if source is PseudoLabelSource.DENSITY:
        return density_probability(unlabeled, normal)
    if source is PseudoLabelSource.UNLABELED:
        return mixture_posterior(normal, unlabeled)[0]
    return unlabeled


def require_both_classes(view: PseudoLabelView) -> None:
    """Stage 2 needs images for module B.

    Raises:
        TooFewImages: A class is empty; the message says what to do.
    """
    abnormal = view.count(PseudoLabel.ABNORMAL)
    if abnormal < FEWEST_PER_MODULE:
        raise TooFewImages(
            f"Module B needs at least {FEWEST_PER_MODULE} pseudo-abnormal images; there are "
            f"{abnormal}. Mark abnormal images in Pseudo-labels, raise K, or import more unlabeled "
            f"images."
        )


def write_snapshot(view: PseudoLabelView, path: Path) -> None:
    """Write the labels a run is trained on; the file never changes afterwards."""
    beside = path.with_suffix(".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image_id", "name", "store_row", "probability", "label", "by_reader"))
        for row in zip(
            view.image_ids.tolist(),
            view.names,
            view.store_rows.tolist(),
            view.probability.tolist(),
            view.labels.tolist(),
            view.by_reader.tolist(),
            strict=True,
        ):
            number, name, store_row, probability, label, by_reader = row
            text = PseudoLabel(label).name.lower()
            writer.writerow((number, name, store_row, f"{probability:.6f}", text, int(by_reader)))
    beside.replace(path)


def read_snapshot(path: Path) -> dict[PseudoLabel, npt.NDArray[np.int64]]:
    """Store rows of each label in a snapshot."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {
        label: np.array(
            [int(line["store_row"]) for line in lines if line["label"] == label.name.lower()],
            dtype=np.int64,
        )
        for label in PseudoLabel
    }
