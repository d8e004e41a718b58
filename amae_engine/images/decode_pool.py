"""Decode many files on every core, in the order given; one bad file never stops the others.

Pictures go through threads. DICOM goes through processes: its decoders hold Python's lock, and one
that crashes on a broken file takes only its own process along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from amae_engine.images.decode import IncomingImage, read_for_store
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.picture import SUFFIXES
from amae_engine.worker_pool import worker_pool

_AHEAD = 128  # files decoded before they are asked for
_PER_WORKER = 8  # files that pay for starting another process

Decoded = IncomingImage | Refusal


def decode_all(paths: Sequence[Path], side: int, at_once: int = 0) -> Iterator[Decoded]:
    """The image of each path at the store's `side`, or why there is none; in the order given.

    Closing the iterator ends its processes.

    Args:
        paths: The files.
        side: Of the images, pixels.
        at_once: Files that are decoded at the same time; 0 is one a core.
    """
    dicom = sum(not _is_picture(path) for path in paths)
    cores = at_once or os.cpu_count() or 1
    workers = max(1, min(cores, -(-dicom // _PER_WORKER)))
    with ThreadPoolExecutor(cores) as threads, _Processes(workers) as processes:
        ahead: list[tuple[Path, Future[Decoded]]] = []
        waiting = iter(paths)
        while True:
            for path in waiting:
                if _is_picture(path):
                    ahead.append((path, threads.submit(decode, path, side)))
                else:
                    ahead.append((path, processes.submit(path, side)))
                if len(ahead) >= _AHEAD:
                    break
            if not ahead:
                return
            path, future = ahead.pop(0)
            try:
                yield future.result()
            except BrokenProcessPool:
                yield processes.decode_alone(path, side)
                lost = [place for place, (other, _) in enumerate(ahead) if not _is_picture(other)]
                for place in lost:
                    again = ahead[place][0]
                    ahead[place] = (again, processes.submit(again, side))


def decode(path: Path, side: int) -> Decoded:
    """One file; a refusal is returned, not raised."""
    try:
        return read_for_store(path, side)
    except Refusal as refusal:
        return refusal
    except (OSError, MemoryError) as error:
        return Refusal(f"it cannot be read ({error}).")


class _Processes:
    """A pool of processes that starts with its first file, and anew after a crash."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def submit(self, path: Path, side: int) -> Future[Decoded]:
        if self._pool is None:
            self._pool = worker_pool(self._workers)
        try:
            return self._pool.submit(decode, path, side)
        except BrokenProcessPool as error:
            broken: Future[Decoded] = Future()
            broken.set_exception(error)
            return broken

    def decode_alone(self, path: Path, side: int) -> Decoded:
        """Decode the file that may have ended a process, in a process of its own."""
        self._end()
        with worker_pool(1) as alone:
            try:
                return alone.submit(decode, path, side).result()
            except BrokenProcessPool:
                return Refusal("its pixels are broken in a way that crashes their decoder.")

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
