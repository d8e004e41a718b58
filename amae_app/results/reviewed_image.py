"""One test image as Results shows it; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from amae_app.results.review_state import ReviewState
from amae_engine.config import ScoreKind
from amae_engine.project import Project
from amae_engine.runs.map_files import ImageMaps, load_image_maps, makes_maps_on_demand


@dataclass(frozen=True, slots=True)
class ReviewedImage:
    """What is shown next to the image itself: its maps, and texts.

    Attributes:
        aspect: Width over height of the original.
        kind: The score that is shown; the map is that score's.
        can_make: Whether its run kept no maps, and this image's are not made yet.
    """

    image_id: int
    name: str
    why: str
    aspect: float
    maps: ImageMaps | None
    kind: ScoreKind
    can_make: bool


def read_reviewed_image(
    project: Project, state: ReviewState, place: int, kind: ScoreKind
) -> ReviewedImage:
    """The image at a place of a state, under one of its scores."""
    image_id = int(state.image_ids[place])
    maps = load_image_maps(project, state.run_id, image_id)
    return ReviewedImage(
        image_id,
        state.names[place],
        state.why(place),
        float(state.aspects[place]),
        maps,
        kind,
        maps is None and makes_maps_on_demand(project, state.run_id),
    )
