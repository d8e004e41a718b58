"""The files that a finished run left, by digest: weights, scores' maps, settings, inputs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

FILES = "files.json"
_OWN = (FILES, "lease.lock")
_AT_ONCE = 1 << 22  # bytes


def write_digests(folder: Path) -> str:
    """Note the digest of every file of a finished run; returns that of the note itself."""
    found = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _OWN and path.suffix != ".part"
    }
    content = json.dumps(found, indent=1)
    beside = folder / f"{FILES}.part"
    beside.write_text(content, encoding="utf-8")
    beside.replace(folder / FILES)
    return hashlib.sha256(content.encode()).hexdigest()


def changed_files(folder: Path, expected: str) -> list[str]:
    """What is not as the run left it, as clauses.

    Args:
        folder: The run's.
        expected: The digest of its note, from the audit.
    """
    note = folder / FILES
    if not note.is_file():
        return [f"{FILES} is gone"]
    content = note.read_text(encoding="utf-8")
    if hashlib.sha256(content.encode()).hexdigest() != expected:
        return [f"{FILES} is not as it was written"]
    problems = []
    for name, digest in json.loads(content).items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is gone")
        elif _digest(path) != digest:
            problems.append(f"{name} is not as it was written")
    return problems


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            found.update(block)
    return found.hexdigest()
