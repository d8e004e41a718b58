"""Decode films on every core, a bounded number of them ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from amae_engine.images.decode import StoredFilm, read_for_store
from amae_engine.images.film import Refusal

T = TypeVar("T")
BATCH = 64  # films that are handed over at once


def decode_ahead(
    items: Iterable[T], path_of: Callable[[T], Path], side: int
) -> Iterator[list[tuple[T, StoredFilm | Refusal]]]:
    """Decoded films in the order given, in batches; at most two batches are in memory."""
    with ThreadPoolExecutor() as pool:
        ahead: list[tuple[T, Future[StoredFilm | Refusal]]] = []
        queue = iter(items)
        while True:
            for item in queue:
                ahead.append((item, pool.submit(_decode, path_of(item), side)))
                if len(ahead) >= 2 * BATCH:
                    break
            if not ahead:
                return
            ready, ahead = ahead[:BATCH], ahead[BATCH:]
            yield [(item, future.result()) for item, future in ready]


def _decode(path: Path, side: int) -> StoredFilm | Refusal:
    try:
        return read_for_store(path, side)
    except Refusal as refusal:
        return refusal
    except (OSError, MemoryError) as error:
        return Refusal(f"it cannot be read ({error}).")
