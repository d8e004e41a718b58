"""The tokens that stage 1 computed, kept in its run: stage 2 and the maps need no encoder again.

In `runs/NNN/tokens`: a float16 array (n, T, d), its SHA-256, and the image ids in its order.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from amae_engine.errors import NotReady, ProjectError

Tokens = npt.NDArray[np.float16]
Ids = npt.NDArray[np.int64]

_DIGEST = "tokens.sha256"
_HEADROOM = 1 << 28  # bytes that stay free beside the tokens


class TokenWriter:
    """Streams tokens to disk; at the end of its `with` come the ids, if all is well.

    Args:
        run_folder: Of the stage-1 run.
        image_ids: (n,) of all images, in the order in which their tokens will come.
        shape: (T, d) of one image.

    Raises:
        ProjectError: The disk does not hold them.
    """

    def __init__(self, run_folder: Path, image_ids: Ids, shape: tuple[int, int]) -> None:
        self._folder, self._ids, self._shape = run_folder / "tokens", image_ids, shape
        needed = len(image_ids) * 2 * shape[0] * shape[1]
        free = shutil.disk_usage(run_folder).free
        if needed + _HEADROOM > free:
            raise ProjectError(_full(len(image_ids), needed, free))

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        (self._folder / "image_ids.npy").unlink(missing_ok=True)
        self._file: BinaryIO = (self._folder / "tokens.npy").open("wb")
        header = {
            "descr": "<f2",
            "fortran_order": False,
            "shape": (len(self._ids), *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
        self._digest = hashlib.sha256()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._file.close()
        if kind is None:
            (self._folder / _DIGEST).write_text(self._digest.hexdigest(), encoding="ascii")
            np.save(self._folder / "image_ids.npy", self._ids)
        else:
            shutil.rmtree(self._folder)  # half of them serve nobody, and the disk may be full

    def write(self, tokens: Tokens) -> None:
        """Write the tokens (B, T, d) of the next images.

        Raises:
            ProjectError: The disk is full.
        """
        content = np.ascontiguousarray(tokens).tobytes()
        self._digest.update(content)
        try:
            self._file.write(content)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            free = shutil.disk_usage(self._folder).free
            raise ProjectError(
                _full(len(self._ids), 2 * len(self._ids) * tokens[0].size, free)
            ) from error


class KeptTokens:
    """The tokens of a stage-1 run, by image id.

    Args:
        run_folder: Of the stage-1 run.

    Attributes:
        digest_file: Holds the SHA-256 of them all.
        shape: (T, d) of one image.

    Raises:
        NotReady: The run has none: AMAE 0.1 kept none.
    """

    def __init__(self, run_folder: Path) -> None:
        folder = run_folder / "tokens"
        if not (folder / "image_ids.npy").is_file():
            raise NotReady(
                f"Stage 1, run {run_folder.name}, has kept no tokens, which these modules learn "
                f"from; run stage 1 again, or let them learn pixels (--set reconstructs=pixels)."
            )
        self._path, self.digest_file = folder / "tokens.npy", folder / _DIGEST
        ids = np.load(folder / "image_ids.npy")
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]
        with self._path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
        self.shape: tuple[int, int] = (shape[1], shape[2])

    def places(self, image_ids: Ids) -> npt.NDArray[np.int64]:
        """Where each image's tokens are (n,); −1 for an image that came after stage 1."""
        found = np.searchsorted(self._ids, image_ids).clip(max=max(len(self._ids) - 1, 0))
        if not len(self._ids):
            return np.full(len(image_ids), -1)
        return np.where(self._ids[found] == image_ids, self._order[found], -1)

    def read(self, places: npt.NDArray[np.int64]) -> Tokens:
        """The tokens (B, T, d) at `places` (B,).

        They are read, not mapped into memory: where a mapped file is cut, the system ends the
        process in place of raising an error.

        Raises:
            ProjectError: The file is shorter than it says.
        """
        tokens = np.empty((len(places), *self.shape), dtype=np.float16)
        with self._path.open("rb") as file:
            for one, place in zip(tokens, places.tolist(), strict=True):
                file.seek(self._start + place * one.nbytes)
                if file.readinto(one.data.cast("B")) != one.nbytes:
                    raise ProjectError(
                        f"{self._path.parent.name}/{self._path.name} of run "
                        f"{self._path.parent.parent.name} was cut; run stage 1 again."
                    )
        return tokens


def _full(images: int, needed: int, free: int) -> str:
    return (
        f"The tokens of {images} images need {needed / 1e9:.1f} GB on the project's disk, where "
        f"{free / 1e9:.1f} GB are free; free space, or take an encoder with fewer patches (preset "
        f"'compact')."
    )
