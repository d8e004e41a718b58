"""Score as a job: maps and image-level scores of the test images (Eq. 4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import MaskPlan, ScoreConfig, ScoreKind, Stage1Config
from amae_engine.errors import BadSetting, TooFewImages
from amae_engine.evaluation.grey_statistics import grey_distance, grey_features
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, frozen_encoder
from amae_engine.jobs.training.train_stage2 import module_file
from amae_engine.jobs.training.unlabeled_scores import PROBE_FILE, load_probe
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest
from amae_engine.runs.map_files import MEANS, MapWriter, maps_folder
from amae_engine.runs.record import NewRun, RunRecord, newest_finished, open_run

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

Values = npt.NDArray[np.float64]

_FROM_MODULES = (ScoreKind.DISCREPANCY, ScoreKind.LIKELIHOOD_RATIO)
_FROM_STAGE1 = (
    ScoreKind.STAGE1_PROBABILITY,
    ScoreKind.MAHALANOBIS,
    ScoreKind.UNLABELED_PROBE,
)
_MAPS = ("discrepancy", "likelihood_ratio", "mean_a", "mean_b", "spread")
_IMAGES_AT_ONCE = 256  # in memory, for the baseline
_MODULES = "AB"


def score_images(
    project: Project, config: ScoreConfig, repeats: int | None = None
) -> Generator[Event, None, int]:
    """Compare the two modules on every image of the chosen splits, and store scores and maps.

    Args:
        project: Whose images.
        config: Settings.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        NotReady: Stage 2 has not run yet.
        TooFewImages: The chosen splits have no image.
    """

    def new(recorded: RunInputs | None) -> NewRun:
        parent = newest_finished(project, RunKind.STAGE2, config.stage2_run, "Scoring")
        chosen = config.replace(stage2_run=parent.id)
        seen = recorded or score_inputs(project, chosen)
        return NewRun(chosen, seen, parent.id, 0, _notes(chosen))

    record = open_run(project, RunKind.SCORE, new, repeats=repeats)
    config = ScoreConfig.from_dict(record.config)
    yield from record.follow("Scoring", _score(project, config, record))
    return record.id


def score_inputs(project: Project, config: ScoreConfig) -> RunInputs:
    """What scoring would see now: the test images, N for the grey statistics, and the modules.

    Raises:
        TooFewImages: The chosen splits have no image.
    """
    for split in config.splits:
        if split not in list(Split):
            raise BadSetting(f"splits must be of {', '.join(Split)}; one is '{split}'.")
    wanted = dict.fromkeys((*config.splits, Split.NORMAL))
    with project.session() as session:
        tables = {split: image_tables.images_in(session, Split(split)) for split in wanted}
    if not any(len(tables[split].ids) for split in config.splits):
        raise TooFewImages(
            f"There is no image to score in {', '.join(config.splits)}; import images with the "
            f"role 'test'."
        )
    folder = project.run_folder(config.stage2_run)
    weights = {module: file_digest(folder / module_file(module)) for module in _MODULES}
    images = {str(split): InputImages.of(table) for split, table in tables.items()}
    return RunInputs(images, weights=weights)


def _notes(config: ScoreConfig) -> tuple[str, ...]:
    plan = "complementary" if config.mask_plan is MaskPlan.COMPLEMENTARY else "independent"
    return (
        f"One set of {config.masks_per_image} {plan} masks serves all images and both modules.",
    )


def _score(
    project: Project, config: ScoreConfig, record: RunRecord
) -> Generator[Event, None, None]:
    with project.session() as session:
        stage1_run = runs.get(session, config.stage2_run).parent_id or 0
    ids, rows = _in_order(record.inputs, config)
    values = yield from _compare(project, config, record, stage1_run, ids, rows)
    normal = record.inputs.images[Split.NORMAL]
    values[ScoreKind.GREY_STATISTICS] = yield from _grey(project, normal.store_rows, rows)
    missing = _store(project, record.id, ids, values, stage1_run)
    if missing:
        yield Notice(
            f"{missing} images came after stage 1 and have no stage-1 score; run stage 1 again to "
            f"rate them."
        )


def _in_order(inputs: RunInputs, config: ScoreConfig) -> tuple[npt.NDArray[np.int64], ...]:
    """Ids and store rows of the images to score, by id."""
    chosen = [inputs.images[split] for split in config.splits]
    ids = np.concatenate([each.ids for each in chosen])
    rows = np.concatenate([each.store_rows for each in chosen])
    order = np.argsort(ids)
    return ids[order], rows[order]


def _compare(
    project: Project,
    config: ScoreConfig,
    record: RunRecord,
    stage1_run: int,
    ids: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Generator[Event, None, dict[ScoreKind, Values]]:
    """The scores (n,) that come from the modules; every map is written on the way."""
    from amae_engine.jobs.training.image_access import images_of
    from amae_engine.method.compute_device import choose_device
    from amae_engine.method.memory import in_parts
    from amae_engine.method.stored_images import split_rows

    device = choose_device(config.device)
    modules = _modules(project, config, record, device)
    size = modules[0].config.image_size
    maker = _MapMaker(modules, config, _probe_map(project, stage1_run, config, size, device))
    values = {kind: np.zeros(len(ids)) for kind in _FROM_MODULES}
    batches = split_rows(len(ids), config.batch_size)
    at_once, start, began = maker.at_once, 0, time.monotonic()
    with MapWriter(maps_folder(project, record.id), ids) as writer:
        for batch in images_of(project, rows, device).batches(batches):
            maps, at_once = in_parts(partial(maker.maps, batch), at_once)
            end = start + len(batch)
            for kind in _FROM_MODULES:
                values[kind][start:end] = maps[kind].astype(np.float64).mean(axis=(1, 2))
            writer.write(maps)
            start = end
            rate = end / (time.monotonic() - began)
            yield Progress("Scoring", end, len(ids), rate, (len(ids) - end) / rate)
    return values


def _modules(
    project: Project, config: ScoreConfig, record: RunRecord, device: torch.device
) -> list[MaskedAutoencoder]:
    from amae_engine.models.checkpoint import load_weights

    folder = project.run_folder(config.stage2_run)
    files = {module: folder / module_file(module) for module in _MODULES}
    record.inputs.require_weights(files)
    return [load_weights(path).network.to(device).eval() for path in files.values()]


class _MapMaker:
    """Every map of a batch of stored images, by name."""

    def __init__(
        self,
        modules: list[MaskedAutoencoder],
        config: ScoreConfig,
        probe_map: Callable[[Tensor], Tensor] | None,
    ) -> None:
        from amae_engine.method.compute_device import random_generator
        from amae_engine.method.masking import scoring_masks
        from amae_engine.method.memory import images_at_once

        self._modules, self._config, self._probe_map = modules, config, probe_map
        network = modules[0].config
        device = next(modules[0].parameters()).device
        self._size = network.image_size
        self._masks = scoring_masks(
            config.masks_per_image,
            network.patches,
            config.mask_ratio,
            config.mask_plan,
            random_generator(device, config.seed),
        )
        self.at_once = min(
            images_at_once(network, config.masks_per_image, device), config.batch_size
        )

    def maps(self, stored: Tensor, at_once: int) -> dict[str, npt.NDArray[np.float32]]:
        """Maps (B, H, W) of images (B, S, S) uint8, `at_once` of them at a time."""
        import torch

        from amae_engine.method.memory import even_parts

        parts = [self._part(stored[p]) for p in even_parts(len(stored), at_once)]
        return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

    def _part(self, stored: Tensor) -> dict[str, Tensor]:
        from amae_engine.method.discrepancy import compare_modules
        from amae_engine.method.features import whole_images
        from amae_engine.method.image_batches import to_grey

        images = whole_images(stored, self._size)
        settings = (self._masks, self._config.precision, self._config.masked_only)
        found = compare_modules(self._modules[0], self._modules[1], images, *settings)
        maps: dict[str, Tensor] = {name: getattr(found, name) for name in _MAPS}
        for name in MEANS:
            maps[name] = to_grey(maps[name]).clamp(0, 1)
        if self._probe_map is not None:
            maps[ScoreKind.UNLABELED_PROBE.value] = self._probe_map(stored)
        return {name: values.float() for name, values in maps.items()}


def _probe_map(
    project: Project, stage1_run: int, config: ScoreConfig, size: int, device: torch.device
) -> Callable[[Tensor], Tensor] | None:
    """Stored images (B, S, S) to the probe's maps (B, size, size); None without a probe."""
    import torch

    from amae_engine.method.features import whole_images
    from amae_engine.method.unlabeled_probe import probe_maps, token_scores

    folder = project.run_folder(stage1_run)
    if not (folder / PROBE_FILE).is_file():
        return None
    with project.session() as session:
        settings = Stage1Config.from_dict(runs.get(session, stage1_run).config)
    encoder = frozen_encoder(settings, folder / WEIGHTS_FILE).to(device)
    probe, normal_shares = load_probe(folder / PROBE_FILE)
    normal = torch.from_numpy(normal_shares).to(device)

    def maps(stored: Tensor) -> Tensor:
        images = whole_images(stored, encoder.image_size)
        shares = token_scores(encoder, probe, images, config.precision)
        return probe_maps(shares, normal, size)

    return maps


