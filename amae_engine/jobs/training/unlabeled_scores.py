"""Normal against unlabeled: the probe's scores of every image, and its file.

It is fitted in the run that has the frozen features, stage 1's, but is no part of stage 1.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import scores
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import Precision, ScoreKind, Stage1Config
from amae_engine.events import Event, Notice, Progress
from amae_engine.method.pseudo_labels import mixture_log_odds
from amae_engine.project import Project
from amae_engine.runs.record import RunRecord

if TYPE_CHECKING:
    from torch import Tensor

    from amae_engine.method.unlabeled_probe import Probe
    from amae_engine.models.encoders import FrozenEncoder

PROBE_FILE = "probe.npz"
STEP = ScoreKind.UNLABELED_PROBE.label
_NORMAL_IMAGES = 256  # over which the mean of each patch's share is taken
_SIDES = {Label.NORMAL: 0, Label.EXCLUDE: -1}


def rate_against_unlabeled(
    project: Project,
    record: RunRecord,
    encoder: FrozenEncoder,
    config: Stage1Config,
    features: dict[str, Tensor],
) -> Generator[Event, None, None]:
    """Tell U from N in the same features; scores of every image, and what its maps need.

    Unlabeled images that a reader called normal count as normal, excluded ones are only rated.
    """
    from amae_engine.method.unlabeled_probe import FEWEST_UNLABELED, fit_probe

    images = record.inputs.images
    normal, unlabeled = images[Split.NORMAL], images[Split.UNLABELED]
    if len(unlabeled) < FEWEST_UNLABELED:
        yield Notice(
            f"The score '{STEP}' needs at least {FEWEST_UNLABELED} unlabeled images; there are "
            f"{len(unlabeled)}, so this run does not have it."
        )
        return
    yield Progress(STEP, 0, 1)
    arrays = {split: values.cpu().numpy() for split, values in features.items()}
    decided = record.inputs.decisions
    by_reader = [_SIDES.get(decided.get(i, Label.NONE), 1) for i in unlabeled.ids.tolist()]
    probe, rated = fit_probe(
        np.concatenate((arrays[Split.NORMAL], arrays[Split.UNLABELED])),
        np.array([0] * len(normal) + by_reader, dtype=np.int8),
        np.concatenate((normal.patient_ids, unlabeled.patient_ids)),
        config.training.seed,
        encoder.groups,
        encoder.map_group,
    )
    found = {
        Split.NORMAL: rated[: len(normal)],
        Split.UNLABELED: rated[len(normal) :],
        Split.TEST: probe(arrays[Split.TEST]),
    }
    with project.session() as session:
        for split, values in found.items():
            scores.save(session, record.id, ScoreKind.UNLABELED_PROBE, images[split].ids, values)
    _save(
        record.folder / PROBE_FILE,
        probe,
        _normal_shares(project, encoder, probe, normal.store_rows, config.training.precision),
    )
    _, share = mixture_log_odds(found[Split.NORMAL], found[Split.UNLABELED])
    yield Notice(
        f"By '{STEP}', about {100 * share:.0f} % of the {len(unlabeled)} unlabeled images are "
        f"unlike the {len(normal)} normal ones."
    )


def _save(path: Path, probe: Probe, normal_shares: npt.NDArray[np.float32]) -> None:
    """Write a probe, and each patch's mean share of a normal image's score (g, g)."""
    beside = path.with_suffix(".part.npz")
    np.savez(
        beside,
        direction=probe.direction,
        offset=probe.offset,
        map_direction=probe.map_direction,
        normal_shares=normal_shares,
    )
    beside.replace(path)


def load_probe(path: Path) -> tuple[Probe, npt.NDArray[np.float32]]:
    """A probe, and each patch's mean share of a normal image's score (g, g)."""
    from amae_engine.method.unlabeled_probe import Probe

    with np.load(path) as stored:
        shares = stored["normal_shares"] if "normal_shares" in stored else stored["usual"]
        direction = stored["direction"]
        of_map = stored.get("map_direction", direction)  # AMAE 0.1 had one direction
        return Probe(direction, float(stored["offset"]), of_map), shares


def _normal_shares(
    project: Project,
    encoder: FrozenEncoder,
    probe: Probe,
    rows: npt.NDArray[np.int64],
    precision: Precision,
) -> npt.NDArray[np.float32]:
    """The mean of each patch's share of the score (g, g), over some of the normal images."""
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.features import BATCH, whole_images
    from amae_engine.method.stored_images import split_rows
    from amae_engine.method.unlabeled_probe import token_scores

    some = rows[:: -(-len(rows) // _NORMAL_IMAGES)]
    images = images_of(project, some, next(encoder.parameters()).device)
    parts = [
        token_scores(encoder, probe, whole_images(batch, encoder.image_size), precision)
        for batch in images.batches(split_rows(len(some), BATCH))
    ]
    mean: npt.NDArray[np.float32] = np.concatenate([p.cpu().numpy() for p in parts]).mean(axis=0)
    return mean
