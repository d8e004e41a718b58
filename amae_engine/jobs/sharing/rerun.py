"""Make a run again from what it recorded, and compare: the proof that a result is re-creatable."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import runs, scores
from amae_engine.catalog.tables import RunKind, RunState
from amae_engine.errors import NotReady
from amae_engine.events import Event
from amae_engine.jobs.child_process import make_job
from amae_engine.project import Project
from amae_engine.runs.record import run_facts

_MADE_UP = ("inputs.npz", "preview.npz", "preview_before.npz")  # no results


@dataclass(frozen=True, slots=True)
class ComparedResult:
    """One result of a run next to that of its repetition.

    Attributes:
        name: A file, or a score.
        largest: The largest difference of two numbers; 0 where all bits are equal, infinite where
            one is missing or has another shape, NaN where digests alone were compared.
    """

    name: str
    is_identical: bool
    largest: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a run and its repetition agree.

    Attributes:
        differences: What of versions and machine differs between the two.
    """

    run_id: int
    repetition: int
    results: tuple[ComparedResult, ...]
    differences: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether every result has the same bits."""
        return all(result.is_identical for result in self.results)

    def lines(self) -> list[str]:
        """What a reader should know, a line each."""
        same = sum(result.is_identical for result in self.results)
        lines = [
            f"Run {self.repetition} repeats run {self.run_id}: {same} of {len(self.results)} "
            f"results are identical to the last bit."
        ]
        lines += [
            f"{r.name}: differs"
            + (
                " (compared by digest alone)"
                if np.isnan(r.largest)
                else f" by at most {r.largest:.3g}"
            )
            for r in self.results
            if not r.is_identical
        ]
        lines += [f"What differs between the two: {each}" for each in self.differences]
        return lines


def rerun(project: Project, run_id: int) -> Generator[Event, None, Agreement]:
    """Make a run again from its settings and inputs, with its threads, precision and device.

    Raises:
        NotReady: The run is not finished, or was made by an AMAE that did not keep its inputs.
        BadWeights: A weights file that it began with has changed.
    """
    with project.session() as session:
        row = runs.get(session, run_id)
    if row.state is not RunState.FINISHED:
        raise NotReady(f"Run {run_id} is {row.state}; only a finished run can be made again.")
    if row.kind is RunKind.MODEL:
        raise NotReady(
            f"Run {run_id} was rated by a model file: apply that file again (amae apply)."
        )
    return (yield from repeat_run(project, run_id, row.config))


def repeat_run(
    project: Project, run_id: int, config: dict[str, Any]
) -> Generator[Event, None, Agreement]:
    """Make a run again by these settings, which may name other runs to build on; see `rerun`."""
    with project.session() as session:
        row = runs.get(session, run_id)
    recorded = run_facts(project, run_id).get("environment", {})
    threads = _take_threads(int(recorded.get("threads", 0)))
    try:
        config = _as_recorded(config, recorded)
        job = make_job(project, str(row.kind), config, repeats=run_id)
        repetition: Any = yield from job
    finally:
        _take_threads(threads)
    return _agreement(project, run_id, int(repetition))


def _take_threads(count: int) -> int:
    """Compute with so many threads; returns how many there were. 0 changes nothing."""
    import torch

    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    return before


def _as_recorded(config: dict[str, Any], recorded: dict[str, str]) -> dict[str, Any]:
    """Settings with "auto" replaced by what it meant, where it would mean another thing here."""
    from amae_engine.config import Precision
    from amae_engine.runs.environment import environment

    part = config.get("training", config)
    here = environment(part["device"], Precision(part["precision"]))
    changed = {
        name: recorded[name]
        for name in ("device", "precision")
        if name in recorded and here[name] != recorded[name]
    }
    if not changed:
        return config
    return {**config, "training": {**part, **changed}} if "training" in config else part | changed


def _agreement(project: Project, run_id: int, repetition: int) -> Agreement:
    one, two = project.run_folder(run_id), project.run_folder(repetition)
    results = [
        _compared(
            path.relative_to(one).as_posix(), _arrays(path), _arrays(two / path.relative_to(one))
        )
        for path in sorted(
            [*one.glob("*.safetensors"), *one.glob("*.npz"), *one.glob("maps/*.npy")]
        )
        if path.name not in _MADE_UP
    ]
    with project.session() as session:
        for kind in scores.kinds(session, run_id):
            pair = [{"values": scores.load(session, n, kind)[1]} for n in (run_id, repetition)]
            results.append(_compared(kind.label, *pair))
    return Agreement(run_id, repetition, tuple(results), _differences(project, run_id, repetition))


def _differences(project: Project, run_id: int, repetition: int) -> tuple[str, ...]:
    one, two = run_facts(project, run_id), run_facts(project, repetition)
    return tuple(
        f"{name}: {one[part].get(name)} then, {value} now"
        for part in ("versions", "environment")
        for name, value in two[part].items()
        if one.get(part, {}).get(name) != value
    )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        return {}
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        found: dict[str, npt.NDArray[Any]] = load_file(path)
        return found
    if path.suffix == ".npy":
        return {"values": np.load(path, mmap_mode="r")}
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def _compared(
    name: str, one: dict[str, npt.NDArray[Any]], two: dict[str, npt.NDArray[Any]]
) -> ComparedResult:
    if one.keys() != two.keys() or any(one[k].shape != two[k].shape for k in one):
        return ComparedResult(name, False, float("inf"))
    largest, identical = 0.0, True
    for key, values in one.items():
        if values.tobytes() == two[key].tobytes():
            continue
        identical = False
        apart = np.abs(values.astype(np.float64) - two[key].astype(np.float64))
        largest = max(largest, float(np.nanmax(apart)))
    return ComparedResult(name, identical, largest)
