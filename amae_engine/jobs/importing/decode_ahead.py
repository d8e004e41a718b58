"""Decoded images in batches, beside what they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from amae_engine.images.decode_pool import Decoded, decode_all

T = TypeVar("T")
BATCH = 64  # images that are handed over at once


def decode_ahead(
    items: Sequence[T], path_of: Callable[[T], Path], side: int, at_once: int = 0
) -> Iterator[list[tuple[T, Decoded]]]:
    """Images of items, or why there is none, in the order given; `at_once` as in `decode_all`."""
    images = decode_all([path_of(item) for item in items], side, at_once)
    for start in range(0, len(items), BATCH):
        yield list(zip(items[start : start + BATCH], images, strict=False))
