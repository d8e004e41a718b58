"""What a run has of an image next to it: reconstructions, differences, maps; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from amae_engine.config import ScoreKind
from amae_engine.runs.map_files import MEANS, ImageMaps

_MEAN_TEXTS = {MEANS[0]: "Module A (normal): μA", MEANS[1]: "Module B (abnormal): μB"}
_SPREAD = "spread"


class Colouring(Enum):
    """How values become colours."""

    GREY = "grey"
    SEQUENTIAL = "sequential"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class MapView:
    """One picture of an image.

    Attributes:
        key: What it is kept and chosen by.
        text: For the reader.
        values: (H, W).
        scale: The value that gets the last colour, the same for every image of the run.
    """

    key: str
    text: str
    values: npt.NDArray[np.float32]
    colouring: Colouring
    scale: float = 1.0


def map_of(maps: ImageMaps, kind: ScoreKind) -> MapView | None:
    """The map behind a score; None where the run has none."""
    values = maps.of_score(kind)
    if values is None:
        return None
    return MapView(
        str(kind),
        kind.label,
        values,
        Colouring.SIGNED if kind.has_signed_map else Colouring.SEQUENTIAL,
        maps.scale[kind],
    )


def views_of(maps: ImageMaps | None, kind: ScoreKind) -> list[MapView]:
    """Everything that a run has of an image, the chosen score's own map after the means."""
    if maps is None:
        return []
    found = [
        MapView(name, text, maps.maps[name], Colouring.GREY)
        for name, text in _MEAN_TEXTS.items()
        if name in maps.maps
    ]
    own = map_of(maps, kind)
    if own is not None:
        found.append(own)
    if len(found) > 1 and all(name in maps.maps for name in MEANS):
        difference = maps.maps[MEANS[0]] - maps.maps[MEANS[1]]
        found.append(MapView("difference", "μA − μB (signed, in grey values)", difference,
                             Colouring.SIGNED, 0.25))  # fmt: skip
    if _SPREAD in maps.maps:
        spread = maps.maps[_SPREAD]
        shared = _SPREAD in maps.scale
        own_scale = max(float(np.percentile(spread, 99.5)), 1e-6)
        text = "Spread over the L masks" + ("" if shared else " (this image's own scale)")
        scale = maps.scale[_SPREAD] if shared else own_scale
        found.append(MapView(_SPREAD, text, spread, Colouring.SEQUENTIAL, scale))
    others = (map_of(maps, other) for other in maps.scored if other is not kind)
    return [*found, *(view for view in others if view is not None)]
