"""Marks of others brought to a project's images, as regions or to judge maps by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from amae_engine.catalog import image_keys, regions, studies
from amae_engine.catalog.regions import LONGEST_NOTE, NewRegion, RegionState
from amae_engine.errors import BadInput
from amae_engine.evaluation.regions import Outline, box_outline
from amae_engine.images.deidentify import keyed_hash
from amae_engine.images.marks import Box, Marked, ending, read_marks
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class MarksTaken:
    """What came of marks.

    Attributes:
        images: With a mark now.
        regions: Added.
        unknown: Marked images that the project does not have.
    """

    images: int
    regions: int
    unknown: int


Found = dict[int, list[tuple[Outline, str]]]


def marks_by_image(project: Project, source: Path) -> tuple[Found, int]:
    """The marks (outline, label) of each image of the project, and how many images it lacks.

    An image is found by the end of its original's path (folder/name), by that file's name without
    suffix where only one image has it, or by its SOP instance UID.

    Raises:
        BadInput: The marks cannot be read, or a box lies outside its image.
    """
    marked = read_marks(source)
    ids = _ids(project, marked)
    with project.session() as session:
        rows = {row.id: row for row in studies.rows(session, sorted(set(ids.values())))}
    found: Found = {}
    for each in marked:
        row = rows.get(ids.get(each.key, 0))
        if row is None:
            continue
        outlines = [
            (_share(box, row.rows, row.columns, f"{source.name}, line {line}"), label)
            for box, label, line in each.boxes
        ]
        found.setdefault(row.id, []).extend([*outlines, *each.outlines])
    return found, sum(each.key not in ids for each in marked)


def import_marks(project: Project, source: Path, reader: str) -> MarksTaken:
    """Add marks as regions of a reader, in one act that one undo takes back.

    Raises:
        BadInput: The marks cannot be read, none is of an image of the project, or the reader has no
            name.
    """
    project.require_writable()
    found, unknown = marks_by_image(project, source)
    new = [
        NewRegion(image_id, outline, RegionState.IMPORTED, label[:LONGEST_NOTE])
        for image_id, marks in found.items()
        for outline, label in marks
    ]
    if not new:
        raise BadInput(
            f"{source.name} marks no image of this project; its names must end like the paths of the "
            f"imported originals (folder/name), or be their names without suffix."
        )
    with project.session() as session:
        regions.add(session, new, reader, "import")
    return MarksTaken(sum(bool(marks) for marks in found.values()), len(new), unknown)


def _share(box: Box, rows: int, columns: int, place: str) -> Outline:
    left, top, width, height = box
    if left < -1 or top < -1 or left + width > columns + 1 or top + height > rows + 1:
        raise BadInput(
            f"{place}: the box lies outside its image of {columns} × {rows} pixels; boxes are in pixels "
            f"of the imported file."
        )
    right, bottom = min(left + width, columns), min(top + height, rows)
    left, top = max(left, 0), max(top, 0)
    return box_outline(left / columns, top / rows, (right - left) / columns, (bottom - top) / rows)


def _ids(project: Project, marked: list[Marked]) -> dict[str, int]:
    """Image ids by the marks' keys."""
    with project.session() as session:
        every = studies.page_of_ids(session).tolist()
        by_sop = {
            keys.sop_key: keys.image_id
            for keys in image_keys.of_images(session, every)
            if keys.sop_key
        }
    paths = {i: path for i in every if (path := project.original_path(i)) is not None}
    by_end: dict[str, list[int]] = {}
    for image_id, path in paths.items():
        end = ending(path.as_posix())
        for name in {end, path.name, path.stem, PurePosixPath(end).with_suffix("").as_posix()}:
            by_end.setdefault(name, []).append(image_id)
    found = {}
    for each in marked:
        if each.is_sop:
            image = by_sop.get(keyed_hash(project.key, "instance", each.key))
            fitting = [] if image is None else [image]
        else:
            fitting = by_end.get(each.key, [])
        if len(fitting) == 1:
            found[each.key] = fitting[0]
    return found
