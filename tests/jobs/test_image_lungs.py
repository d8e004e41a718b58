"""Lung masks of a project's images, found here or by worker processes."""

import numpy as np
import pytest
import torch
from demo_images import finish

from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.jobs.training import image_lungs
from amae_engine.jobs.training.image_lungs import LungSearch
from amae_engine.project import Project


def test_lungs_found_by_workers_are_those_found_here(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
):
    with small_project.session() as session:
        rows = image_tables.images_in(session, Split.NORMAL).store_rows
    monkeypatch.setattr(image_lungs.os, "cpu_count", lambda: 2)
    kept = []
    for cache, pays in (("here.npz", 1000), ("workers.npz", 5)):
        monkeypatch.setattr(image_lungs, "_PER_WORKER", pays)
        with LungSearch(small_project, rows, cache) as search:
            search.start()
            assert (search._pool is not None) == (pays == 5)
            finish(search.masks(64, torch.device("cpu"), "Stage 1"))
        with np.load(small_project.folder / "pixels" / cache) as stored:
            kept.append({name: stored[name] for name in stored})
    assert all(np.array_equal(kept[0][name], kept[1][name]) for name in ("rows", "masks", "steps"))


def test_lungs_are_found_though_a_worker_is_killed(
    small_project: Project, monkeypatch: pytest.MonkeyPatch
):
    with small_project.session() as session:
        rows = image_tables.images_in(session, Split.NORMAL).store_rows
    monkeypatch.setattr(image_lungs.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(image_lungs, "_PER_WORKER", 5)
    monkeypatch.setattr(image_lungs, "_AT_ONCE", 2)
    with LungSearch(small_project, rows, "killed.npz") as search:
        search.start()
        for worker in search._pool._processes.values():
            worker.kill()
        finish(search.masks(64, torch.device("cpu"), "Stage 1"))
    with np.load(small_project.folder / "pixels" / "killed.npz") as stored:
        assert np.array_equal(stored["rows"], rows)
