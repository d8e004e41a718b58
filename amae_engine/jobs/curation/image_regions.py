"""The regions of one image: what a map has above a threshold, and what readers say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amae_engine.catalog import regions, studies
from amae_engine.catalog.database import Session
from amae_engine.catalog.regions import NewRegion, RegionRow, RegionState
from amae_engine.catalog.studies import ImageRow
from amae_engine.config import ScoreKind
from amae_engine.evaluation.regions import (
    Outline,
    Overlap,
    measured,
    outlines_mask,
    overlap,
    points_at,
    regions_above,
)
from amae_engine.project import Project
from amae_engine.runs.map_files import ImageMaps, load_image_maps

_SAME = 0.5  # IoU from which a map's region counts as one that the reader has judged already


@dataclass(frozen=True, slots=True)
class ListedRegion:
    """A region as a reader sees it in a list.

    Attributes:
        region: Its number; 0 for a part of a map that the reader has not judged.
        state: A state; "" for a part of a map that waits to be judged.
        mm2: Its size; None where the image's pixel size is not known.
        share: Of the image's area.
        mean, peak: Of the map inside, in its own units; NaN without a map.
    """

    region: int
    reader: str
    state: RegionState
    outline: Outline
    note: str
    share: float
    mm2: float | None
    mean: float
    peak: float


@dataclass(frozen=True, slots=True)
class ImageRegions:
    """All regions of an image, and how a map agrees with those that are marked.

    Attributes:
        listed: Those of readers, then the map's parts that wait to be judged.
        more: Further parts of the map above the threshold.
        overlap: Of the map above the threshold and what was marked without a map; None without these.
        is_pointed: Whether the map's highest pixel lies in such a region; None without either.
        note: The reader's own note on the image.
        notes: Others' notes on it, by reader.
    """

    image_id: int
    listed: tuple[ListedRegion, ...]
    more: int
    overlap: Overlap | None
    is_pointed: bool | None
    note: str
    notes: dict[str, str]


def image_regions(
    project: Project,
    image_id: int,
    reader: str,
    maps: ImageMaps | None = None,
    kind: ScoreKind | None = None,
    threshold: float = math.nan,
) -> ImageRegions:
    """What readers marked on an image, and what a map has above a threshold.

    Args:
        project: Whose.
        image_id: The image.
        reader: Whose judged regions are not offered again.
        maps: Of the image, in a run.
        kind: Which map.
        threshold: In the map's units.
    """
    with project.session() as session:
        row = studies.rows(session, [image_id])[0]
        stored = regions.of_images(session, [image_id])
    values = maps.of_score(kind) if maps is not None and kind is not None else None
    listed = [_listed(each, row, values) for each in stored if each.outline is not None]
    marked = [
        each.outline for each in listed if each.state.is_marked and not each.state.is_from_a_map
    ]
    found: Overlap | None = None
    is_pointed, more = None, 0
    if values is not None and marked:
        mask = outlines_mask(marked, *values.shape)
        if not math.isnan(threshold):
            found = overlap(values >= threshold, mask)
        is_pointed = points_at(values, mask)
    if values is not None and not math.isnan(threshold):
        parts, more = regions_above(values, threshold)
        judged = [
            outlines_mask([each.outline], *values.shape)
            for each in listed
            if each.reader == reader and each.state is not RegionState.IMPORTED
        ]
        for part in parts:
            own = outlines_mask([part.outline], *values.shape)
            if any(overlap(own, other).iou >= _SAME for other in judged):
                continue
            size = _mm2(part.share, row)
            values_in = (part.share, size, part.mean, part.peak)
            listed.append(ListedRegion(0, "", RegionState.GONE, part.outline, "", *values_in))
    notes = {each.reader: each.note for each in stored if each.state is RegionState.NOTE}
    own_note = notes.pop(reader, "")
    return ImageRegions(image_id, tuple(listed), more, found, is_pointed, own_note, notes)


def judge_part(
    session: Session,
    shown: ListedRegion,
    image_id: int,
    state: RegionState,
    reader: str,
    run_id: int,
    kind: ScoreKind,
    threshold: float,
) -> None:
    """Agree with a region, or reject it: the reader's own changes, any other becomes theirs.

    Raises:
        BadInput: The reader has no name.
    """
    if shown.region and shown.reader == reader:
        regions.change(session, shown.region, reader, state=state)
        return
    cut = None if math.isnan(threshold) else threshold
    part = NewRegion(image_id, shown.outline, state, "", run_id, str(kind), cut)
    regions.add(session, [part], reader, "judge")


def run_regions(
    project: Project, run_id: int, kind: ScoreKind | None
) -> list[tuple[str, ListedRegion]]:
    """Every region of the project with its image's name, measured by a run's map where it has one."""
    with project.session() as session:
        stored = [row for row in regions.of_images(session) if row.outline is not None]
        ids = sorted({row.image_id for row in stored})
        rows = {row.id: row for row in studies.rows(session, ids)}
    found = []
    maps: dict[int, np.ndarray | None] = {}
    for each in stored:
        if each.image_id not in maps:
            of_image = load_image_maps(project, run_id, each.image_id) if run_id else None
            maps[each.image_id] = of_image.of_score(kind) if of_image and kind else None
        row = rows[each.image_id]
        found.append((row.name, _listed(each, row, maps[each.image_id])))
    return found


def _listed(each: RegionRow, row: ImageRow, values: np.ndarray | None) -> ListedRegion:
    assert each.outline is not None
    blank = np.zeros((256, 256), dtype=np.float32) if values is None else values
    share, mean, peak = measured(each.outline, blank)
    if values is None:
        mean = peak = math.nan
    size = _mm2(share, row)
    values_in = (share, size, mean, peak)
    return ListedRegion(each.region, each.reader, each.state, each.outline, each.note, *values_in)


def _mm2(share: float, row: ImageRow) -> float | None:
    if not (row.pixel_spacing_mm and row.column_spacing_mm):
        return None
    return share * row.rows * row.columns * row.pixel_spacing_mm * row.column_spacing_mm
