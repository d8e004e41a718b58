"""What separates a project's normal images from its unlabeled ones other than disease."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from amae_engine.catalog import studies
from amae_engine.catalog.image_facts import RECORDED
from amae_engine.evaluation.grey_statistics import grey_features
from amae_engine.images import acquisition_facts as pictured
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.catalog.studies import ImageRow
    from amae_engine.evaluation.shortcuts import Fact

_AT_ONCE = 256
_MOST_VALUES = 100  # of a fact with values; the rarest others count as unknown
# facts by name: how to read them, and the one that disease changes too
_PICTURED = {
    "border": pictured.border,
    "markers": pictured.markers,
    "sharpness": pictured.sharpness,
    "grey values": grey_features,
}
_OF_DISEASE = ("sharpness", "grey values")  # haze blurs ribs
FACTS = (*RECORDED, "size", *_PICTURED)


def gather_facts(
    project: Project,
    ids: npt.NDArray[np.int64],
    store_rows: npt.NDArray[np.int64],
    names: Iterable[str] = FACTS,
) -> Generator[int, None, list[Fact]]:
    """Facts of images, in the order of `names`; yields how many images' pixels are read.

    Args:
        project: Where the images are.
        ids: (n,) of the images.
        store_rows: (n,) their rows in the pixel store.
        names: Of `FACTS`.
    """
    from amae_engine.evaluation.shortcuts import Fact

    wanted = list(names)
    measured = yield from _measure(project, store_rows, [n for n in wanted if n in _PICTURED])
    with project.session() as session:
        rows = studies.rows(session, ids.tolist())
    found = []
    for name in wanted:
        if name in measured:
            found.append(Fact(name, measured[name], may_be_disease=name in _OF_DISEASE))
        elif name == "size":
            sides = np.array([(row.rows, row.columns) for row in rows], dtype=np.float64)
            found.append(Fact(name, sides.reshape(-1, 2)))
        else:
            found.append(_of_record(name, rows))
    return found


def _measure(
    project: Project, store_rows: npt.NDArray[np.int64], names: Sequence[str]
) -> Generator[int, None, dict[str, npt.NDArray[np.float64]]]:
    parts: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in names}
    for start in range(0, len(store_rows) if names else 0, _AT_ONCE):
        images = project.pixels.read(store_rows[start : start + _AT_ONCE])
        for name in names:
            parts[name].append(_PICTURED[name](images))
        yield min(start + _AT_ONCE, len(store_rows))
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def _of_record(name: str, rows: Sequence[ImageRow]) -> Fact:
    from amae_engine.evaluation.shortcuts import Fact

    texts = [str(getattr(row, RECORDED[name])) for row in rows]
    values, counts = np.unique([text for text in texts if text], return_counts=True)
    common = values[np.argsort(-counts, kind="stable")[:_MOST_VALUES]].tolist()
    codes = {value: float(place) for place, value in enumerate(sorted(common))}
    column = np.array([codes.get(text, np.nan) for text in texts], dtype=np.float64)
    return Fact(name, column[:, None], tuple(sorted(common)) or ("",))
