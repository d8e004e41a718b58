"""The original file of an image at its full depth, read off the event thread."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from amae_engine.catalog import image_keys
from amae_engine.images.decode import pixel_digest, read_full_depth
from amae_engine.images.decoded_image import Refusal, Spacing
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.picture import SUFFIXES
from amae_engine.images.windowing import GreyScale
from amae_engine.project import Project
from amae_engine.worker_pool import worker_pool

__all__ = ["GreyScale", "OriginalImage", "OriginalReader", "OriginalState", "Spacing"]


class OriginalState(StrEnum):
    """Whether an image's original can be shown."""

    SHOWN = "shown"
    GONE = "gone"
    CHANGED = "changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class OriginalImage:
    """An original, or why the stored image stands in for it.

    Attributes:
        grey: Its pixels at full depth, None where they cannot be shown.
        message: What the reader should know; "" where all is well.
        sides: Which side of the patient is at the left and right edge, "" where unknown.
    """

    state: OriginalState
    message: str = ""
    grey: GreyScale | None = None
    spacing: Spacing | None = None
    sides: tuple[str, str] = ("", "")

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        if self.grey is None:
            return 0
        tables = sum(window.numbers.nbytes for window in self.grey.windows)
        return self.grey.codes.nbytes + self.grey.values.nbytes + tables


class OriginalReader:
    """Reads originals: pictures in a thread, DICOM in a process, as its decoders hold Python's lock.

    Args:
        project: Whose images.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="originals")
        self._processes: ProcessPoolExecutor | None = None

    def read(self, image_id: int) -> Future[OriginalImage]:
        """Begin to read an image's original."""
        return self._threads.submit(self._read, image_id)

    def close(self) -> None:
        """Drop what waits, and end the process."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._end_process()

    def _read(self, image_id: int) -> OriginalImage:
        path = self._project.original_path(image_id)
        if path is None:
            return OriginalImage(
                OriginalState.GONE,
                "The original file has moved or is gone; this is the stored image.",
            )
        with self._project.session() as session:
            stored = image_keys.of_images(session, [image_id])[0].pixel_hash
        try:
            found, digest = self._decoded(path)
        except Refusal as refusal:
            return OriginalImage(
                OriginalState.UNREADABLE,
                f"The original cannot be shown: {refusal} This is the stored image.",
            )
        if keyed_hash(self._project.key, "pixels", digest) != stored:
            return OriginalImage(
                OriginalState.CHANGED,
                "The original file has changed since it was imported, so it is not shown; this is "
                "the stored image.",
            )
        return found

    def _decoded(self, path: Path) -> tuple[OriginalImage, str]:
        if path.suffix.lower() in SUFFIXES:
            return _decode(path)
        if self._processes is None:
            self._processes = worker_pool(1)
        try:
            return self._processes.submit(_decode, path).result()
        except BrokenProcessPool as error:
            self._end_process()
            raise Refusal("its pixels are broken in a way that crashes their decoder.") from error

    def _end_process(self) -> None:
        if self._processes is not None:
            self._processes.shutdown(wait=True, cancel_futures=True)
            self._processes = None


def _decode(path: Path) -> tuple[OriginalImage, str]:
    """The image of a file, and the digest that it was imported under."""
    image, grey = read_full_depth(path)
    shown = OriginalImage(OriginalState.SHOWN, "", grey, image.spacing, image.sides)
    return shown, pixel_digest(image.pixels)
