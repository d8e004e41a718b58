"""Judge a score run's maps on regions that radiologists have marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from amae_engine.catalog import image_tables, regions
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.localisation import Localisation, judge_maps
from amae_engine.evaluation.regions import Outline, outlines_mask
from amae_engine.jobs.judging.evaluate_run import judged_run
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps


def regions_by_image(project: Project, reader: str = "") -> dict[int, list[Outline]]:
    """What readers, or one of them, marked: drawn, agreed with or imported; not what they rejected."""
    with project.session() as session:
        rows = regions.of_images(session)
    found: dict[int, list[Outline]] = defaultdict(list)
    for row in rows:
        if row.outline is not None and row.state.is_marked and row.reader == (reader or row.reader):
            found[row.image_id].append(row.outline)
    return dict(found)


def evaluate_maps(
    project: Project, marked: Mapping[int, Sequence[Outline]], score_run: int = 0
) -> dict[ScoreKind, Localisation]:
    """Pixel AUC and AP, pointing game and Dice of every map of a run, on marked test images.

    Args:
        project: Where the run is.
        marked: Outlines by image id; from `regions_by_image`, or marks of a file.
        score_run: A score run or a peer's; 0 for the newest finished score run.

    Raises:
        NotReady: The run has no map of any marked image.
    """
    run = judged_run(project, score_run, "Evaluating maps").id
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
    pairs: dict[ScoreKind, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for image_id in test:
        outlines = marked.get(image_id, ())
        found = load_image_maps(project, run, image_id) if outlines else None
        if found is None:
            continue
        for kind in ScoreKind:
            values = found.of_score(kind)
            if values is None:
                continue
            mask = outlines_mask(outlines, *values.shape)
            if mask.any() and not mask.all():
                pairs[kind].append((values, mask))
    if not pairs:
        raise NotReady(
            f"No test image of run {run} that has a map is marked; draw or agree with regions in "
            f"Results, or import boxes, masks or segmentations."
        )
    return {
        kind: judge_maps(*(np.stack(each) for each in zip(*found, strict=True)))
        for kind, found in pairs.items()
    }
