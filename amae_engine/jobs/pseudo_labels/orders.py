"""Orders in which a check is worth most: where the scores disagree, and images that are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs, scores
from amae_engine.catalog.tables import RunKind
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.ranks import relative_ranks
from amae_engine.jobs.training.train_stage1 import FEATURES_FILE
from amae_engine.project import Project

Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

_OF_STAGE1 = (ScoreKind.STAGE1_PROBABILITY, ScoreKind.UNLABELED_PROBE)
_COMPONENTS = 32  # of the features that the clusters are made in
_IMAGES_A_CLUSTER = 25
_CLUSTERS = (2, 40)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How far the scores of each image lie apart.

    Attributes:
        spread: (M,) difference of its highest and lowest rank among all images, 0…1.
        by: Which scores were compared, for the reader.
    """

    spread: Doubles
    by: str


@dataclass(frozen=True, slots=True)
class Clusters:
    """Images that the encoder finds alike.

    Attributes:
        number: (M,) the cluster of each image, 0 the one with the most abnormal mean; −1 where
            there are no features of it.
        distance: (M,) to its cluster's centre.
    """

    number: npt.NDArray[np.int64]
    distance: Doubles


def disagreement(project: Project, stage1_run: int, image_ids: Ids) -> Disagreement:
    """Where stage 1's classifier, the probe and an earlier stage 2 rank an image apart.

    Raises:
        NotReady: Fewer than two of them have rated these images.
    """
    found: dict[str, Doubles] = {}
    with project.session() as session:
        for kind in _OF_STAGE1:
            found[kind.label] = scores.of_images(session, stage1_run, kind, image_ids)
        for run in runs.list_runs(session):
            if run.kind is RunKind.SCORE and run.state == "finished":
                kind = ScoreKind.DISCREPANCY
                values = scores.of_images(session, run.id, kind, image_ids)
                if not np.isnan(values).all():
                    found[f"{kind.label} (run {run.id})"] = values
                    break
    rated = {name: values for name, values in found.items() if not np.isnan(values).all()}
    if len(rated) < 2:
        raise NotReady(
            "The images are rated by one score alone, so that none can disagree: run stage 1 with "
            "at least 20 unlabeled images, or let stage 2 rate the unlabeled images."
        )
    ranks = np.stack([relative_ranks(values) for values in rated.values()])
    spread = np.nanmax(ranks, axis=0) - np.nanmin(ranks, axis=0)
    return Disagreement(spread, ", ".join(rated))


def clusters(project: Project, stage1_run: int, image_ids: Ids, log_odds: Doubles) -> Clusters:
    """Groups of images alike in the encoder's features (k-means of 32 principal components).

    Args:
        project: Whose images.
        stage1_run: It has kept the features.
        image_ids: (M,) of the unlabeled images.
        log_odds: (M,) their ratings, by which the clusters are numbered.

    Raises:
        NotReady: The run has kept no features of the unlabeled images.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

    path = project.run_folder(stage1_run) / FEATURES_FILE
    if not path.is_file():
        raise NotReady(f"Stage 1, run {stage1_run}, has kept no features; run stage 1 again.")
    with np.load(path) as stored:
        ids, features = stored["unlabeled_ids"], stored["unlabeled"]
    features = features.reshape(len(features), -1).astype(np.float32)
    place = {image_id: n for n, image_id in enumerate(ids.tolist())}
    rows = np.array([place.get(image_id, -1) for image_id in image_ids.tolist()])
    known = rows >= 0
    if int(known.sum()) < 2 * _CLUSTERS[0]:
        raise NotReady(f"Stage 1, run {stage1_run}, has features of too few of these images.")
    chosen = features[rows[known]]
    width = min(_COMPONENTS, *chosen.shape)
    numbers = PCA(width, random_state=0, svd_solver="randomized").fit_transform(chosen)
    count = int(np.clip(len(chosen) // _IMAGES_A_CLUSTER, *_CLUSTERS))
    model = MiniBatchKMeans(count, random_state=0, n_init=5).fit(numbers)
    means = [log_odds[known][model.labels_ == n].mean() if (model.labels_ == n).any() else -np.inf
             for n in range(count)]  # fmt: skip
    order = np.argsort(np.argsort(-np.array(means), kind="stable"), kind="stable")
    number = np.full(len(image_ids), -1, dtype=np.int64)
    distance = np.full(len(image_ids), np.inf)
    number[known] = order[model.labels_]
    distance[known] = model.transform(numbers)[np.arange(len(numbers)), model.labels_]
    return Clusters(number, distance)
