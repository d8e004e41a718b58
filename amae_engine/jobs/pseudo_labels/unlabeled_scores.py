"""Normal against unlabeled: the probe's scores of every image, and its file.

It is fitted in the run that has the frozen features, stage 1's, but is no part of stage 1.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_arrays
from amae_engine.catalog import scores
from amae_engine.catalog.tables import Split
from amae_engine.config import MatchingMethod, ScoreKind, Stage1Config
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.confounders.choose_matching import choose_matching
from amae_engine.jobs.confounders.matching_file import Matched, read_matching, write_shortcuts
from amae_engine.jobs.confounders.shortcut_check import gather_shortcuts
from amae_engine.method.pseudo_labels import ratio_interval
from amae_engine.project import Project
from amae_engine.runs.record import RunRecord
from amae_engine.runs.token_files import KeptTokens

if TYPE_CHECKING:
    from torch import Tensor

    from amae_engine.method.unlabeled_probe import Probe, ProbeMaps
    from amae_engine.models.encoders import FrozenEncoder

_PROBE_FILE = "probe.npz"
STEP = ScoreKind.UNLABELED_PROBE.label
_IMAGES = 256  # each of N and U, over which the mean of each patch's share is taken
_AT_ONCE = 32


def rate_against_unlabeled(
    project: Project,
    record: RunRecord,
    encoder: FrozenEncoder,
    config: Stage1Config,
    features: dict[str, Tensor],
) -> Generator[Event, None, None]:
    """Tell U from N in the same features; scores of every image, and what its maps need.

    Unlabeled images that a reader called normal count as normal, excluded ones are only rated. Where
    N and U differ by confounders, they are matched first (`jobs.confounders`).
    """
    from amae_engine.method.unlabeled_probe import FEWEST_UNLABELED

    images = record.inputs.images
    normal, unlabeled = images[Split.NORMAL], images[Split.UNLABELED]
    if len(unlabeled) < FEWEST_UNLABELED:
        yield Notice(
            f"The score '{STEP}' needs at least {FEWEST_UNLABELED} unlabeled images; there are "
            f"{len(unlabeled)}, so this run does not have it."
        )
        return
    shortcuts = yield from gather_shortcuts(project, record.inputs, config)
    yield Progress(STEP, 0, 1)
    arrays = {split: values.cpu().numpy() for split, values in features.items()}
    both = np.concatenate((arrays[Split.NORMAL], arrays[Split.UNLABELED]))
    count, seed = len(both), config.training.seed
    fit = partial(
        fit_matched, encoder, both, shortcuts.side[:count], shortcuts.patients[:count], seed
    )
    is_auto = config.shortcuts is MatchingMethod.AUTO
    check, matched = choose_matching(shortcuts, config)
    fitted = fit(None if is_auto else matched)
    if matched is not None and is_auto:
        check, matched = choose_matching(shortcuts, config, fitted.rated)
        fitted = fitted if matched is None else fit(matched)
    write_shortcuts(record.folder, check.facts(), matched)
    yield Notice(check.why)
    probe, rated = fitted.probe, fitted.rated
    found = {
        Split.NORMAL: rated[: len(normal)],
        Split.UNLABELED: rated[len(normal) :],
        Split.TEST: fitted.rate(arrays[Split.TEST]),
    }
    with project.session() as session:
        for split, values in found.items():
            scores.save(session, record.id, ScoreKind.UNLABELED_PROBE, images[split].ids, values)
    kept = KeptTokens(record.folder)
    is_unlabeled = shortcuts.side[len(normal) : count] == 1
    counts = np.ones(len(normal)) if matched is None else matched.weights[: len(normal)]
    known_normal = _Counted(normal.ids[counts > 0], counts[counts > 0])
    maps = _probe_maps(kept, probe, known_normal, unlabeled.ids[is_unlabeled], encoder.grid)
    _save(record.folder / _PROBE_FILE, probe, maps)
    ratio = ratio_interval(
        found[Split.NORMAL],
        found[Split.UNLABELED],
        (normal.patient_ids, unlabeled.patient_ids),
        counts,
    )
    yield Notice(
        f"By '{STEP}', about {ratio.percent} of the {len(unlabeled)} unlabeled images are unlike the "
        f"{len(normal)} normal ones (95 % interval by bootstrap over patients)."
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """A probe on matched images.

    Attributes:
        rated: (n,) each image of N and U by the probe that did not see its patient.
        others: (m,) the strata of the test images; None where nothing is compared within any.
    """

    probe: Probe
    rated: npt.NDArray[np.float32]
    others: npt.NDArray[np.int64] | None

    def rate(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Scores (m,) of the test images by their features (m, V, d)."""
        return self.probe(features, self.others)


