"""What readers call the places that images came from; the catalog holds numbers alone.

A label is free text, and often a file's name: it can name a patient. So it stays in the project's
`private` folder, and the catalog, its audit and what is shared say "source 3".
"""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock

from amae_engine.atomic_write import atomic_write
from amae_engine.errors import ProjectError

_FILE = "sources.json"
_NUMBERED = "source "
_LONGEST = 64  # characters of a label


class SourceNames:
    """Labels by their code.

    Args:
        private: The project's private folder.
        mode: The rights of its files.
    """

    def __init__(self, private: Path, mode: int = 0o600) -> None:
        self._path, self._mode = private / _FILE, mode
        self._seen: tuple[int, int] = (-1, -1)
        self._labels: dict[str, str] = {}

    def labels(self) -> dict[str, str]:
        """Every code's label; another process may have added some.

        Raises:
            ProjectError: The file is damaged.
        """
        if not self._path.is_file():
            return {}
        facts = self._path.stat()
        seen = (facts.st_size, facts.st_mtime_ns)
        if seen != self._seen:
            self._labels, self._seen = self._read(), seen
        return self._labels

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise ProjectError(
                "private/sources.json is damaged; restore it, or delete it: sources are then called by "
                "their numbers."
            )
        return found

    def label(self, code: str) -> str:
        """What readers call a source; its code where the private folder was left out."""
        return self.labels().get(code, code)

    def code(self, label: str) -> str:
        """The code of a label, a new one where it is new."""
        wanted = label.strip()[:_LONGEST]
        found = self._code_of(wanted)
        if found:
            return found
        with FileLock(self._path.with_suffix(".lock"), mode=self._mode):
            found = self._code_of(wanted)
            return found or self._add(wanted)

    def _code_of(self, label: str) -> str:
        return next((code for code, known in self.labels().items() if known == label), "")

    def _add(self, label: str) -> str:
        labels = dict(self.labels())
        code = f"{_NUMBERED}{len(labels) + 1}"
        with atomic_write(self._path, 0o600) as unfinished:
            unfinished.write_text(json.dumps({**labels, code: label}, indent=1), encoding="utf-8")
            unfinished.chmod(self._mode)  # whatever the process's own mask takes away
        return code
