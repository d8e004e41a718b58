"""Decoded images in batches, next to what they belong to; by several machines where they are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from amae_engine import processes
from amae_engine.images.decode_pool import Decoded, decode_all

T = TypeVar("T")
BATCH = 64  # images that are handed over at once
_TOLD = 1 << 16  # files that are sent to the other processes at once


def decode_ahead(
    items: Sequence[T], path_of: Callable[[T], Path], side: int, at_once: int = 0
) -> Iterator[list[tuple[T, Decoded]]]:
    """Images of items, or why there is none, in the order given; `at_once` as in `decode_all`.

    Where several processes are joined, rank zero asks, and the others `help_decode`.
    """
    for reported in range(0, len(items), _TOLD):
        some = items[reported : reported + _TOLD]
        images = _decode_shared([path_of(item) for item in some], side, at_once)
        for start in range(0, len(some), BATCH):
            yield list(zip(some[start : start + BATCH], images, strict=False))


def help_decode(at_once: int = 0) -> None:
    """Decode what rank zero asks for, until it is done."""
    while asked := processes.broadcast(None):
        paths, side = asked
        for _ in _decode_share(paths, side, at_once):
            pass


def end_help() -> None:
    """Let the processes go that help."""
    processes.broadcast(None)


def _decode_shared(paths: list[Path], side: int, at_once: int) -> Iterator[Decoded]:
    """The images of all paths, in rank zero."""
    if processes.world_size() == 1:
        yield from decode_all(paths, side, at_once)
        return
    processes.broadcast((paths, side))
    for batches in _decode_share(paths, side, at_once):
        for batch in batches:
            yield from batch


def _decode_share(paths: list[Path], side: int, at_once: int) -> Iterator[list[list[Decoded]]]:
    """Decode every so many of the batches; rank zero gathers one of each process, by rank."""
    each, rank = processes.world_size(), processes.rank()
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    mine = batches[rank::each]
    images = decode_all([path for batch in mine for path in batch], side, at_once)
    for first in range(0, len(batches), each):
        is_mine = first + rank < len(batches)
        own = list(islice(images, len(batches[first + rank]))) if is_mine else []
        yield processes.gather(own)
