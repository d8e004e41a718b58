"""Part of stage 1: the probe of normal against unlabeled images, its scores and its file."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import decisions, scores, studies
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import Precision, ScoreKind, Stage1Config
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.run_record import RunRecord
from amae_engine.method.pseudo_labels import mixture_posterior
from amae_engine.project import Project

if TYPE_CHECKING:
    from torch import Tensor

    from amae_engine.method.unlabeled_probe import Probe
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

PROBE_FILE = "probe.npz"
_USUAL_IMAGES = 256
_SIDES = {Label.NORMAL: 0, Label.EXCLUDE: -1}


def rate_by_probe(
    project: Project,
    record: RunRecord,
    network: MaskedAutoencoder,
    config: Stage1Config,
    tables: dict[Split, studies.ImageTable],
    features: dict[Split, Tensor],
) -> Generator[Event, None, None]:
    """Tell U from N in the same features; scores of every image, and what its maps need.

    Unlabeled images that a reader called normal count as normal, excluded ones are only rated.
    """
    from amae_engine.method.unlabeled_probe import FEWEST_UNLABELED, fit_probe

    normal, unlabeled = tables[Split.NORMAL], tables[Split.UNLABELED]
    if len(unlabeled.ids) < FEWEST_UNLABELED:
        yield Notice(
            f"The score '{ScoreKind.UNLABELED_PROBE.label}' needs at least {FEWEST_UNLABELED} "
            f"unlabeled images; there are {len(unlabeled.ids)}, so this run does not have it."
        )
        return
    yield Progress("Stage 1 · normal against unlabeled", 0, 1)
    arrays = {split: values.cpu().numpy() for split, values in features.items()}
    with project.session() as session:
        decided = decisions.current(session)
    by_reader = [_SIDES.get(decided.get(int(i), Label.NONE), 1) for i in unlabeled.ids]
    probe, rated = fit_probe(
        np.concatenate((arrays[Split.NORMAL], arrays[Split.UNLABELED])),
        np.array([0] * len(normal.ids) + by_reader, dtype=np.int8),
        np.concatenate((normal.patient_ids, unlabeled.patient_ids)),
        config.training.seed,
    )
    found = {
        Split.NORMAL: rated[: len(normal.ids)],
        Split.UNLABELED: rated[len(normal.ids) :],
        Split.TEST: probe(arrays[Split.TEST]),
    }
    with project.session() as session:
        for split, table in tables.items():
            scores.save(session, record.id, ScoreKind.UNLABELED_PROBE, table.ids, found[split])
    _save(
        record.folder / PROBE_FILE,
        probe,
        _usual(project, network, probe, normal.store_rows, config.training.precision),
    )
    _, share = mixture_posterior(found[Split.NORMAL], found[Split.UNLABELED])
    yield Notice(
        f"By '{ScoreKind.UNLABELED_PROBE.label}', about {100 * share:.0f} % of the "
        f"{len(unlabeled.ids)} unlabeled images are unlike the {len(normal.ids)} normal ones."
    )


def _save(path: Path, probe: Probe, usual: npt.NDArray[np.float32]) -> None:
    """Write a probe and what is usual at each patch of a normal image (g, g)."""
    beside = path.with_suffix(".part.npz")
    np.savez(beside, direction=probe.direction, offset=probe.offset, usual=usual)
    beside.replace(path)


def load_probe(path: Path) -> tuple[Probe, npt.NDArray[np.float32]]:
    """A probe, and what is usual at each patch of a normal image (g, g)."""
    from amae_engine.method.unlabeled_probe import Probe

    with np.load(path) as stored:
        return Probe(stored["direction"], float(stored["offset"])), stored["usual"]


def _usual(
    project: Project,
    network: MaskedAutoencoder,
    probe: Probe,
    rows: npt.NDArray[np.int64],
    precision: Precision,
) -> npt.NDArray[np.float32]:
    """The mean of what each patch adds to the score (g, g), over some of the normal images."""
    from amae_engine.jobs.image_access import images_of
    from amae_engine.method.features import BATCH, whole_images
    from amae_engine.method.stored_images import split_rows
    from amae_engine.method.unlabeled_probe import token_scores

    some = rows[:: -(-len(rows) // _USUAL_IMAGES)]
    images = images_of(project, some, next(network.parameters()).device)
    parts = [
        token_scores(network, probe, whole_images(batch, network.config.image_size), precision)
        for batch in images.batches(split_rows(len(some), BATCH))
    ]
    usual: npt.NDArray[np.float32] = np.concatenate([p.cpu().numpy() for p in parts]).mean(axis=0)
    return usual
