"""Write what a run was made of as one zip: no pixels, no identity.

Inside: `bundle.json` (format, versions, runs), `images.json` (a hash of each stored image, its role,
truth and facts; patients are numbers), `decisions.json`, `regions.json`, `locked_points.json`, and for
each run its settings, inputs, metrics, scores and files' digests; weights where asked for.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from amae_engine.atomic_write import atomic_write
from amae_engine.catalog import (
    bundle_rows,
    decision_table,
    image_keys,
    locked_points,
    looks,
    regions,
    scores,
)
from amae_engine.catalog.audit import audit
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunState
from amae_engine.config.json_config import without_paths
from amae_engine.errors import NotReady
from amae_engine.events import Event, Progress
from amae_engine.project import Project
from amae_engine.runs.environment import versions
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.lineage import lineage
from amae_engine.runs.run_files import copy_weights, result_digests

FORMAT = 1
ALWAYS = ("inputs.npz", "metrics.jsonl", "files.json", "shortcuts.json")
WEIGHTS = ".safetensors"
RESULTS = "results.json"  # the digest of each result, in a run's part of the bundle
_AT_ONCE = 512


def write_bundle(
    project: Project, path: Path, run_id: int = 0, with_weights: bool = False, reader: str = ""
) -> Generator[Event, None, Path]:
    """Write the bundle of a run and of all that it builds on: whole, or not at all.

    Args:
        project: Whose run.
        path: The zip to write.
        run_id: A finished run; 0 for the newest evaluated one.
        with_weights: Take the networks' weights along.
        reader: Who asks, for the audit.

    Raises:
        NotReady: A run is not finished, or did not keep its inputs.
    """
    project.require_writable()
    chain = _finished_lineage(project, run_id)
    with project.session() as session:
        looks.require_open(session, "A bundle")
        looks.note_all(session, [looks.TRUTH], reader, "a bundle")
    facts = {"format": FORMAT, "made_by": versions(), "runs": [_run_facts(row) for row in chain]}
    with (
        atomic_write(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as bundle,
    ):
        yield Progress("Bundle", 0, len(chain) + 1)
        _write_images(project, bundle)
        _write_acts(project, bundle, {row.id for row in chain})
        bundle.writestr("bundle.json", json.dumps(facts, indent=1))
        for done, row in enumerate(chain, start=1):
            yield Progress("Bundle", done, len(chain) + 1)
            _write_run(project, bundle, row, with_weights)
    with project.session() as session:
        audit(session, reader, "bundle", f"of run {chain[-1].id}")
    return path


def _finished_lineage(project: Project, run_id: int) -> list[RunRow]:
    from amae_engine.jobs.evaluation.evaluate_run import judged_run

    chain = lineage(project, run_id or judged_run(project, 0, "A bundle").id)
    for row in chain:
        if row.state is not RunState.FINISHED:
            raise NotReady(f"Run {row.id} is {row.state}; only finished runs go into a bundle.")
        read_inputs(project.run_folder(row.id))
    return chain


def pixels_digest(image: np.ndarray) -> str:
    """What an image (S, S) of the pixel store is recognised by anywhere."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def _run_facts(row: RunRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": str(row.kind),
        "parent": row.parent_id,
        "epochs": row.epochs,
        "config": without_paths(row.config),
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }


def _write_images(project: Project, bundle: zipfile.ZipFile) -> None:
    with project.session() as session:
        records = bundle_rows.image_records(session)
    rows = np.array([record.store_row for record in records], dtype=np.int64)
    digests: list[str] = []
    for start in range(0, len(rows), _AT_ONCE):
        digests += map(pixels_digest, project.pixels.read(rows[start : start + _AT_ONCE]))
    entries = [
        {"id": record.id, "pixels": digest, "study": record.study, **record.facts}
        for record, digest in zip(records, digests, strict=True)
    ]
    facts = {"side": project.pixels.side, "images": entries}
    bundle.writestr("images.json", json.dumps(facts))


def _write_acts(project: Project, bundle: zipfile.ZipFile, run_ids: set[int]) -> None:
    with project.session() as session:
        ids = [record.id for record in bundle_rows.image_records(session)]
        names = {each.pixel_hash: each.image_id for each in image_keys.of_images(session, ids)}
        lines = [
            {**asdict(line), "image_key": "", "image": names[line.image_key]}
            for line in decision_table.all_lines(session)
        ]
        marked = [
            {**asdict(row), "note": ""}
            for row in regions.of_images(session)
            if row.outline is not None
        ]
        points = [asdict(point) for run in run_ids for point in locked_points.of_run(session, run)]
    bundle.writestr("decisions.json", json.dumps(lines))
    bundle.writestr("regions.json", json.dumps(marked))
    bundle.writestr("locked_points.json", json.dumps(points))


def _write_run(project: Project, bundle: zipfile.ZipFile, row: RunRow, with_weights: bool) -> None:
    folder = project.run_folder(row.id)
    place = f"runs/{row.id:03d}"
    for path in sorted(folder.iterdir()):
        if path.name in ALWAYS:
            bundle.write(path, f"{place}/{path.name}")
        elif with_weights and path.suffix == WEIGHTS:
            with bundle.open(f"{place}/{path.name}", "w", force_zip64=True) as target:
                copy_weights(path, target, without_paths)
    bundle.writestr(f"{place}/{RESULTS}", json.dumps(result_digests(folder), indent=1))
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    bundle.writestr(f"{place}/run.json", json.dumps(without_paths(facts), indent=1))
    found: dict[str, dict[str, Any]] = {}
    with project.session() as session:
        for kind in scores.kinds(session, row.id):
            ids, values = scores.load(session, row.id, kind)
            found[str(kind)] = {"ids": ids.tolist(), "values": values.tolist()}
    bundle.writestr(f"{place}/scores.json", json.dumps(found))
