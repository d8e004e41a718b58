"""What the tests share: places, a tiny network, images of the demo set, running a job."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from amae_engine.drive import drive
from amae_engine.events import Event
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.images.decode import read_for_store
from amae_engine.images.sources import SourceFile
from tests.robustness.small_project import TINY as TINY

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "resources" / "demo"
SHARED = ROOT.parent / "shared"


def finish(job: Generator[Event, None, object]) -> tuple[object, list[Event]]:
    """Run a job to its end: its result and its events."""
    events: list[Event] = []
    return drive(job, events.append), events


def demo_files(normal: int, unlabeled: int, test: int) -> list[SourceFile]:
    """The first images of each role of the demo set, both truths in turn."""
    every = from_csv(DEMO / "manifest.csv", CsvColumns())
    chosen = []
    for role, count in (("normal", normal), ("unlabeled", unlabeled), ("test", test)):
        images = [f for f in every if f.role == role]
        normals = [f for f in images if not f.truth]
        abnormals = [f for f in images if f.truth]
        if not abnormals:
            chosen += normals[:count]
            continue
        chosen += normals[: count // 2] + abnormals[: count - count // 2]
    return chosen


def stored_images(count: int) -> np.ndarray:
    """The first images of the demo set as the pixel store keeps them: (n, 256, 256) uint8."""
    paths = sorted((DEMO / "images").glob("*.jpeg"))[:count]
    return np.stack([read_for_store(path, 256).image.pixels for path in paths])
