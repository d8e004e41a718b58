"""Which runs a run builds on."""

from __future__ import annotations

from typing import Any

from amae_engine.catalog import runs
from amae_engine.catalog.runs import RunRow
from amae_engine.project import Project

_RUN_KEYS = ("stage1_run", "stage2_run", "module_a_run")
_OF_RUN = "run:"  # starting weights that a run made


def lineage(project: Project, run_id: int) -> list[RunRow]:
    """A run with all that it builds on, by number: the run itself is the last."""
    found: dict[int, RunRow] = {}
    waiting = [run_id]
    while waiting:
        number = waiting.pop()
        if number in found:
            continue
        with project.session() as session:
            found[number] = runs.get(session, number)
        waiting += _builds_on(found[number])
    return [found[number] for number in sorted(found)]


def _builds_on(row: RunRow) -> list[int]:
    named = [int(row.config.get(key) or 0) for key in _RUN_KEYS]
    weights = str(row.config.get("weights", ""))
    if weights.startswith(_OF_RUN):
        named.append(int(weights.removeprefix(_OF_RUN)))
    return [number for number in (*named, row.parent_id or 0) if number]


def renumbered(config: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """Settings that name runs by other numbers."""
    found = dict(config)
    for key in _RUN_KEYS:
        if found.get(key):
            found[key] = numbers[int(found[key])]
    weights = str(found.get("weights", ""))
    if weights.startswith(_OF_RUN):
        found["weights"] = f"{_OF_RUN}{numbers[int(weights.removeprefix(_OF_RUN))]}"
    return found
