"""Score as a job: maps and image-level scores of the test images (Eq. 4)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import scores, studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreConfig, ScoreKind
from amae_engine.errors import BadSetting, TooFewImages
from amae_engine.evaluation.grey_statistics import grey_distance, grey_features
from amae_engine.events import Event, Notice, Progress
from amae_engine.jobs.run_record import RunRecord, newest_finished
from amae_engine.jobs.stage1_probe import PROBE_FILE, load_probe
from amae_engine.jobs.starting_weights import WEIGHTS_FILE
from amae_engine.jobs.train_stage2 import module_file
from amae_engine.project import Project

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from amae_engine.method.discrepancy import BatchMaps
    from amae_engine.models.masked_autoencoder import MaskedAutoencoder

_MAPS = ("discrepancy", "likelihood_ratio", "mean_a", "mean_b", "spread")
_PROBE_MAP = str(ScoreKind.UNLABELED_PROBE)
_FROM_STAGE1 = (
    ScoreKind.STAGE1_PROBABILITY,
    ScoreKind.MAHALANOBIS,
    ScoreKind.UNLABELED_PROBE,
)
_SCALE_PERCENTILE = 99.5  # of all pixels of all maps: the overlay's common upper end
_SAMPLED_PIXELS = 2_000_000
_IMAGES_AT_ONCE = 256  # in memory, for the baseline


@dataclass(frozen=True, slots=True)
class ImageMaps:
    """Maps (H, W) float32 of one image; μA and μB in grey values 0…1, the others standardised.

    Attributes:
        scale: Upper end of the overlay for each map with a score, shared by all images of the run.
        unlabeled_probe: Each patch's share of the probe's score, against what is usual there in
            normal images; None where stage 1 has no probe.
    """

    discrepancy: npt.NDArray[np.float32]
    likelihood_ratio: npt.NDArray[np.float32]
    mean_a: npt.NDArray[np.float32]
    mean_b: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    scale: dict[str, float]
    unlabeled_probe: npt.NDArray[np.float32] | None = None


def score_images(project: Project, config: ScoreConfig) -> Generator[Event, None, int]:
    """Compare the two modules on every image of the chosen splits, and store scores and maps.

    Returns:
        The run's number.

    Raises:
        NotReady: Stage 2 has not run yet.
        TooFewImages: The chosen splits have no image.
    """
    parent = newest_finished(project, RunKind.STAGE2, config.stage2_run, "Scoring")
    config = config.replace(stage2_run=parent.id)
    table = _images(project, config)
    if len(table.ids) == 0:
        raise TooFewImages(
            f"There is no image to score in {', '.join(config.splits)}; import images with the role "
            f"'test'."
        )
    record = RunRecord(project, RunKind.SCORE, config, parent.id, 0)
    stage1 = parent.parent_id or 0
    yield from record.follow("Scoring", _score(project, config, table, record, stage1))
    return record.id


def load_image_maps(project: Project, run_id: int, image_id: int) -> ImageMaps | None:
    """The maps of one image in a score run, or None where the run does not have it."""
    folder = project.run_folder(run_id) / "maps"
    if not (folder / "facts.json").is_file():
        return None
    ids = np.load(folder / "image_ids.npy")
    place = int(np.searchsorted(ids, image_id))
    if place >= len(ids) or ids[place] != image_id:
        return None
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    maps = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")[place].astype(np.float32)
        for name in (*_MAPS, _PROBE_MAP)
        if (folder / f"{name}.npy").is_file()
    }
    return ImageMaps(**maps, scale=facts["scale"])


def _images(project: Project, config: ScoreConfig) -> studies.ImageTable:
    for split in config.splits:
        if split not in list(Split):
            raise BadSetting(f"splits must be of {', '.join(Split)}; one is '{split}'.")
    with project.session() as session:
        tables = [studies.images_in(session, Split(split)) for split in config.splits]
    order = np.argsort(np.concatenate([t.ids for t in tables]))
    names = [name for t in tables for name in t.names]
    return studies.ImageTable(
        ids=np.concatenate([t.ids for t in tables])[order],
        store_rows=np.concatenate([t.store_rows for t in tables])[order],
        truth=np.concatenate([t.truth for t in tables])[order],
        names=tuple(names[i] for i in order),
        patient_ids=np.concatenate([t.patient_ids for t in tables])[order],
    )


def _score(
    project: Project,
    config: ScoreConfig,
    table: studies.ImageTable,
    record: RunRecord,
    stage1_run: int,
) -> Generator[Event, None, None]:
    import torch

    from amae_engine.jobs.image_access import images_of
    from amae_engine.method.compute_device import choose_device, random_generator
    from amae_engine.method.discrepancy import compare_modules, joined_maps
    from amae_engine.method.features import whole_images
    from amae_engine.method.masking import scoring_masks
    from amae_engine.method.memory import even_parts, images_at_once, in_parts
    from amae_engine.method.stored_images import split_rows

    device = choose_device(config.device)
    modules = [_load_module(project, config.stage2_run, m).to(device).eval() for m in "AB"]
    size, patches = modules[0].config.image_size, modules[0].config.patches
    random = random_generator(device, config.seed)
    masks = scoring_masks(
        config.masks_per_image, patches, config.mask_ratio, config.mask_plan, random
    )

    def compared(images: Tensor, at_once: int) -> BatchMaps:
        parts = (whole_images(images[p], size) for p in even_parts(len(images), at_once))
        settings = (masks, config.precision, config.masked_only)
        return joined_maps([compare_modules(modules[0], modules[1], p, *settings) for p in parts])

    probe_map = _probe_map(project, stage1_run, config, device)
    names = _MAPS if probe_map is None else (*_MAPS, _PROBE_MAP)
    writer = _MapWriter(record.folder / "maps", names, table.ids, size)
    of_modules = (ScoreKind.DISCREPANCY, ScoreKind.LIKELIHOOD_RATIO)
    values = {kind: np.zeros(len(table.ids)) for kind in of_modules}
    batches = split_rows(len(table.ids), config.batch_size)
    images = images_of(project, table.store_rows, device).batches(batches)
    at_once = images_at_once(modules[0].config, config.masks_per_image, device)
    at_once = min(at_once, config.batch_size)
    start, began = 0, time.monotonic()
    for batch in images:
        maps, at_once = in_parts(partial(compared, batch), at_once)
        end = start + len(batch)
        for kind in of_modules:
            values[kind][start:end] = _mean(getattr(maps, kind))
        named = {name: getattr(maps, name) for name in _MAPS}
        if probe_map is not None:
            named[_PROBE_MAP] = torch.cat(
                [probe_map(whole_images(batch[p], size)) for p in even_parts(len(batch), at_once)]
            )
        writer.write(named)
        start = end
        rate = end / (time.monotonic() - began)
        yield Progress("Scoring", end, len(table.ids), rate, (len(table.ids) - end) / rate)
    writer.close()
    values[ScoreKind.GREY_STATISTICS] = yield from _grey(project, table)
    missing = _store(project, record.id, table, values, stage1_run)
    if missing:
        yield Notice(
            f"{missing} images came after stage 1 and have no stage-1 score; run stage 1 again to "
            f"rate them."
        )


def _grey(
    project: Project, table: studies.ImageTable
) -> Generator[Event, None, npt.NDArray[np.float64]]:
    """The trivial baseline's distance of every image, read in pieces."""
    with project.session() as session:
        normals = studies.images_in(session, Split.NORMAL)
    statistics = []
    for rows in (normals.store_rows, table.store_rows):
        parts = [np.zeros((0, 11))]
        for start in range(0, len(rows), _IMAGES_AT_ONCE):
            yield Progress("Scoring · grey statistics", start, len(rows))
            parts.append(grey_features(project.pixels.read(rows[start : start + _IMAGES_AT_ONCE])))
        statistics.append(np.concatenate(parts))
    return grey_distance(*statistics)


