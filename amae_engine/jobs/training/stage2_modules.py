"""What the modules of stage 2 learn from, and for how long: pixels of images, or their tokens."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from amae_engine import processes
from amae_engine.atomic_write import write_text
from amae_engine.config import ModuleBLearns, Stage2Config
from amae_engine.events import Event
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
    PseudoLabelView,
)
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE
from amae_engine.method.pseudo_labels import PseudoLabel
from amae_engine.project import Project
from amae_engine.runs.inputs import RunInputs
from amae_engine.runs.record import RunRecord
from amae_engine.runs.token_files import KeptTokens

if TYPE_CHECKING:
    import torch

    from amae_engine.method.stage2 import Module
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

    # a fresh network, and the job that trains it
    Adapted = tuple[MaskedAutoencoder, Generator[Event, None, None]]

BASIS_FILE = "token_basis.npz"
_BASIS_IMAGES = 256  # normal ones, whose tokens it is fitted on
_UNSEEN_FILE = "unseen_images.json"
_MOST_UNSEEN = 64  # of them; forward only, a small part of an epoch
Rows = npt.NDArray[np.int64]


class ModuleImages(NamedTuple):
    """Images of one module; one may stand in several places."""

    ids: Rows
    store_rows: Rows


def plan_modules(config: Stage2Config, seen: RunInputs) -> dict[str, tuple[ModuleImages, int]]:
    """What each module learns from, and for how many epochs.

    Where pseudo-abnormal images have a share of what module B sees, they are repeated, and B's
    longer epochs are so many fewer: it makes as many steps as module A.
    """
    normal, pseudo, abnormal = (
        ModuleImages(seen.images[name].ids, seen.images[name].store_rows)
        for name in (NORMAL, PSEUDO_NORMAL, PSEUDO_ABNORMAL)
    )
    known, epochs = _together(normal, pseudo), config.training.epochs
    if config.module_b_learns is ModuleBLearns.ABNORMAL:
        return {"A": (known, epochs), "B": (abnormal, epochs)}
    share, repeats = config.abnormal_share, 1
    if share:
        count = len(abnormal.ids)
        repeats = max(1, round(len(known.ids) * share / (1 - share) / count))
    both = _together(known, *[abnormal] * repeats)
    of_b = epochs * len(known.ids) / len(both.ids) if share else epochs
    return {"A": (known, epochs), "B": (both, max(1, round(of_b)))}


def _together(*parts: ModuleImages) -> ModuleImages:
    return ModuleImages(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def keep_unseen(view: PseudoLabelView, folder: Path) -> None:
    """Note the unlabeled images that stand for what neither module learns from.

    Those that are not rated surely enough; both modules' validation curves are of them.
    """
    rows = np.flatnonzero(view.labels == PseudoLabel.UNUSED)
    rows = rows[:: -(-len(rows) // _MOST_UNSEEN) or 1]
    table = view.unlabeled
    found = {"ids": table.ids[rows].tolist(), "store_rows": table.store_rows[rows].tolist()}
    write_text(folder / _UNSEEN_FILE, json.dumps(found))


def unseen_images(folder: Path) -> ModuleImages | None:
    """What `keep_unseen` noted; None where every image has a pseudo-label, or nothing was noted."""
    path = folder / _UNSEEN_FILE
    if not path.is_file():
        return None
    noted = json.loads(path.read_text(encoding="utf-8"))
    found = ModuleImages(np.array(noted["ids"]), np.array(noted["store_rows"]))
    return found if len(found.ids) else None


class Learns(Protocol):
    """What the modules reconstruct: images as the loop reads them, a network, and its training."""

    def adapt(self, module: Module, images: ModuleImages, device: torch.device) -> Adapted:
        """A fresh network, and the job that trains it."""


class OverPixels:
    """Both modules start from (f0, g0) and reconstruct patches of images."""

    def __init__(self, project: Project, config: Stage2Config, record: RunRecord) -> None:
        self._project, self._unseen = project, unseen_images(record.folder)
        self._start = project.run_folder(config.stage1_run) / WEIGHTS_FILE

    def adapt(self, module: Module, images: ModuleImages, device: torch.device) -> Adapted:
        """See `Learns`."""
        from amae_engine.jobs.training.image_access import images_of
        from amae_engine.method.stage2 import adapt_module
        from amae_engine.models.checkpoint import load_weights

        network = load_weights(self._start).network.to(device)
        stored = images_of(self._project, images.store_rows, device)
        unseen = self._unseen and images_of(self._project, self._unseen.store_rows, device)
        return network, adapt_module(network, stored, module, unseen)


class OverTokens:
    """Both modules start from the same random network and reconstruct tokens of stage 1."""

    def __init__(self, project: Project, config: Stage2Config, record: RunRecord) -> None:
        from amae_engine.method.token_modules import TokenBasis

        self._kept = KeptTokens(project.run_folder(config.stage1_run))
        self._unseen = unseen_images(record.folder)
        path = record.folder / BASIS_FILE
        if path.is_file():  # a run that is resumed goes on in the same axes, on any machine
            self._basis = TokenBasis.load(path)
            return
        normal = record.inputs.images[NORMAL].ids
        some = self._kept.places(normal[:: -(-len(normal) // _BASIS_IMAGES)])
        self._basis = TokenBasis.fit(self._kept.read(some))
        if processes.is_rank_zero():
            self._basis.save(path)

    def adapt(self, module: Module, images: ModuleImages, device: torch.device) -> Adapted:
        """See `Learns`."""
        from amae_engine.method.stored_images import StoredImages
        from amae_engine.method.token_modules import adapt_token_module, token_network

        kept, basis = self._kept, self._basis
        grid = round(kept.shape[0] ** 0.5)
        network = token_network(grid, basis.axes.shape[1], module.config.training.seed).to(device)

        def tokens_of(some: ModuleImages) -> StoredImages:
            places = kept.places(some.ids)
            return StoredImages(
                lambda rows: basis.project(kept.read(places[rows])), len(places), device
            )

        unseen = self._unseen and tokens_of(self._unseen)
        return network, adapt_token_module(network, tokens_of(images), module, unseen)
