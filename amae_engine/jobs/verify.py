"""Whether a project is as it was written: rows, files of runs, stored images."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from amae_engine.catalog import audit, image_tables
from amae_engine.catalog.chain import verify_chains
from amae_engine.catalog.tables import Split
from amae_engine.events import Event, Progress
from amae_engine.images.fingerprints import read_hashes, same_hashes
from amae_engine.project import Project
from amae_engine.runs.run_files import changed_files

_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is not as it was written.

    Attributes:
        rows: Decisions, locked points and audit entries that are chained.
        older_rows: Those from before AMAE chained them: nothing can be verified about them.
        runs: Finished runs whose files were compared.
        images: Stored images that were compared.
        heads: Each writer's newest digest: noted elsewhere, it also shows a chain written anew.
        problems: A sentence each.
    """

    rows: int
    older_rows: int
    runs: int
    images: int
    heads: dict[str, str]
    problems: tuple[str, ...]


def verify_project(project: Project) -> Generator[Event, None, Verified]:
    """Compare everything with the digests that were kept."""
    yield Progress("Verifying rows", 0, 1)
    with project.session() as session:
        chains = verify_chains(session)
        noted = [json.loads(entry) for entry in audit.details(session, audit.RUN_FILES)]
        rows = np.concatenate([image_tables.images_in(session, s).store_rows for s in Split])
    problems = list(chains.problems)
    expected = {int(each["run"]): str(each["files"]) for each in noted}  # a resumed run's newest
    for done, (run, digest) in enumerate(expected.items(), start=1):
        yield Progress("Verifying runs", done, len(expected))
        found = changed_files(project.run_folder(run), digest)
        problems += [f"run {run}: {text}" for text in found]
    hashes = read_hashes(project.folder / "pixels")
    compared = np.sort(rows[rows < len(hashes)])
    for start in range(0, len(compared), _AT_ONCE):
        yield Progress("Verifying images", start, len(compared))
        some = compared[start : start + _AT_ONCE]
        same = same_hashes(project.pixels.read(some), hashes[some])
        problems += [f"the stored image in row {row} has changed" for row in some[~same].tolist()]
    return Verified(
        chains.links, chains.before, len(expected), len(compared), chains.heads, tuple(problems)
    )
