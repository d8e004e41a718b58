"""A picture of synthetic anomalies, made from a project's own normal images."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.config import Synthesis
from amae_engine.errors import TooFewImages
from amae_engine.events import Event
from amae_engine.project import Project
from amae_engine.reports.figures import write_synthetic_panel

_IMAGES = 24


def synthetic_panel(
    project: Project, kind: Synthesis, seed: int = 0, path: Path | None = None
) -> Generator[Event, None, Path]:
    """Write up to 24 images with a synthetic anomaly each, outlined, as one picture.

    Args:
        project: Its first normal images are used.
        kind: How the anomalies are made.
        seed: Decides them.
        path: Where to; by default in the project's exports.

    Raises:
        TooFewImages: There are fewer than two normal images.
    """
    with project.session() as session:
        rows = image_tables.images_in(session, Split.NORMAL).store_rows[:_IMAGES]
    if len(rows) < 2:
        raise TooFewImages(
            f"The picture needs at least 2 normal images; there are {len(rows)}. Import images with "
            f"the role 'normal'."
        )
    import torch

    from amae_engine.jobs.training.image_lungs import lungs_of
    from amae_engine.method.compute_device import choose_device, random_generator
    from amae_engine.synthesis.synthesis import synthesise

    device = choose_device("cpu")
    images = torch.from_numpy(project.pixels.read(rows)).float() / 255
    lungs = None
    if kind is Synthesis.ANATPASTE:
        side = images.shape[-1]
        found = yield from lungs_of(project, rows, side, device, "Picture", "lungs_of_picture.npz")
        lungs = found.take(torch.arange(len(rows))) > 0
    made = synthesise(kind, images, lungs, random_generator(device, seed))
    path = path or project.exports_folder / f"synthetic-{kind}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = f"{kind}, seed {seed}, on normal images of '{project.name}'"
    write_synthetic_panel(path, np.asarray(made.images), np.asarray(made.labels), about)
    return path
