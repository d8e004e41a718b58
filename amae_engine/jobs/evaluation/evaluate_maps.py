"""Judge a score run's maps on regions that radiologists have marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from amae_engine.catalog import image_tables, looks, regions
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.evaluation.localisation import Localisation, judge_maps
from amae_engine.evaluation.regions import Outline, outlines_mask
from amae_engine.jobs.evaluation.evaluate_run import judged_run, judged_runs, method_title
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps, makes_maps_on_demand, mapped_images


def regions_by_image(
    project: Project, reader: str = "", from_maps: bool = False
) -> dict[int, list[Outline]]:
    """What readers, or one of them, marked by themselves: drawn or imported.

    Args:
        project: Whose.
        reader: Whose regions; "" for everybody's.
        from_maps: Regions that began as parts of a map and that a reader agreed with, in place of those:
            to be judged apart, since a map agrees with its own parts by construction.
    """
    with project.session() as session:
        rows = regions.of_images(session)
    found: dict[int, list[Outline]] = defaultdict(list)
    for row in rows:
        wanted = row.state.is_marked and row.state.is_from_a_map == from_maps
        if row.outline is not None and wanted and row.reader == (reader or row.reader):
            found[row.image_id].append(row.outline)
    return dict(found)


def evaluate_maps(
    project: Project,
    marked: Mapping[int, Sequence[Outline]],
    score_run: int = 0,
    reader: str = "",
) -> dict[ScoreKind, Localisation]:
    """Pixel AUC and AP, pointing game and Dice of every map of a run, on marked test images.

    Args:
        project: Where the run is.
        marked: Outlines by image id; from `regions_by_image`, or marks of a file.
        score_run: A score run or a peer's; 0 for the newest finished score run.
        reader: Who looks.

    Raises:
        NotReady: The run has no map of any marked image, or the test images are sealed.
    """
    project.in_session(looks.require_open, "Judging maps")
    run = judged_run(project, score_run, "Evaluating maps").id
    found = _judged(project, run, marked, _marked_test_images(project, marked))
    if not found and makes_maps_on_demand(project, run):
        raise NotReady(
            f"Run {run} makes its maps on demand, and has none of a marked test image: make them "
            f"first (`amae maps --run {run} --marked`)."
        )
    if not found:
        raise NotReady(
            f"No test image of run {run} that has a map is marked by a reader alone; draw regions in "
            f"Results, or import boxes, masks or segmentations. Regions that began as parts of a map do "
            f"not count."
        )
    _note(project, marked, found, reader)
    return found


def _note(
    project: Project,
    marked: Mapping[int, Sequence[Outline]],
    kinds: Iterable[ScoreKind],
    reader: str,
) -> None:
    """Marked regions are truth: judging maps by them is a look."""
    subjects = (looks.TRUTH, *dict.fromkeys(map(str, kinds)))
    project.in_session(looks.note, list(marked), subjects, reader, "maps")


@dataclass(frozen=True, slots=True)
class JudgedMap:
    """A map of a run: of AMAE's, or a peer's own.

    Attributes:
        method: "AMAE", or the peer and its protocol.
        kind: The score that the map is behind.
    """

    run_id: int
    method: str
    kind: ScoreKind
    found: Localisation

    @property
    def of(self) -> str:
        """Whose map it is, for tables."""
        return "its own" if self.kind is ScoreKind.PEER else self.kind.label


def compare_maps(
    project: Project,
    marked: Mapping[int, Sequence[Outline]],
    score_runs: Sequence[int] = (),
    reader: str = "",
) -> list[JudgedMap]:
    """The maps of several runs on the same images, the highest pixel AUC first.

    Args:
        project: Where the runs are.
        marked: Outlines by image id.
        score_runs: Score runs and peers' runs; all finished ones by default. Runs without a map of
            a marked image are left out.
        reader: Who looks.

    Raises:
        NotReady: No run has a map of a marked image, no image has one of every run, or the test images
            are sealed.
    """
    project.in_session(looks.require_open, "Judging maps")
    test = set(_marked_test_images(project, marked))
    rows = [row for row in judged_runs(project) if not score_runs or row.id in score_runs]
    shown = {row.id: test & set(mapped_images(project, row.id).tolist()) for row in rows}
    rows = [row for row in rows if shown[row.id]]
    if not rows:
        raise NotReady(
            "No run has a map of a test image that a reader marked alone; draw regions in Results, or "
            "import boxes, masks or segmentations. Regions that began as parts of a map do not count."
        )
    shared = sorted(set.intersection(*(shown[row.id] for row in rows)))
    if not shared:
        numbers = ", ".join(str(row.id) for row in rows)
        raise NotReady(f"No marked test image has a map of each of the runs {numbers}; name fewer.")
    judged = [
        JudgedMap(row.id, method_title(row), kind, found)
        for row in rows
        for kind, found in _judged(project, row.id, marked, shared).items()
    ]
    _note(project, marked, (each.kind for each in judged), reader)
    return sorted(judged, key=lambda each: -each.found.pixel_auc.value)


def _marked_test_images(project: Project, marked: Mapping[int, Sequence[Outline]]) -> list[int]:
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
    return [image for image in test if marked.get(image)]


def _judged(
    project: Project, run: int, marked: Mapping[int, Sequence[Outline]], images: Sequence[int]
) -> dict[ScoreKind, Localisation]:
    """Every map of a run on those images that it has maps of."""
    pairs: dict[ScoreKind, list[tuple[np.ndarray, np.ndarray, int]]] = defaultdict(list)
    owners = project.in_session(image_tables.patients_of, np.array(images, dtype=np.int64))
    for image, owner in zip(images, owners.tolist(), strict=True):
        found = load_image_maps(project, run, image)
        if found is None:
            continue
        for kind in found.scored:
            values = found.maps[kind]
            mask = outlines_mask(marked[image], *values.shape)
            if mask.any() and not mask.all():
                pairs[kind].append((values, mask, owner))
    return {
        kind: judge_maps(*(np.stack(each) for each in zip(*of_kind, strict=True)))
        for kind, of_kind in pairs.items()
    }
