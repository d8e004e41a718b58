"""The files that a finished run left, by digest: weights, scores' maps, settings, inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from amae_engine.atomic_write import is_unfinished, write_text

FILES = "files.json"
MADE_MAPS = "made_maps"  # a folder: what is made of a finished run when it is asked for
_OWN = (FILES, "lease.lock")
_AT_ONCE = 1 << 22  # bytes
_TENSORS = ".safetensors"
_RESULTS = (_TENSORS, ".npz", ".npy")
_NO_RESULTS = (  # made from pixels
    "inputs.npz",
    "preview.npz",
    "preview_before.npz",
    "lungs.npz",
    "lungs_of_all.npz",
)


def write_digests(folder: Path) -> str:
    """Note the digest of every file of a finished run; returns that of the note itself."""
    found = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _OWN and not is_unfinished(path)
    }
    content = json.dumps(found, indent=1)
    write_text(folder / FILES, content)
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


def result_digests(folder: Path) -> dict[str, str]:
    """The digest of each result of a run: of its numbers, whatever order a header has.

    Weights' headers hold facts in no order, and where the weights came from.
    """
    return {
        path.relative_to(folder).as_posix(): content_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _RESULTS
        and path.name not in _NO_RESULTS
        and not is_unfinished(path)
        and path.parent.name != MADE_MAPS
    }


def content_digest(path: Path) -> str:
    """SHA-256 of a result: of weights the tensors alone, without the facts in their header."""
    if path.suffix != _TENSORS:
        return _digest(path)
    found = hashlib.sha256()
    with path.open("rb") as file:
        header = read_header(file)
        header.pop("__metadata__", None)
        found.update(json.dumps(header, sort_keys=True).encode())
        while block := file.read(_AT_ONCE):
            found.update(block)
    return found.hexdigest()


def copy_weights(source: Path, target: IO[bytes], shorten: Callable[[Any], Any]) -> None:
    """Copy a safetensors file with the facts of its header shortened by a function of JSON values."""
    with source.open("rb") as file:
        header = read_header(file)
        facts = header.get("__metadata__", {})
        header["__metadata__"] = {name: _shortened(text, shorten) for name, text in facts.items()}
        content = json.dumps(header, sort_keys=True).encode()
        content += b" " * (-len(content) % 8)  # the numbers begin at a multiple of 8
        target.write(len(content).to_bytes(8, "little"))
        target.write(content)
        while block := file.read(_AT_ONCE):
            target.write(block)


def _shortened(text: str, shorten: Callable[[Any], Any]) -> str:
    try:
        return json.dumps(shorten(json.loads(text)))
    except ValueError:  # a plain text
        return str(shorten(text))


def read_header(file: IO[bytes]) -> dict[str, Any]:
    """Tensors, and facts under "__metadata__", that a safetensors file begins with."""
    size = int.from_bytes(file.read(8), "little")
    found: dict[str, Any] = json.loads(file.read(size))
    return found
