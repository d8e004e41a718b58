"""A picture of synthetic anomalies, made from a project's own normal films."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.config import Synthesis
from amae_engine.errors import TooFewImages
from amae_engine.events import Event
from amae_engine.project import Project
from amae_engine.reports.figures import write_synthetic_panel

_FILMS = 24


def synthetic_panel(
    project: Project, kind: Synthesis, seed: int = 0, path: Path | None = None
) -> Generator[Event, None, Path]:
    """Write up to 24 films with a synthetic anomaly each, outlined, as one picture.

    Args:
        project: Its first normal films are used.
        kind: How the anomalies are made.
        seed: Decides them.
        path: Where to; by default in the project's exports.

    Raises:
        TooFewImages: There are fewer than two normal films.
    """
    with project.session() as session:
        rows = studies.images_in(session, Split.NORMAL).store_rows[:_FILMS]
    if len(rows) < 2:
        raise TooFewImages(
            f"The picture needs at least 2 normal films; there are {len(rows)}. Import films with "
            f"the role 'normal'."
        )
    import torch

    from amae_engine.jobs.film_lungs import lungs_of
    from amae_engine.method.compute_device import choose_device, random_generator
    from amae_engine.synthesis.synthesis import synthesise

    device = choose_device("cpu")
    films = torch.from_numpy(project.pixels.read(rows)).float() / 255
    lungs = None
    if kind is Synthesis.ANATPASTE:
        side = films.shape[-1]
        found = yield from lungs_of(project, rows, side, device, "Picture", "lungs_of_picture.npz")
        lungs = found.take(torch.arange(len(rows))) > 0
    made = synthesise(kind, films, lungs, random_generator(device, seed))
    path = path or project.exports_folder / f"synthetic-{kind}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = f"{kind}, seed {seed}, on normal films of '{project.name}'"
    write_synthetic_panel(path, np.asarray(made.images), np.asarray(made.labels), about)
    return path
