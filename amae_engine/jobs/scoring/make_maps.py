"""Scores and maps of a batch of images: of modules over pixels, over tokens, and of the probe.

And the maps of a run that kept none, when they are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind
from amae_engine.config import (
    Precision,
    Reconstructs,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
)
from amae_engine.errors import NotReady
from amae_engine.events import Changed, Changes, Event, Progress
from amae_engine.jobs.pseudo_labels.unlabeled_scores import has_probe, load_probe_maps
from amae_engine.jobs.scoring.stage1_detector import ENCODED_AT_ONCE, Scores
from amae_engine.jobs.training.image_access import images_of
from amae_engine.jobs.training.stage2_modules import BASIS_FILE
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, frozen_encoder
from amae_engine.jobs.training.train_stage2 import network_files
from amae_engine.method.compute_device import choose_device, random_generator
from amae_engine.method.discrepancy import compare_modules, compare_patches
from amae_engine.method.features import encode_for_maps, whole_images
from amae_engine.method.image_batches import to_grey
from amae_engine.method.masking import scoring_masks
from amae_engine.method.memory import equal_parts, images_at_once, in_parts
from amae_engine.method.stored_images import split_rows
from amae_engine.method.token_maps import half_patch_views, smooth_map
from amae_engine.method.token_modules import TokenBasis
from amae_engine.method.unlabeled_probe import ProbeMaps
from amae_engine.models.checkpoint import load_weights
from amae_engine.models.encoders import FrozenEncoder
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.project import Project
from amae_engine.runs.inputs import RunInputs, read_inputs
from amae_engine.runs.map_files import MEANS, keep_made, makes_maps_on_demand, mapped_images

_CELL_SIDE = 8  # pixels of the probe's map to a token, where no module has a size of its own


@dataclass(frozen=True, slots=True)
class Made:
    """Of a batch: scores (B,) by kind, and maps (B, H, W) by name."""

    scores: Scores
    maps: dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class FrozenPart:
    """What scoring needs of stage 1: its encoder, and its probe's maps where it has a probe."""

    encoder: FrozenEncoder
    probe: ProbeMaps | None
    precision: Precision

    @classmethod
    def of_run(
        cls, project: Project, stage1: int, precision: Precision, device: torch.device
    ) -> Self:
        """That of a stage-1 run.

        Raises:
            BadWeights: The run's weights are missing.
        """
        folder = project.run_folder(stage1)
        with project.session() as session:
            settings = Stage1Config.from_dict(runs.get(session, stage1).config)
        encoder = frozen_encoder(project, settings, folder / WEIGHTS_FILE).to(device)
        probe = load_probe_maps(project, stage1) if has_probe(project, stage1) else None
        return cls(encoder, probe, precision)

    def tokens(self, stored: Tensor, whole: Tensor | None = None) -> Tensor:
        """Tokens of whole images, and with a probe of their shifted views: (B, 1 or 4, T, d).

        Args:
            stored: (B, S, S) uint8.
            whole: (B, T, d) those of the whole images, where they are known.
        """
        images = whole_images(stored, self.encoder.image_size)
        views = images[:, None]
        if self.probe is not None:
            views = half_patch_views(images, self.encoder.image_size // self.encoder.grid)
        known = [] if whole is None else [whole[:, None]]
        views = views[:, len(known) :]
        if views.shape[1]:
            found = encode_for_maps(self.encoder, views.flatten(0, 1), self.precision)
            known.append(found.unflatten(0, views.shape[:2]))
        return torch.cat(known, dim=1)

    def probe_map(self, tokens: Tensor, size: int) -> dict[str, Tensor]:
        """The probe's map (B, size, size) of tokens by its name; nothing without a probe."""
        if self.probe is None:
            return {}
        return {ScoreKind.UNLABELED_PROBE.value: self.probe.of(tokens, size)}


class MapMaker(ABC):
    """The networks of a score run, over batches of stored images.

    Attributes:
        kinds: The scores that it makes.
        at_once: How many images to give to the networks together.
    """

    kinds: tuple[ScoreKind, ...] = ()
    at_once: int

    def make(self, stored: Tensor, at_once: int, whole: Tensor | None = None) -> Made:
        """Scores and maps of images, exactly `at_once` of them at a time: to the bit as alone.

        Args:
            stored: (B, S, S) uint8.
            at_once: Images that go through together.
            whole: (B, T, d) the encoder's tokens for maps of the whole images, where they are known.
        """
        found: list[tuple[Scores, dict[str, Tensor]]] = []
        for start, (part, count) in enumerate(equal_parts(stored, at_once)):
            known = None
            if whole is not None:
                known = next(equal_parts(whole[start * at_once :], at_once))[0]
            made, drawn = self._part(part, known)
            own = {kind: values[:count] for kind, values in made.items()}
            found.append((own, {name: each[:count] for name, each in drawn.items()}))
        scores, maps = zip(*found, strict=True)
        return Made(
            {kind: np.concatenate([each[kind] for each in scores]) for kind in scores[0]},
            {n: torch.cat([each[n] for each in maps]).float().cpu().numpy() for n in maps[0]},
        )

    @abstractmethod
    def _part(self, stored: Tensor, whole: Tensor | None) -> tuple[Scores, dict[str, Tensor]]:
        """Scores, and maps (B, H, W), of images that go through together."""


class ProbeAlone(MapMaker):
    """Without stage 2: the map of stage 1's probe; no score, since stage 1 has given these."""

    at_once = ENCODED_AT_ONCE

    def __init__(self, frozen: FrozenPart) -> None:
        self._frozen, self._size = frozen, _CELL_SIDE * frozen.encoder.grid

    def _part(self, stored: Tensor, whole: Tensor | None) -> tuple[Scores, dict[str, Tensor]]:
        return {}, self._frozen.probe_map(self._frozen.tokens(stored, whole), self._size)


class ModuleMaps(MapMaker):
    """Two modules, compared under the same masks."""

    kinds = (ScoreKind.DISCREPANCY, ScoreKind.LIKELIHOOD_RATIO)

    def __init__(
        self, module_a: MaskedAutoencoder, module_b: MaskedAutoencoder, config: ScoreConfig
    ) -> None:
        self._a, self._b, self._config = module_a, module_b, config
        network = module_a.config
        device = next(module_a.parameters()).device
        self._size = network.image_size
        self.at_once = images_at_once(network, config.masks_per_image, device)
        self._masks = scoring_masks(
            config.masks_per_image,
            network.patches,
            config.mask_ratio,
            config.mask_plan,
            random_generator(device, config.seed),
        )


class PixelMaps(ModuleMaps):
    """Modules that reconstruct pixels; the paper's."""

    def __init__(
        self,
        module_a: MaskedAutoencoder,
        module_b: MaskedAutoencoder,
        config: ScoreConfig,
        frozen: FrozenPart | None,
    ) -> None:
        super().__init__(module_a, module_b, config)
        self._frozen = frozen

    def _part(self, stored: Tensor, whole: Tensor | None) -> tuple[Scores, dict[str, Tensor]]:
        images = whole_images(stored, self._size)
        settings = (self._masks, self._config.precision, self._config.masked_only)
        found = compare_modules(self._a, self._b, images, *settings)
        maps: dict[str, Tensor] = {kind.value: getattr(found, kind) for kind in self.kinds}
        scores = {kind: _means(maps[kind]) for kind in self.kinds}
        maps["spread"] = found.spread
        for name in MEANS:
            maps[name] = to_grey(getattr(found, name)).clamp(0, 1)
        if self._frozen is not None and self._frozen.probe is not None:
            maps |= self._frozen.probe_map(self._frozen.tokens(stored, whole), self._size)
        return scores, maps


class TokenMaps(ModuleMaps):
    """Modules that reconstruct tokens of stage 1's encoder: they have no mean reconstructions."""

    def __init__(
        self,
        module_a: MaskedAutoencoder,
        module_b: MaskedAutoencoder,
        config: ScoreConfig,
        frozen: FrozenPart,
        basis: TokenBasis,
    ) -> None:
        super().__init__(module_a, module_b, config)
        self._frozen, self._basis = frozen, basis
        self.at_once = min(self.at_once, ENCODED_AT_ONCE)

    def _part(self, stored: Tensor, whole: Tensor | None) -> tuple[Scores, dict[str, Tensor]]:
        tokens = self._frozen.tokens(stored, whole)
        numbers = self._basis.project(tokens[:, 0].cpu().numpy())  # (B, T, k)
        patches = torch.from_numpy(numbers).to(tokens.device).float()
        settings = (self._masks, self._config.precision, self._config.masked_only)
        found = compare_patches(self._a, self._b, patches, *settings)
        scores: Scores = {}
        maps: dict[str, Tensor] = {}
        grid = self._a.grid
        for kind in self.kinds:
            cells = getattr(found, kind).mean(dim=2).unflatten(1, (grid, grid))
            scores[kind] = _means(cells)
            maps[kind.value] = smooth_map(cells, self._size, grid)
        spread = found.spread.mean(dim=2).unflatten(1, (grid, grid))
        maps["spread"] = smooth_map(spread, self._size, grid)
        return scores, maps | self._frozen.probe_map(tokens, self._size)


def map_maker(
    project: Project, config: ScoreConfig, inputs: RunInputs, device: torch.device
) -> MapMaker:
    """What makes the scores and maps of a score run.

    Raises:
        BadWeights: The networks are not those that the run began with, or are missing.
    """
    files = network_files(project, config)
    inputs.require_weights(files)
    if config.without_stage2:
        return ProbeAlone(FrozenPart.of_run(project, config.stage1_run, config.precision, device))
    networks = [load_weights(path).network.to(device).eval() for path in files.values()]
    with project.session() as session:
        row = runs.get(session, config.stage2_run)
    stage1 = row.parent_id or 0
    basis = None
    if Stage2Config.from_dict(row.config).reconstructs is Reconstructs.TOKENS:
        basis = TokenBasis.load(project.run_folder(config.stage2_run) / BASIS_FILE)
    frozen = None
    if basis is not None or has_probe(project, stage1):
        frozen = FrozenPart.of_run(project, stage1, config.precision, device)
    return module_maps(networks, config, frozen, basis)


def module_maps(
    modules: Sequence[MaskedAutoencoder],
    config: ScoreConfig,
    frozen: FrozenPart | None,
    basis: TokenBasis | None,
) -> ModuleMaps:
    """Modules A and B compared: over tokens where there is a basis of them, else over pixels.

    Args:
        modules: A, then B.
        config: Of the score run.
        frozen: What stage 1 brings; None where modules over pixels have no map of its probe.
        basis: Of the tokens.
    """
    if basis is not None and frozen is not None:
        return TokenMaps(modules[0], modules[1], config, frozen, basis)
    return PixelMaps(modules[0], modules[1], config, frozen)


def make_maps_of(
    project: Project, run_id: int, image_ids: Sequence[int]
) -> Generator[Event, None, int]:
    """Make the maps of some images of a run that kept none, and keep these.

    They are those whose means the run scored.

    Args:
        project: Where the run is.
        run_id: A score run with `keep_maps` off.
        image_ids: Of images that it scored; those whose maps are there are left out.

    Returns:
        How many images got maps.

    Raises:
        NotReady: The run keeps all its maps, or has scored none of the images.
        BadWeights: The modules have changed or are missing.
    """
    with project.session() as session:
        row = runs.get(session, run_id)
    if row.kind is not RunKind.SCORE or not makes_maps_on_demand(project, run_id):
        raise NotReady(f"Run {run_id} makes no maps on demand: it keeps all that it has.")
    config, inputs = ScoreConfig.from_dict(row.config), read_inputs(project.run_folder(run_id))
    ids, rows = inputs.in_order(config.splits)
    is_wanted = np.isin(ids, np.asarray(image_ids, dtype=np.int64))
    if not is_wanted.any():
        raise NotReady(f"Run {run_id} has scored none of these images.")
    is_wanted &= ~np.isin(ids, mapped_images(project, run_id))
    ids, rows = ids[is_wanted], rows[is_wanted]
    yield Progress("Making maps", 0, len(ids))
    if len(ids):
        device = choose_device(config.device)
        maker = map_maker(project, config, inputs, device)
        batches = split_rows(len(ids), config.batch_size)
        at_once, done = min(maker.at_once, config.batch_size), 0
        for batch in images_of(project, rows, device).batches(batches):
            made, at_once = in_parts(partial(maker.make, batch), at_once)
            for place in range(len(batch)):
                maps = {name: values[place] for name, values in made.maps.items()}
                keep_made(project, run_id, int(ids[done + place]), maps)
            done += len(batch)
            yield Progress("Making maps", done, len(ids))
    yield Changes(Changed.SCORES)
    return len(ids)


def _means(maps: Tensor) -> npt.NDArray[np.float64]:
    """The mean (B,) of each map (B, H, W)."""
    means: npt.NDArray[np.float64] = maps.float().cpu().numpy().astype(np.float64).mean(axis=(1, 2))
    return means