def _load_module(project: Project, run_id: int, module: str) -> MaskedAutoencoder:
    from amae_engine.models.checkpoint import load_weights

    return load_weights(project.run_folder(run_id) / module_file(module)).network


def _probe_map(
    project: Project, stage1_run: int, config: ScoreConfig, device: torch.device
) -> Callable[[Tensor], Tensor] | None:
    """Images (B, 1, H, W) to the probe's maps (B, H, W); None where stage 1 has no probe."""
    import torch

    from amae_engine.method.unlabeled_probe import probe_maps, token_scores
    from amae_engine.models.checkpoint import load_weights

    folder = project.run_folder(stage1_run)
    if not (folder / PROBE_FILE).is_file():
        return None
    network = load_weights(folder / WEIGHTS_FILE).network.to(device)
    probe, usual = load_probe(folder / PROBE_FILE)
    normal = torch.from_numpy(usual).to(device)

    def maps(images: Tensor) -> Tensor:
        scores_of_patches = token_scores(network, probe, images, config.precision)
        return probe_maps(scores_of_patches, normal, images.shape[-1])

    return maps


def _mean(maps: Tensor) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = maps.double().mean(dim=(1, 2)).cpu().numpy()
    return result


class _MapWriter:
    """Streams maps to float16 arrays (n, H, W) on disk; the facts file is written last."""

    def __init__(
        self, folder: Path, names: Sequence[str], image_ids: npt.NDArray[np.int64], size: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        np.save(folder / "image_ids.npy", image_ids)
        shape = (len(image_ids), size, size)
        self._every = max(1, math.prod(shape) // _SAMPLED_PIXELS)
        self._samples: dict[str, list[npt.NDArray[np.float32]]] = {
            str(kind): [] for kind in ScoreKind if kind.has_map and kind in names
        }
        self._files = {name: _new_array(folder / f"{name}.npy", shape) for name in names}

    def write(self, maps: dict[str, Tensor]) -> None:
        """Write the next batch of maps (B, H, W), by name."""
        from amae_engine.method.image_batches import to_grey

        for name, file in self._files.items():
            values = maps[name]
            if name in ("mean_a", "mean_b"):
                values = to_grey(values).clamp(0, 1)
            array = values.half().cpu().numpy()
            file.write(array.tobytes())
            if name in self._samples:
                every = array.reshape(-1)[:: self._every]
                self._samples[name].append(np.abs(every.astype(np.float32)))

    def close(self) -> None:
        """Close the arrays, and note the common colour scale of every map."""
        for file in self._files.values():
            file.close()
        scale = {
            name: max(float(np.percentile(np.concatenate(parts), _SCALE_PERCENTILE)), 1e-6)
            for name, parts in self._samples.items()
        }
        facts = json.dumps({"scale": scale})
        (self._folder / "facts.json").write_text(facts, encoding="utf-8")


def _new_array(path: Path, shape: tuple[int, ...]) -> BinaryIO:
    """An NPY file of float16 values that are written in order; mapped pages would fill memory."""
    file = path.open("wb")
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file


def _store(
    project: Project,
    run_id: int,
    table: studies.ImageTable,
    values: dict[ScoreKind, npt.NDArray[np.float64]],
    stage1_run: int,
) -> int:
    """Save every kind of score under this run; returns how many images have no stage-1 score."""
    with project.session() as session:
        for kind in _FROM_STAGE1:
            values[kind] = scores.of_images(session, stage1_run, kind, table.ids)
    with project.session() as session:
        for kind, numbers in values.items():
            known = ~np.isnan(numbers)
            if known.any():
                scores.save(session, run_id, kind, table.ids[known], numbers[known])
    return int(np.isnan(values[ScoreKind.STAGE1_PROBABILITY]).sum())
