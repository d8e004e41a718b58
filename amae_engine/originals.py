"""Where each image's original file lies: a journal a machine, readable on any disk.

The paths can name a patient, so they stay in the project's `private` folder. SQLite cannot be
trusted on a network folder, where several machines share a project; here each machine appends to a
file of its own, and whoever reads takes the newest line of all.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

_JOURNALS = "paths"


class Originals:
    """The originals' places, by image id.

    Args:
        private: The project's private folder.
    """

    def __init__(self, private: Path) -> None:
        self._folder = private / _JOURNALS
        host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]
        self._own = self._folder / f"{host}.jsonl"
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._paths: dict[int, Path] = {}

    def remember(self, paths: Mapping[int, Path]) -> None:
        """Note where originals lie now."""
        self._append([(image_id, str(path.resolve())) for image_id, path in paths.items()])

    def forget(self, image_ids: Iterable[int]) -> None:
        """Drop the places of images that left the project."""
        self._append([(image_id, None) for image_id in image_ids])

    def path(self, image_id: int) -> Path | None:
        """Where an image's original was last; it may have moved since."""
        return self._all().get(image_id)

    def missing(self) -> dict[int, Path]:
        """The places of originals that are no longer there, by image id."""
        return {i: path for i, path in sorted(self._all().items()) if not path.is_file()}

    def _append(self, entries: list[tuple[int, str | None]]) -> None:
        if not entries:
            return
        now = time.time()
        lines = "".join(json.dumps([i, path, now]) + "\n" for i, path in entries)
        self._folder.mkdir(parents=True, exist_ok=True)
        # one write at the end of the file: two processes of this machine do not mix their lines
        file = os.open(self._own, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            content = (b"" if _ends_whole(self._own) else b"\n") + lines.encode()
            while content:
                content = content[os.write(file, content) :]
        finally:
            os.close(file)

    def _all(self) -> dict[int, Path]:
        files = sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []
        seen = tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
        if seen != self._seen:
            self._paths, self._seen = self._read(files), seen
        return self._paths

    def _read(self, files: list[Path]) -> dict[int, Path]:
        newest: dict[int, tuple[float, str | None]] = {}
        for file in files:
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    if not line.endswith("]\n"):
                        continue  # cut short by a crash
                    image_id, path, at = json.loads(line)
                    if at >= newest.get(image_id, (0.0, None))[0]:
                        newest[image_id] = (at, path)
        return {i: Path(path) for i, (_, path) in newest.items() if path is not None}


def _ends_whole(journal: Path) -> bool:
    """Whether the last line is whole; a crash can cut it short."""
    with journal.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
