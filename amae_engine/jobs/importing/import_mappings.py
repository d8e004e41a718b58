"""How tables were mapped, remembered in the project by a digest of their header.

The names of columns that are not mapped may say of whom the table is; they are not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amae_engine.atomic_write import write_text
from amae_engine.errors import BadInput
from amae_engine.images.csv_table import CsvColumns
from amae_engine.images.sources import parse_truth_values
from amae_engine.project import Project

_FILE = "import_mappings.json"


def recall(project: Project, header: Sequence[str]) -> CsvColumns | None:
    """How a table with this header was mapped last, None for a new one.

    Raises:
        BadInput: The project's mappings are damaged.
    """
    for known in _read(project):
        if known["header"] == _digest(header):
            values = parse_truth_values(known["truth_values"].items())
            return CsvColumns(
                known["file"], known["role"], known["truth"], known["patient"], values
            )
    return None


def remember(project: Project, header: Sequence[str], columns: CsvColumns) -> None:
    """Keep how a table with this header was mapped, in place of an earlier mapping.

    Raises:
        BadInput: The project's mappings are damaged.
    """
    others = [known for known in _read(project) if known["header"] != _digest(header)]
    mapping = {
        "header": _digest(header),
        "file": columns.file,
        "role": columns.role,
        "truth": columns.truth,
        "patient": columns.patient,
        "truth_values": dict(columns.truth_values),
    }
    write_text(project.folder / _FILE, json.dumps([*others, mapping], indent=1))


def _digest(header: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(header)).encode()).hexdigest()


def _read(project: Project) -> list[dict[str, Any]]:
    path: Path = project.folder / _FILE
    if not path.is_file():
        return []
    try:
        known: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        for mapping in known:
            if isinstance(mapping["header"], list):  # as AMAE wrote it before it kept digests
                mapping["header"] = _digest(mapping["header"])
            mapping["truth_values"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{_FILE} in the project is damaged; delete it and map the table's columns again."
        ) from error
    return known
