"""How quick the catalog stays as it grows to a million images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amae_engine.catalog import decisions, image_tables, studies
from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.decisions import RANDOM, Offer
from amae_engine.catalog.studies import SORT_KEYS
from amae_engine.catalog.synthetic import add_synthetic_images
from amae_engine.catalog.tables import Label, Split
from amae_engine.project import Project
from tests.benchmarks.process_memory import resident_bytes

_TRIALS = 3
_MOST_DECIDED = 100_000
_AN_ACT = 5_000  # images
_PAGE = 100
_FILTERS = (
    "", "split:unlabeled", "truth:abnormal", "truth:unknown", "source:hospital-7", "view:PA",
    "patient:P17", "name:CXR-00012", "flag:no-window", "hospital-1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CatalogTimes:
    """A catalog of `images` images; times in milliseconds, the best of three.

    Attributes:
        filters: Each filter, by the image's number.
        sorts: All images by each key, ascending and descending.
        page: A hundred rows out of the middle.
        counts: Images and patients of every split.
        decided: Images with a decision, made before what follows.
        standing: Which decisions stand, read for the first time.
        standing_next: The same after one more decision, by who has read them before.
    """

    images: int
    database_bytes: int
    open: float
    filters: dict[str, float]
    sorts: dict[str, float]
    page: float
    counts: float
    decided: int
    standing: float
    standing_next: float
    resident_bytes: int


def catalog_times(counts: list[int], catalog_url: str = "") -> Iterator[CatalogTimes]:
    """Measure catalogs of made-up images.

    Args:
        counts: Images of each catalog.
        catalog_url: An empty PostgreSQL database, for one count; "" for SQLite.
    """
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="amae-bench-") as place:
            folder = Path(place) / "project"
            project = Project.create(folder, catalog_url=catalog_url)
            with project.session() as session:
                add_synthetic_images(session, count)
            project.analyse()
            project.close()
            yield _measure(folder, count)


def _measure(folder: Path, count: int) -> CatalogTimes:
    began = time.perf_counter()
    project = Project.open(folder)
    opened = 1000 * (time.perf_counter() - began)

    def ids(text: str = "", sort: str = "name", descending: bool = False) -> int:
        with project.session() as session:
            return len(studies.page_of_ids(session, text, sort, descending))

    def page() -> int:
        middle = range(max(1, count // 2), max(1, count // 2) + _PAGE)
        with project.session() as session:
            return len(studies.rows(session, middle))

    def split_counts() -> int:
        with project.session() as session:
            return len(studies.split_counts(session))

    filters = {text or "(all)": _best(lambda t=text: ids(t)) for text in _FILTERS}  # type: ignore[misc]
    sorts = {}
    for key in SORT_KEYS:
        for descending in (False, True):
            name = f"{key} {'descending' if descending else 'ascending'}"
            sorts[name] = _best(lambda k=key, d=descending: ids("", k, d))  # type: ignore[misc]
    size = sum(path.stat().st_size for path in folder.glob("catalog.sqlite*"))
    decided = _decide(project)
    kept = CurrentDecisions()

    def standing(reader: CurrentDecisions) -> int:
        with project.session() as session:
            return len(reader.read(session).decided)

    def one_more() -> None:
        with project.session() as session:
            decisions.decide(session, decided[:1], Label.NORMAL, "bench")

    standing(kept)
    found = CatalogTimes(
        images=count,
        database_bytes=size,
        open=opened,
        filters=filters,
        sorts=sorts,
        page=_best(page),
        counts=_best(split_counts),
        decided=len(decided),
        standing=_best(lambda: standing(CurrentDecisions())),
        standing_next=_best(lambda: standing(kept), before=one_more),
        resident_bytes=resident_bytes(),
    )
    project.close()
    return found


def _decide(project: Project) -> list[int]:
    """Decide on the unlabeled images, at most a hundred thousand; returns which."""
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids[:_MOST_DECIDED].tolist()
    for start in range(0, len(ids), _AN_ACT):
        with project.session() as session:
            some = ids[start : start + _AN_ACT]
            decisions.decide(session, some, Label.ABNORMAL, "bench", offer=Offer(RANDOM))
    return ids


def _best(act: Callable[[], int], before: Callable[[], None] = lambda: None) -> float:
    times = []
    for _ in range(_TRIALS):
        before()
        began = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - began))
    return round(min(times), 1)
