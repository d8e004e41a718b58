"""Projects of real images with a planted shortcut: a marker, a border, another gamma."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from demo_images import DEMO, finish
from PIL import Image, ImageDraw, ImageFont

from amae_engine.catalog import image_tables
from amae_engine.catalog.tables import Split
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import Twins
from amae_engine.project import Project

COUNTS = {"normal": 100, "unlabeled": 80, "test": 60}
SHARES = {"normal": 0.25, "unlabeled": 0.75, "test": 0.5}  # of the images that get the shortcut
Plant = Callable[[Image.Image], Image.Image]


def marker(image: Image.Image) -> Image.Image:
    ImageDraw.Draw(image).text((12, 10), "L", fill=255, font=ImageFont.load_default(22))
    return image


def border(image: Image.Image) -> Image.Image:
    framed = Image.new("L", image.size, 0)
    framed.paste(image.resize((image.width - 20, image.height - 20)), (10, 10))
    return framed


def gamma(image: Image.Image) -> Image.Image:
    return image.point([round(255 * (level / 255) ** 2.5) for level in range(256)])


def planted(
    project: Project, folder: Path, plant: Plant, shares: Mapping[str, float] = SHARES
) -> dict[str, dict[int, bool]]:
    """Import real images, some of each role with a shortcut; which images have it, by split."""
    random = np.random.default_rng(0)
    files, has = [], {role: [] for role in COUNTS}
    every = sorted(path for path in (DEMO / "images").iterdir() if path.suffix in (".jpg", ".jpeg"))
    assert len(every) >= sum(COUNTS.values())
    for role, count in COUNTS.items():
        for number in range(count):
            path = every.pop(0)
            image = Image.open(path).convert("L")
            is_planted = bool(random.random() < shares[role])
            has[role].append(is_planted)
            target = folder / f"{role}{number}.png"
            (plant(image) if is_planted else image).save(target)
            files.append(SourceFile(target, role=role, truth=None))
    finish(import_images(project, files, "planted", twins=Twins.KEEP))
    return by_image(project, has)


def by_image(project: Project, has: Mapping[str, list[bool]]) -> dict[str, dict[int, bool]]:
    """Which images have the shortcut, by split."""
    found = {}
    with project.session() as session:
        for role in COUNTS:
            ids = image_tables.images_in(session, Split(role)).ids.tolist()
            assert len(ids) == COUNTS[role]
            found[role] = dict(zip(ids, has[role], strict=True))
    return found
