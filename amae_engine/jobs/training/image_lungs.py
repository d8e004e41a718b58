"""Lung masks of a project's images: found once, kept next to the pixels."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from amae_engine import processes
from amae_engine.atomic_write import write_arrays
from amae_engine.events import Event, Notice, Progress
from amae_engine.images.pixel_store import PixelStore
from amae_engine.pace import EtaEstimator
from amae_engine.project import Project
from amae_engine.worker_pool import worker_pool

if TYPE_CHECKING:
    import torch

    from amae_engine.method.stored_images import StoredImages
    from amae_engine.synthesis.lung_mask import LungMasks

NORMAL_CACHE = "lungs.npz"  # of N, which stage 1 needs each time
_MASKS_AT_ONCE = 256
_AT_ONCE = 20  # images that a worker looks at between two reports
_PER_WORKER = 100  # images that pay for starting a process
_TRIED = 3  # the first of them also pays for what is loaded


class LungSearch:
    """Finds the lungs of images in worker processes, while this one does something else.

    Use it in a `with`: its end stops what still runs.

    Args:
        project: Whose images.
        rows: (n,) rows of the pixel store.
        cache_name: Where the masks are kept, in the folder `pixels`; it holds one set of rows.
    """

    def __init__(
        self, project: Project, rows: npt.NDArray[np.int64], cache_name: str = NORMAL_CACHE
    ) -> None:
        self._pixels, self._rows = project.pixels, rows
        self._cache = project.folder / "pixels" / cache_name
        self._pool: ProcessPoolExecutor | None = None
        self._parts: list[Future[LungMasks]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self) -> None:
        """Begin, where the masks are not kept and there are enough images to pay for processes."""
        workers = min(os.cpu_count() or 1, len(self._rows) // _PER_WORKER)
        if workers < 2 or self._pool is not None or _is_of(self._cache, self._rows):
            return
        self._pool = worker_pool(workers)
        self._parts = [self._pool.submit(_lungs, self._pixels, some) for some in self._chunks()]

    def masks(
        self, side: int, device: torch.device, step: str, following_seconds: float = 0.0
    ) -> Generator[Event, None, StoredImages]:
        """The masks (n, side, side), 0 or 1; from the cache or new.

        Args:
            side: Of the masks, pixels.
            device: Where they are wanted.
            step: What needs them, for the reader.
            following_seconds: What comes after it, for the time left.
        """
        from amae_engine.method.stored_images import StoredImages

        if processes.is_rank_zero() and not _is_of(self._cache, self._rows):
            yield from self._find(step, following_seconds)
        processes.barrier()
        with np.load(self._cache) as stored:
            masks: npt.NDArray[np.uint8] = stored["masks"]
        small = _at_side(masks, side)
        return StoredImages(
            lambda rows: np.unpackbits(small[rows], axis=-1, count=side), len(small), device
        )

    def _chunks(self) -> list[npt.NDArray[np.int64]]:
        return [
            self._rows[start : start + _AT_ONCE] for start in range(0, len(self._rows), _AT_ONCE)
        ]

    def _part(self, number: int, rows: npt.NDArray[np.int64]) -> LungMasks:
        if self._parts:
            try:
                return self._parts[number].result()
            except BrokenProcessPool:
                self._parts = []  # a worker was killed: the rest is found here
        return _lungs(self._pixels, rows)

    def _find(self, step: str, following_seconds: float) -> Generator[Event, None, None]:
        from amae_engine.synthesis.lung_mask import LungStep, together

        self.start()
        total = len(self._rows)
        eta, parts, done = EtaEstimator(total, following_seconds=following_seconds), [], 0
        for number, rows in enumerate(self._chunks()):
            parts.append(self._part(number, rows))
            done += len(rows)
            left = eta.seconds_left(done)
            yield Progress(f"{step} · finding lungs", done, total, seconds_left=left)
        found = together(parts, self._pixels.side)
        counts = {kind: found.count(kind) for kind in LungStep}
        yield Notice(
            f"Lungs: {counts[LungStep.SEGMENTED]} of {total} images segmented as in AnatPaste, "
            f"{counts[LungStep.SOFTER]} by a softer rule, {counts[LungStep.MEAN_OF_OTHERS]} took "
            f"the mean lung of the others, {counts[LungStep.STANDARD]} a standard shape."
        )
        arrays = {"rows": self._rows, "masks": found.packed, "steps": found.steps}
        write_arrays(self._cache, arrays)


def lungs_of(
    project: Project,
    rows: npt.NDArray[np.int64],
    side: int,
    device: torch.device,
    step: str,
    cache_name: str,
) -> Generator[Event, None, StoredImages]:
    """Lung masks (n, side, side), 0 or 1, of the images in `rows`; as a `LungSearch` gives them."""
    with LungSearch(project, rows, cache_name) as search:
        masks = yield from search.masks(side, device, step)
    return masks


def lung_seconds(project: Project, rows: npt.NDArray[np.int64]) -> float:
    """How long stage 1's `lungs_of` will take, by a trial of a few images; 0 where they are kept."""
    from amae_engine.synthesis.lung_mask import segment_lungs

    if _is_of(project.folder / "pixels" / NORMAL_CACHE, rows) or len(rows) == 0:
        return 0.0
    images = project.pixels.read(rows[:_TRIED])
    began = time.monotonic()
    for image in images:
        segment_lungs(image)
    return (time.monotonic() - began) / len(images) * len(rows)


def _is_of(cache: Path, rows: npt.NDArray[np.int64]) -> bool:
    if not cache.is_file():
        return False
    with np.load(cache) as stored:
        return np.array_equal(stored["rows"], rows)


def _lungs(pixels: PixelStore, rows: npt.NDArray[np.int64]) -> LungMasks:
    from amae_engine.synthesis.lung_mask import lungs_alone

    return lungs_alone(pixels.read(rows))


def _at_side(masks: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Lung masks, eight pixels a byte, at another side."""
    import torch

    from amae_engine.method.stage1 import resize_lungs

    parts = [np.zeros((0, side, -(-side // 8)), dtype=np.uint8)]
    for start in range(0, len(masks), _MASKS_AT_ONCE):
        whole = np.unpackbits(masks[start : start + _MASKS_AT_ONCE], axis=-1)
        small = resize_lungs(torch.from_numpy(whole), side).numpy()
        parts.append(np.packbits(small, axis=-1))
    return np.concatenate(parts)
