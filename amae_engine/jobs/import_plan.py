"""What a reader asked to import, and the files that this means."""

from __future__ import annotations

import csv
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from amae_engine.errors import BadInput
from amae_engine.events import Event
from amae_engine.images.sources import (
    CsvColumns,
    SourceFile,
    from_csv,
    from_paths,
    from_repartition,
    patients_of,
)
from amae_engine.jobs.import_images import ImportReport, import_images
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """One import.

    Attributes:
        paths: Folders and films; or one CSV table; or one DDAD repartition (.json).
        role: For films that no folder or table gives a role.
        source: A short label of where the films come from.
        image_folder: Where a table's files lie; its own folder by default.
        columns: File, role, truth and patient column of a CSV table; () for the usual names.
        unlabeled: M of a repartition; None takes the whole pool.
        anomaly_ratio: AR of those M films.
        manifest: A table with columns file and patient, for a repartition.
    """

    paths: tuple[Path, ...]
    role: str = ""
    source: str = ""
    image_folder: Path | None = None
    columns: tuple[str, ...] = ()
    unlabeled: int | None = None
    anomaly_ratio: float | None = None
    manifest: Path | None = None

    def files(self) -> list[SourceFile]:
        """The files to import.

        Raises:
            BadInput: The sources cannot be read, or hold no film.
        """
        if not self.paths:
            raise BadInput("Nothing to import: choose a folder, films, a CSV or a data.json.")
        first = self.paths[0]
        suffix = first.suffix.lower() if len(self.paths) == 1 else ""
        if suffix == ".csv":
            columns = CsvColumns(*self.columns) if self.columns else CsvColumns()
            return from_csv(first, columns, self.image_folder, self.role)
        if suffix == ".json":
            patients = patients_of(self.manifest) if self.manifest else None
            root = self.image_folder or first.parent
            return from_repartition(first, root, self.unlabeled, self.anomaly_ratio, patients)
        return from_paths(self.paths, self.role)


def import_plan(
    project: Project, plan: ImportPlan, reader: str = ""
) -> Generator[Event, None, ImportReport]:
    """Find the plan's files and import them; see `import_images`."""
    default = "folder" if plan.paths and plan.paths[0].is_dir() else "files"
    report = yield from import_images(project, plan.files(), plan.source or default, reader)
    return report


def csv_columns(table: Path) -> list[str]:
    """The header of a CSV table; [] where it cannot be read."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
