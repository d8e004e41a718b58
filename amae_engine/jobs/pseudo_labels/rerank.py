"""Unlabeled images re-ranked by the probe and stage 2 together: what a second round learns from.

The probe is fitted again with the readers' current decisions, on the features that stage 1
kept. Both rank U; the mean of the two ranks orders it, and the ratings are the probe's own, so that
cuts and their meaning stay.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs
from amae_engine.catalog.tables import Split
from amae_engine.config import Stage1Config
from amae_engine.errors import NotReady
from amae_engine.evaluation.ranks import share_below
from amae_engine.jobs.confounders.matching_file import read_matching
from amae_engine.jobs.confounders.shortcut_check import sides_of
from amae_engine.jobs.pseudo_labels.unlabeled_scores import fit_matched
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, frozen_encoder
from amae_engine.jobs.training.train_stage1 import FEATURES_FILE
from amae_engine.project import Project
from amae_engine.runs.inputs import RunInputs, read_inputs

Values = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


def rerank(
    project: Project,
    stage1: int,
    inputs: RunInputs,
    ids: Ids,
    stage1_scores: Values,
    stage2_scores: Values,
) -> Values:
    """Rank U by the probe, fitted again, and by stage 2; other images take their place among U.

    Args:
        project: Where the runs are.
        stage1: The run that kept the features.
        inputs: The unlabeled images and the readers' decisions on them.
        ids: (n,) of the images that stage 2 has rated, U among them.
        stage1_scores: (n,) by the probe as stage 1 fitted it: an image that came later has its rank by it.
        stage2_scores: (n,) its scores.

    Returns:
        (n,) log-odds of abnormal; their order is that of both ranks' mean.

    Raises:
        NotReady: Stage 1 kept no features.
    """
    rated_ids, probe = _probe_scores(project, stage1, inputs)
    order = np.argsort(rated_ids)
    places = np.searchsorted(rated_ids[order], ids)
    found = order[np.minimum(places, len(order) - 1)]
    is_later = rated_ids[found] != ids
    is_unlabeled = np.isin(ids, inputs.images[Split.UNLABELED].ids) & ~is_later
    by_probe = probe[found]
    by_both = [share_below(values, values[is_unlabeled]) for values in (by_probe, stage2_scores)]
    as_fitted = share_below(stage1_scores[is_later], stage1_scores[is_unlabeled])
    by_both[0][is_later] = as_fitted
    together = np.mean(by_both, axis=0)
    own = together[is_unlabeled]
    ratings = np.sort(by_probe[is_unlabeled])
    place = share_below(together, own) * (len(own) - 1)
    found_at: Values = np.interp(place, np.arange(len(own)), ratings)
    return found_at


def _probe_scores(project: Project, stage1: int, inputs: RunInputs) -> tuple[Ids, Values]:
    """Ids and log-odds of the unlabeled and test images, by a probe with today's decisions."""
    from amae_engine.method.pseudo_labels import fit_mixture

    folder = project.run_folder(stage1)
    if not (folder / FEATURES_FILE).is_file():
        raise NotReady(f"Run {stage1} kept no features; run stage 1 again before a second round.")
    with project.session() as session:
        config = Stage1Config.from_dict(runs.get(session, stage1).config)
    encoder = frozen_encoder(project, config, folder / WEIGHTS_FILE)
    with np.load(folder / FEATURES_FILE) as stored:
        features = {split: stored[split][:, None] for split in Split}
    seen = read_inputs(folder).images
    normal, unlabeled, test = (seen[s] for s in (Split.NORMAL, Split.UNLABELED, Split.TEST))
    both = (Split.NORMAL, Split.UNLABELED)
    matched = read_matching(folder)
    fitted = fit_matched(
        encoder,
        np.concatenate([features[split] for split in both]),
        np.concatenate([sides_of(seen[split], inputs.decisions, split) for split in both]),
        np.concatenate([seen[split].patient_ids for split in both]),
        config.training.seed,
        matched,
    )
    of_normal, of_u = fitted.rated[: len(normal)], fitted.rated[len(normal) :]
    of_test = fitted.rate(features[Split.TEST])
    counts = None if matched is None else matched.weights[: len(normal)]
    mixture = fit_mixture(of_normal, of_u, counts)
    ids = np.concatenate((unlabeled.ids, test.ids))
    return ids, mixture.log_odds(np.concatenate((of_u, of_test)))