def _grey(
    project: Project, normal_rows: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> Generator[Event, None, Values]:
    """The trivial baseline's distance of every image, read in pieces."""
    statistics = []
    for chosen in (normal_rows, rows):
        parts = [np.zeros((0, 11))]
        for start in range(0, len(chosen), _IMAGES_AT_ONCE):
            yield Progress("Scoring · grey statistics", start, len(chosen))
            piece = chosen[start : start + _IMAGES_AT_ONCE]
            parts.append(grey_features(project.pixels.read(piece)))
        statistics.append(np.concatenate(parts))
    return grey_distance(*statistics)


def _store(
    project: Project,
    run_id: int,
    ids: npt.NDArray[np.int64],
    values: dict[ScoreKind, Values],
    stage1_run: int,
) -> int:
    """Save every kind of score under this run; returns how many images stage 1 did not rate."""
    with project.session() as session:
        rated = {kind: scores.of_images(session, stage1_run, kind, ids) for kind in _FROM_STAGE1}
        for kind, numbers in values.items():
            scores.save(session, run_id, kind, ids, numbers)
        for kind, numbers in rated.items():
            known = ~np.isnan(numbers)  # NaN: the run has no such score of this image
            scores.save(session, run_id, kind, ids[known], numbers[known])
    return int(np.isnan(rated[ScoreKind.STAGE1_PROBABILITY]).sum())
