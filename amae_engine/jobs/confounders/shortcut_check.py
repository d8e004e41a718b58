"""The shortcut check before training: facts of N and U gathered and tried."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import MatchingMethod, Stage1Config
from amae_engine.drive import pass_on
from amae_engine.events import Event, Progress
from amae_engine.jobs.confounders.choose_matching import ShortcutCheck, Shortcuts, choose_matching
from amae_engine.jobs.confounders.image_facts import gather_facts
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs

STEP = "Shortcut check"
_SIDES = {Label.NORMAL: 0, Label.EXCLUDE: -1}
Sides = npt.NDArray[np.int8]


def sides_of(images: InputImages, decided: Mapping[int, Label], split: Split) -> Sides:
    """(n,) 0 for a normal image, 1 for an unlabeled one, −1 for any other.

    Unlabeled images that a reader called normal count as normal, those excluded as neither.
    """
    if split is not Split.UNLABELED:
        return np.full(len(images), 0 if split is Split.NORMAL else -1, dtype=np.int8)
    labels = [decided.get(i, Label.NONE) for i in images.ids.tolist()]
    return np.array([_SIDES.get(label, 1) for label in labels], dtype=np.int8)


def check_shortcuts(
    project: Project, config: Stage1Config, most: int = 0
) -> Generator[Event, None, ShortcutCheck]:
    """Check a project's N against its U before anything is trained.

    Args:
        project: Whose images.
        config: What stage 1 would be started with.
        most: Images of N and of U each that are looked at, drawn by seed; 0 for all.

    Raises:
        BadSetting: A fact to match by is unknown.
    """
    with project.session() as session:
        tables = {split: image_tables.images_in(session, split) for split in Split}
        decided = decisions.current(session)
    random = np.random.default_rng(config.training.seed)
    images = {}
    for split, table in tables.items():
        kept = np.ones(len(table.ids), dtype=bool)
        if split is Split.TEST:
            kept[:] = False
        elif 0 < most < len(kept):
            kept[random.permutation(len(kept))[most:]] = False
        images[str(split)] = InputImages.of(table, kept)
    shortcuts = yield from gather_shortcuts(project, RunInputs(images, decided), config)
    return choose_matching(shortcuts, config)[0]


def gather_shortcuts(
    project: Project, seen: RunInputs, config: Stage1Config
) -> Generator[Event, None, Shortcuts]:
    """Every fact of N and U, and how well each tells them apart.

    Test images follow them where matching compares each image within its stratum.
    """
    from amae_engine.evaluation.shortcuts import differences

    seed = config.training.seed
    splits = [Split.NORMAL, Split.UNLABELED]
    if config.shortcuts is MatchingMethod.WITHIN:
        splits.append(Split.TEST)
    ids, rows, patients = (
        np.concatenate([getattr(seen.images[split], name) for split in splits])
        for name in ("ids", "store_rows", "patient_ids")
    )
    side = np.concatenate([sides_of(seen.images[s], seen.decisions, s) for s in splits])
    facts = yield from pass_on(
        gather_facts(project, ids, rows), lambda done: Progress(STEP, done, len(ids))
    )
    found = differences(facts, side, patients, seed)
    return Shortcuts(ids, side, patients, seed, tuple(facts), tuple(found))
