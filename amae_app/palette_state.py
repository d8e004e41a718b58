"""What Ctrl+K finds in the catalog; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from amae_engine.catalog import runs, studies
from amae_engine.catalog.database import Session
from amae_engine.catalog.tables import JUDGED, RunState
from amae_engine.errors import BadInput

_MOST_IMAGES = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a text names.

    Attributes:
        runs: Number and title of each.
        images: Their names.
    """

    runs: tuple[tuple[int, str], ...]
    images: tuple[str, ...]


def find(session: Session, text: str) -> Found:
    """Finished runs whose title has every word, and images whose name has the first one."""
    words = text.lower().split()
    titles = tuple(
        (run.id, title)
        for run in runs.list_runs(session)
        if run.kind in JUDGED and run.state is RunState.FINISHED
        and all(word in (title := f"Run {run.id} · {run.kind}").lower() for word in words)
    )  # fmt: skip
    try:
        ids = studies.page_of_ids(session, f"name:{text.split()[0]}")[:_MOST_IMAGES]
    except BadInput:
        return Found(titles, ())
    return Found(titles, tuple(row.name for row in studies.rows(session, ids.tolist())))
