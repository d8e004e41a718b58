"""Judge a score run's maps on regions that radiologists have marked."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np

from amae_engine.catalog import image_tables, studies
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, NotReady
from amae_engine.evaluation.localisation import Localisation, box_mask, judge_maps
from amae_engine.jobs.judging.evaluate_run import judged_run
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps

_COLUMNS = ("file", "x", "y", "width", "height")

Box = tuple[float, float, float, float]


def evaluate_maps(
    project: Project, boxes_table: Path, score_run: int = 0
) -> dict[ScoreKind, Localisation]:
    """Pixel AUC and AP, pointing game and Dice of every map of a run, on marked test images.

    Args:
        project: Where the run is.
        boxes_table: CSV with file, x, y, width, height in pixels of the original image; an image's
            file is found by the end of its original's path.
        score_run: A score run or a peer's; 0 for the newest finished score run.

    Raises:
        BadInput: The table cannot be read, or a box has no size.
        NotReady: The run has no map of any image in the table.
    """
    boxes = _read(boxes_table)
    run = judged_run(project, score_run, "Evaluating maps").id
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids
        rows = studies.rows(session, test.tolist())
    pairs: dict[ScoreKind, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for row in rows:
        original = project.original_path(row.id)
        marked = boxes.get(_ending(original.as_posix()), ()) if original else ()
        found = load_image_maps(project, run, row.id) if marked else None
        if found is None:
            continue
        for kind in ScoreKind:
            values = found.of_score(kind)
            if values is None:
                continue
            mask = box_mask(marked, (row.rows, row.columns), len(values))
            if mask.any() and not mask.all():
                pairs[kind].append((values, mask))
    if not pairs:
        raise NotReady(
            f"No test image of run {run} is marked in {boxes_table.name}; its column 'file' must "
            f"end like the paths of the imported originals (folder/name), and they must be there."
        )
    return {
        kind: judge_maps(*(np.stack(each) for each in zip(*found, strict=True)))
        for kind, found in pairs.items()
    }


def _read(table: Path) -> dict[str, list[Box]]:
    found: dict[str, list[Box]] = defaultdict(list)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise BadInput(f"{table.name} needs the columns {', '.join(missing)}.")
            for number, line in enumerate(lines, start=2):
                x, y, width, height = (_number(line, name, number) for name in _COLUMNS[1:])
                if width <= 0 or height <= 0:
                    raise BadInput(f"{table.name}, line {number}: the box has no size.")
                found[_ending(line["file"])].append((x, y, width, height))
    except OSError as error:
        raise BadInput(f"{table.name} cannot be read ({error.strerror}).") from error
    return found


def _number(line: dict[str, str], name: str, number: int) -> float:
    try:
        return float(line[name])
    except (TypeError, ValueError):
        raise BadInput(f"Line {number}: {name} must be a number of pixels.") from None


def _ending(path: str) -> str:
    """The last folder and the name of a file."""
    return "/".join(PurePosixPath(path.replace("\\", "/")).parts[-2:])
