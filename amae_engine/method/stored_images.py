"""A step's images: resident on the device where they fit, else read ahead while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

_RESIDENT_SHARE = 0.5  # of the free memory, at most, for images
_READ_AT_ONCE = 256  # images
_AHEAD = 2  # batches read before they are asked for

FIRST = torch.zeros(1, dtype=torch.long)  # the row of the image that previews show
Read = Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]


class StoredImages:
    """Images (n, S, S) uint8, or their tokens (n, T, d) float16, taken in batches of rows.

    Args:
        read: Copies rows (B,) of the images from their store: (B, S, S).
        count: n.
        device: Where the batches are wanted.
        resident: Keep all images on the device; None where they fit into half of what is free.
    """

    def __init__(
        self, read: Read, count: int, device: torch.device, resident: bool | None = None
    ) -> None:
        self._read, self._count, self.device = read, count, device
        first = read(np.zeros(min(count, 1), dtype=np.int64))
        self.side = first.shape[-1] if count else 0
        if resident is None:
            resident = count * first.nbytes <= _RESIDENT_SHARE * free_bytes(device)
        self._kept: Tensor | None = None
        if resident:
            self._kept = self._all(first)

    @classmethod
    def of(cls, stored: Tensor) -> StoredImages:
        """Images that are on a device already."""
        made = cls(_no_store, 0, stored.device, resident=False)
        made._kept, made._count, made.side = stored, len(stored), stored.shape[-1]
        return made

    def __len__(self) -> int:
        """The number of images."""
        return self._count

    @property
    def resident(self) -> bool:
        """Whether every image is on the device."""
        return self._kept is not None

    def batches(self, rows: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images (B, S, S) of each batch of rows (B,), on the device."""
        if self._kept is not None:
            for batch in rows:
                yield self._kept[batch.to(self.device)]
            return
        with ThreadPoolExecutor(1) as reader:
            queue = iter(rows)
            ahead: list[Future[Tensor]] = []
            while True:
                for batch in queue:
                    ahead.append(reader.submit(self._fetch, batch))
                    if len(ahead) > _AHEAD:
                        break
                if not ahead:
                    return
                yield ahead.pop(0).result().to(self.device, non_blocking=True)

    def take(self, rows: Tensor) -> Tensor:
        """The images (B, S, S) of one batch of rows."""
        return next(self.batches([rows]))

    def _all(self, first: npt.NDArray[Any]) -> Tensor:
        """Every image on the device, read in pieces: a reader may need several times their size."""
        kept = torch.empty((self._count, *first.shape[1:]), dtype=torch.from_numpy(first).dtype)
        for rows in split_rows(self._count, _READ_AT_ONCE):
            kept[rows] = torch.from_numpy(self._read(rows.numpy()))
        return kept.to(self.device)

    def _fetch(self, rows: Tensor) -> Tensor:
        stored = torch.from_numpy(self._read(rows.cpu().numpy()))
        return stored.pin_memory() if self.device.type == "cuda" else stored


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device now; on the host with what its file cache would give up."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _no_store(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    if len(rows) == 0:
        return np.zeros((0, 0, 0), dtype=np.uint8)
    raise ValueError("These images are on their device; there is no store to read them from.")


def split_rows(count: int, size: int) -> list[Tensor]:
    """All rows 0…count in order, in batches of `size`."""
    return [rows for rows in torch.arange(count).split(size) if len(rows)]
