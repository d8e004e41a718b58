"""Originals near the one that is read: decoded off the event thread, kept within a bound."""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from functools import partial
from itertools import chain

from PySide6.QtCore import QObject, Qt, Signal, Slot

from amae_engine.jobs.curation.original_images import OriginalImage, OriginalReader, OriginalState
from amae_engine.project import Project

_log = logging.getLogger(__name__)
_MOST_BYTES = 256 << 20
_AT_ONCE = 2  # what is wanted now never waits behind one that is only likely to be


class OriginalCache(QObject):
    """Originals by image id.

    Args:
        project: Whose images.

    Signals:
        came(image id, original): one that was asked for, on the event thread.
    """

    came = Signal(int, object)
    _read = Signal(int, object)

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = OriginalReader(project)
        self._kept: OrderedDict[int, OriginalImage] = OrderedDict()
        self._wanted: dict[str, list[int]] = {}  # by who reads, the latest last
        self._at_work: set[int] = set()
        self._read.connect(self._on_read, Qt.ConnectionType.QueuedConnection)

    def has(self, image_id: int) -> bool:
        """Whether an image is there."""
        return image_id in self._kept

    @property
    def is_busy(self) -> bool:
        """Whether an original is being read."""
        return bool(self._at_work)

    @property
    def bytes(self) -> int:
        """Memory of what is kept."""
        return sum(image.bytes for image in self._kept.values())

    def get(self, image_id: int, likely: list[int], reader: str = "") -> OriginalImage | None:
        """An original that is there; else `came` follows.

        Args:
            image_id: What is read now.
            likely: What may be read next; decoded after it, where there is room.
            reader: The page that reads: what it wanted before is no longer wanted, what others
                want comes after it.
        """
        found = self._kept.get(image_id)
        for needed in (*reversed(likely), image_id):  # these are dropped last
            if needed in self._kept:
                self._kept.move_to_end(needed)
        self._wanted.pop(reader, None)
        self._wanted[reader] = [i for i in (image_id, *likely) if i not in self._kept]
        self._start()
        return found

    def clear(self) -> None:
        """Drop everything."""
        self._wanted.clear()
        self._kept.clear()

    def forget_missing(self) -> None:
        """Look again for originals that could not be shown: they may have been found."""
        for image_id, image in list(self._kept.items()):
            if image.state is not OriginalState.SHOWN:
                del self._kept[image_id]

    def close(self) -> None:
        """Wait for what is being read."""
        self._wanted.clear()
        self._reader.close()

    def _start(self) -> None:
        wanted = chain.from_iterable(reversed(self._wanted.values()))
        for place, image_id in enumerate(wanted):
            is_first = place == 0
            if image_id in self._at_work:
                continue
            if len(self._at_work) >= (_AT_ONCE if is_first else _AT_ONCE - 1):
                return
            self._at_work.add(image_id)
            future = self._reader.read(image_id)
            future.add_done_callback(partial(self._done, image_id))

    def _done(self, image_id: int, future: Future[OriginalImage]) -> None:
        """On the reader's thread."""
        try:
            answer = future.result()
        except CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - the stored image stays, and says why
            _log.exception("An original could not be read")
            message = f"The original cannot be shown ({type(error).__name__})."
            answer = OriginalImage(OriginalState.UNREADABLE, message)
        self._read.emit(image_id, answer)

    @Slot(int, object)
    def _on_read(self, image_id: int, image: OriginalImage) -> None:
        self._at_work.discard(image_id)
        self._kept[image_id] = image
        for each in self._wanted.values():
            if image_id in each:
                each.remove(image_id)
        while self.bytes > _MOST_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        self.came.emit(image_id, image)
        self._start()
