"""The tokens that stage 1 computed, kept in its run: stage 2 and the maps need no encoder again.

In `runs/NNN/tokens`: a float16 array (n, T, d), its SHA-256, and the image ids in its order.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from amae_engine.atomic_write import write_array, write_text
from amae_engine.errors import NotReady, ProjectError
from amae_engine.row_files import new_half_file, read_rows

Tokens = npt.NDArray[np.float16]
Ids = npt.NDArray[np.int64]

_TOKENS, _DIGEST, _IDS = "tokens.npy", "tokens.sha256", "image_ids.npy"
_HEADROOM = 1 << 28  # bytes that stay free besides the tokens


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
        self._needed = len(image_ids) * 2 * shape[0] * shape[1]
        if self._needed + _HEADROOM > shutil.disk_usage(run_folder).free:
            raise ProjectError(self._full())

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        (self._folder / _IDS).unlink(missing_ok=True)
        self._file = new_half_file(self._folder / _TOKENS, (len(self._ids), *self._shape))
        self._digest = hashlib.sha256()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            with self._full_disk_translated():
                self._file.close()
                if kind is None:
                    write_text(self._folder / _DIGEST, self._digest.hexdigest())
                    write_array(self._folder / _IDS, self._ids)
        finally:
            if not (self._folder / _IDS).is_file():
                shutil.rmtree(self._folder)  # half of them serve nobody

    def write(self, tokens: Tokens) -> None:
        """Write the tokens (B, T, d) of the next images.

        Raises:
            ProjectError: The disk is full.
        """
        content = np.ascontiguousarray(tokens).tobytes()
        self._digest.update(content)
        with self._full_disk_translated():
            self._file.write(content)

    @contextmanager
    def _full_disk_translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ProjectError(self._full()) from error

    def _full(self) -> str:
        free = shutil.disk_usage(self._folder.parent).free
        return (
            f"The tokens of {len(self._ids)} images need {self._needed / 1e9:.1f} GB on the "
            f"project's disk, where {free / 1e9:.1f} GB are free; free space, or take an encoder "
            f"with fewer patches (preset 'compact')."
        )


class KeptTokens:
    """The tokens of a stage-1 run, by image id.

    Args:
        run_folder: Of the stage-1 run.

    Attributes:
        digest_file: Holds the SHA-256 of them all.
        shape: (T, d) of one image.

    Raises:
        NotReady: The run has none.
    """

    def __init__(self, run_folder: Path) -> None:
        folder, self._run = run_folder / "tokens", int(run_folder.name)
        if not (folder / _IDS).is_file():
            raise NotReady(
                f"Stage 1, run {self._run}, has kept no tokens, which these modules learn "
                f"from; run stage 1 again, or let them learn pixels (--set reconstructs=pixels)."
            )
        self._path, self.digest_file = folder / _TOKENS, folder / _DIGEST
        ids = np.load(folder / _IDS)
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]
        with self._path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
        self.shape: tuple[int, int] = (shape[1], shape[2])

    def places(self, image_ids: Ids) -> npt.NDArray[np.int64]:
        """Where each image's tokens are (n,).

        Raises:
            NotReady: Some images came after stage 1.
        """
        found = np.searchsorted(self._ids, image_ids).clip(max=len(self._ids) - 1)
        missing = int((self._ids[found] != image_ids).sum())
        if missing:
            raise NotReady(
                f"{missing} of {len(image_ids)} images came after stage 1, run {self._run}, which "
                f"has no tokens of them; run stage 1 again."
            )
        return self._order[found]

    def read(self, places: npt.NDArray[np.int64]) -> Tokens:
        """The tokens (B, T, d) at `places` (B,).

        Raises:
            ProjectError: The file is shorter than it says.
        """
        tokens = np.empty((len(places), *self.shape), dtype=np.float16)
        if read_rows(self._path, self._start, places, tokens) < len(places):
            raise ProjectError(f"The tokens of run {self._run} were cut; run stage 1 again.")
        return tokens
