"""Make a bundle's runs again from the images themselves, and say how the results agree."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amae_engine.atomic_write import write_arrays
from amae_engine.catalog import runs, scores
from amae_engine.errors import BadInput
from amae_engine.events import Event
from amae_engine.jobs.sharing.read_bundle import Bundle, project_of_bundle, read_bundle
from amae_engine.jobs.sharing.rerun import Agreement, ComparedResult, repeat_run
from amae_engine.jobs.sharing.write_bundle import RESULTS
from amae_engine.project import Project
from amae_engine.runs.lineage import renumbered
from amae_engine.runs.run_files import FILES, result_digests

BOUND = 0.01
"""How far a score may be off on another machine: a share of its standard deviation over the images."""


@dataclass(frozen=True, slots=True)
class BundleAgreement:
    """How a bundle's runs agree with those made again.

    Attributes:
        agreements: Of each run.
        score_gaps: By run and score, the largest difference as a share of the score's standard
            deviation.
    """

    agreements: tuple[Agreement, ...]
    score_gaps: dict[str, float]

    @property
    def is_identical(self) -> bool:
        """Whether every result has the same bits."""
        return all(each.is_identical for each in self.agreements)

    @property
    def is_within_bound(self) -> bool:
        """Whether every score is as near as another machine may be."""
        return all(gap <= BOUND for gap in self.score_gaps.values())

    def lines(self) -> list[str]:
        """What a reader should know, a line each."""
        found = [line for each in self.agreements for line in each.lines()]
        found += [
            f"{name}: at most {100 * gap:.3g} % of its standard deviation off"
            for name, gap in self.score_gaps.items()
            if gap
        ]
        if self.is_identical:
            return [*found, "Every result is identical to the last bit."]
        verdict = "within" if self.is_within_bound else "beyond"
        bound = f"{100 * BOUND:g} % of a score's standard deviation"
        return [*found, f"The scores are {verdict} the bound for another machine ({bound})."]


_NAME_WEIGHTS = ("weights", "encoder", "backbone_weights")
_OWN = ("", "bundled", "adults", "foundation")
_OF_RUN = re.compile(r"run:\d+")


def rerun_bundle(
    path: Path, images: Path, folder: Path, weights: Sequence[Path] = ()
) -> Generator[Event, None, tuple[Project, BundleAgreement]]:
    """Make a new project of a bundle and of the images it names, and every run of it again.

    Args:
        path: The bundle.
        images: The folder with the images.
        folder: The new project's; missing or empty.
        weights: Files that settings name; a bundle knows their names and digests alone.

    Raises:
        BadInput: The bundle cannot be read, or images are missing.
    """
    bundle = read_bundle(path)
    files = {file.name: str(file.resolve()) for file in weights}
    for facts in bundle.runs:
        _require_known_weights(facts["config"], files)
    project, recorded = yield from project_of_bundle(bundle, images, folder)
    repeated: dict[int, int] = {}
    digests: dict[str, str] = {}
    agreements = []
    for facts in bundle.runs:
        old = recorded[int(facts["id"])]
        _exchange_digests(project.run_folder(old) / "inputs.npz", digests)
        with project.session() as session:
            row = runs.get(session, old)
        named = _with_files(row.config, files)
        config = renumbered(named, {recorded[o]: new for o, new in repeated.items()})
        agreement = yield from repeat_run(project, old, config)
        repeated[int(facts["id"])] = agreement.repetition
        mine, theirs = (_digests(project, number) for number in (old, agreement.repetition))
        digests |= {digest: theirs.get(name, "") for name, digest in mine.items()}
        agreements.append(_with_digests(project, agreement))
    gaps = _score_gaps(project, bundle, recorded, repeated)
    return project, BundleAgreement(tuple(agreements), gaps)


def _require_known_weights(config: dict[str, Any], files: dict[str, str]) -> None:
    """A bundle's settings name weights that come with AMAE, of its own runs, or that the user gives.

    Whatever else they name, a path or a hub, somebody else has chosen: it is not opened.

    Raises:
        BadInput: The message names the file to give.
    """
    for key in _NAME_WEIGHTS:
        name = str(config.get(key) or "")
        file = name.rpartition("=")[2]
        if name in _OWN or _OF_RUN.fullmatch(name) or file == "random" or file in files:
            continue
        raise BadInput(
            f"The bundle's setting {key}='{name}' names weights that are neither AMAE's own nor in "
            f"the bundle. If you have and trust that file, give it: --weights {Path(file).name}."
        )


def _with_files(value: Any, files: dict[str, str]) -> Any:
    """Settings with whole paths where they name one of these files."""
    if isinstance(value, dict):
        return {key: _with_files(each, files) for key, each in value.items()}
    if isinstance(value, str):
        head, equals, file = value.rpartition("=")
        return head + equals + files.get(file, file)
    return value


def _exchange_digests(path: Path, digests: dict[str, str]) -> None:
    """Let a run begin with the files of the runs made again, in place of the recorded ones."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    weights = [(name, digests.get(digest, digest)) for name, digest in arrays["weights"].tolist()]
    arrays["weights"] = np.array(weights, dtype=np.str_).reshape(-1, 2)
    write_arrays(path, arrays)


def _digests(project: Project, run_id: int) -> dict[str, str]:
    """The digests of a run's files by their names."""
    path = project.run_folder(run_id) / FILES
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _with_digests(project: Project, agreement: Agreement) -> Agreement:
    """The results that the bundle holds digests of alone, besides those that it holds whole."""
    recorded = project.run_folder(agreement.run_id) / RESULTS
    mine: dict[str, str] = json.loads(recorded.read_text(encoding="utf-8"))
    theirs = result_digests(project.run_folder(agreement.repetition))
    known = {each.name for each in agreement.results}
    more = [
        ComparedResult(name, theirs.get(name) == digest, float("nan"))
        for name, digest in sorted(mine.items())
        if name not in known
    ]
    return Agreement(
        agreement.run_id,
        agreement.repetition,
        (*agreement.results, *more),
        agreement.differences,
    )


def _score_gaps(
    project: Project, bundle: Bundle, recorded: dict[int, int], repeated: dict[int, int]
) -> dict[str, float]:
    found = {}
    for facts in bundle.runs:
        number = int(facts["id"])
        with project.session() as session:
            for kind in scores.kinds(session, recorded[number]):
                one = scores.load(session, recorded[number], kind)[1]
                two = scores.load(session, repeated[number], kind)[1]
                gap = float("inf")
                if one.shape == two.shape and len(one):
                    gap = float(np.abs(one - two).max() / max(one.std(), 1e-12))
                found[f"run {number}, {kind.label}"] = gap
    return found
