"""Lung masks of a project's images: found once, kept beside the pixels."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.events import Event, Notice, Progress
from amae_engine.method import processes
from amae_engine.method.pace import Pace
from amae_engine.project import Project

if TYPE_CHECKING:
    import torch

    from amae_engine.method.stored_images import StoredImages

NORMAL_CACHE = "lungs.npz"  # of N, which stage 1 needs each time
_MASKS_AT_ONCE = 256
_TRIED = 3  # the first of them also pays for what is loaded


def lungs_of(
    project: Project,
    rows: npt.NDArray[np.int64],
    side: int,
    device: torch.device,
    step: str,
    cache_name: str = NORMAL_CACHE,
    following_seconds: float = 0.0,
) -> Generator[Event, None, StoredImages]:
    """Lung masks (n, side, side), 0 or 1, of the images in `rows`; from the cache or new.

    Args:
        project: Whose images.
        rows: (n,) rows of the pixel store.
        side: Of the masks, pixels.
        device: Where they are wanted.
        step: What needs them, for the reader.
        cache_name: Where they are kept, in the folder `pixels`; it holds one set of rows.
        following_seconds: What comes after it, for the time left.
    """
    from amae_engine.method.stored_images import StoredImages

    cache = project.folder / "pixels" / cache_name
    if processes.leads() and not _is_of(cache, rows):
        yield from _segment(project, rows, cache, step, following_seconds)
    processes.wait_for_all()
    with np.load(cache) as stored:
        masks: npt.NDArray[np.uint8] = stored["masks"]
    small = _at_side(masks, side)
    return StoredImages(
        lambda rows: np.unpackbits(small[rows], axis=-1, count=side), len(small), device
    )


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


def _segment(
    project: Project, rows: npt.NDArray[np.int64], cache: Path, step: str, following_seconds: float
) -> Generator[Event, None, None]:
    from amae_engine.synthesis.lung_mask import LungStep, lung_masks

    pace = Pace(len(rows), following_seconds=following_seconds)
    job = lung_masks(len(rows), project.pixels.side, lambda some: project.pixels.read(rows[some]))
    while True:
        try:
            done = next(job)
        except StopIteration as stop:
            found = stop.value
            break
        left = pace.seconds_left(done)
        yield Progress(f"{step} · finding lungs", done, len(rows), seconds_left=left)
    counts = {kind: found.count(kind) for kind in LungStep}
    yield Notice(
        f"Lungs: {counts[LungStep.SEGMENTED]} of {len(rows)} images segmented as in AnatPaste, "
        f"{counts[LungStep.SOFTER]} by a softer rule, {counts[LungStep.MEAN_OF_OTHERS]} took the "
        f"mean lung of the others, {counts[LungStep.STANDARD]} a standard shape."
    )
    beside = cache.with_suffix(".part.npz")
    np.savez(beside, rows=rows, masks=found.packed, steps=found.steps)
    beside.replace(cache)


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