def fit_matched(
    encoder: FrozenEncoder,
    features: npt.NDArray[np.float32],
    side: npt.NDArray[np.int8],
    patients: npt.NDArray[np.int64],
    seed: int,
    matched: Matched | None,
) -> Fitted:
    """Fit the probe of N against U, with their weights or within their strata where they have any.

    Args:
        encoder: Whose blocks the features are put together of.
        features: (n, V, d) of N, then U.
        side: (n,) 0 for N, 1 for U, −1 only to rate it.
        patients: (n,) a number a patient.
        seed: Of the folds.
        matched: How N and U, and the test images after them, are matched.
    """
    from amae_engine.method.unlabeled_probe import fit_probe

    count = len(features)
    strata = matched.strata if matched is not None and matched.within else None
    probe, rated = fit_probe(
        features,
        side,
        patients,
        seed,
        encoder.groups,
        encoder.map_group,
        weights=None if matched is None else matched.weights[:count],
        strata=None if strata is None else strata[:count],
    )
    return Fitted(probe, rated, None if strata is None else strata[count:])


class _Counted(NamedTuple):
    """Ids of images, and what each counts."""

    ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]


def _save(path: Path, probe: Probe, maps: ProbeMaps) -> None:
    """Write a probe, and what its maps are made of."""
    arrays = {
        "direction": probe.direction,
        "offset": probe.offset,
        "stratum_offset": probe.stratum_offset,
        "map_direction": maps.direction,
        "normal_shares": maps.normal_shares,
        "weights": maps.weights,
    }
    write_arrays(path, arrays)


def has_probe(project: Project, stage1: int) -> bool:
    """Whether a stage-1 run tells U from N, and so has a map of it."""
    return (project.run_folder(stage1) / _PROBE_FILE).is_file()


def load_probe(project: Project, stage1: int) -> Probe | None:
    """A run's probe; None where it has none, or did not note what it takes off in each stratum."""
    from amae_engine.method.unlabeled_probe import Probe

    path = project.run_folder(stage1) / _PROBE_FILE
    if not path.is_file():
        return None
    with np.load(path) as stored:
        off = stored.get("stratum_offset", np.zeros(1, dtype=np.float32))
        if "stratum_offset" not in stored:  # a run of 0.1
            matched = read_matching(project.run_folder(stage1))
            if matched is not None and matched.within:
                return None
        return Probe(stored["direction"], float(stored["offset"]), stored["map_direction"], off)


def load_probe_maps(project: Project, stage1: int) -> ProbeMaps:
    """What the maps of a run's probe are made of."""
    from amae_engine.method.unlabeled_probe import ProbeMaps

    with np.load(project.run_folder(stage1) / _PROBE_FILE) as stored:
        return ProbeMaps(stored["map_direction"], stored["normal_shares"], stored["weights"])


def _probe_maps(
    kept: KeptTokens,
    probe: Probe,
    normal: _Counted,
    unlabeled: npt.NDArray[np.int64],
    grid: int,
) -> ProbeMaps:
    """From the patches' shares of the score in some of the images, by their ids."""
    from amae_engine.method.unlabeled_probe import ProbeMaps

    shares = []
    some = slice(None, None, -(-len(normal.ids) // _IMAGES) or 1)
    for ids in (normal.ids[some], unlabeled[:: -(-len(unlabeled) // _IMAGES) or 1]):
        places = kept.places(ids)
        parts = [
            kept.read(places[start : start + _AT_ONCE]).astype(np.float32) @ probe.map_direction
            for start in range(0, len(places), _AT_ONCE)
        ]
        shares.append(np.concatenate(parts).reshape(-1, grid, grid))
    return ProbeMaps.fit(probe.map_direction, shares[0], shares[1], normal.counts[some])
