"""One reader who decides without a pause: python -m …selftest.writer PROJECT READER FIRST COUNT.

Prints the number of each decision once it is in the catalog; a database that is away is waited for.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from amae_engine.catalog import decisions, image_tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.errors import AmaeError
from amae_engine.project import Project

_PATIENCE = 30.0  # seconds for a database that restarts
_LABELS = (Label.NORMAL, Label.ABNORMAL, Label.EXCLUDE)


def write(folder: Path, reader: str, first: int, count: int) -> None:
    """Decide `count` times, beginning with decision `first`."""
    with closing(Project.open(folder)) as project:
        with project.session() as session:
            ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        for number in range(first, first + count):
            _decide(project, ids[number % len(ids)], _LABELS[number % 3], reader)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def _decide(project: Project, image: int, label: Label, reader: str) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with project.session() as session:
                decisions.decide(session, [image], label, reader)
        except AmaeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
