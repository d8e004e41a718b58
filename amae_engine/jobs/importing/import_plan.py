"""What a reader asked to import, and the files that this means."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from amae_engine.errors import BadInput
from amae_engine.events import Event
from amae_engine.images import csv_table
from amae_engine.images.archive import ZIP_SUFFIX, unpack
from amae_engine.images.csv_table import CsvColumns, from_csv, is_table, patients_of
from amae_engine.images.known_tables import from_known_table, recognise
from amae_engine.images.repartition import curated_lists, from_curated_lists, from_repartition
from amae_engine.images.sources import Selection, from_paths, parse_truth_values
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_mappings import recall, remember
from amae_engine.jobs.importing.import_report import ImportReport, Twins
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """One import.

    Attributes:
        paths: Folders, images, zip archives and DICOMDIRs; or one CSV table; or one DDAD repartition (.json); or NSA's
            curated lists (one .txt, or their folder).
        role: For images that no folder or table gives a role.
        source: A short label of where the images come from.
        image_folder: Where a table's files lie; its own folder by default.
        columns: File, role, truth and patient column of a CSV table; () for the mapping
            remembered for its header, the ready one of a public set, or the usual names.
        truth_values: What values of the truth column mean: ("COVID", "abnormal").
        folder_words: What folder names mean: ("controls", "normal").
        unlabeled: M of a repartition; None takes the whole pool.
        anomaly_ratio: AR of those M images.
        manifest: A table with columns file and patient, for a repartition.
        twins: What becomes of images that are probably there in another format.
        outside: Whether a table may name files outside the folder with the images.
        at_once: Files that are decoded at the same time; 0 is one a core.
    """

    paths: tuple[Path, ...]
    role: str = ""
    source: str = ""
    image_folder: Path | None = None
    columns: tuple[str, ...] = ()
    truth_values: tuple[tuple[str, str], ...] = ()
    folder_words: tuple[tuple[str, str], ...] = ()
    unlabeled: int | None = None
    anomaly_ratio: float | None = None
    manifest: Path | None = None
    twins: Twins = Twins.LEAVE_OUT
    outside: bool = False
    at_once: int = 0

    def unpacked(self, folder: Path) -> ImportPlan:
        """This plan with its zip archives unpacked into `folder`.

        Raises:
            Refusal: An archive is damaged, encrypted, or too large.
        """
        paths = tuple(
            unpack(path, folder) if path.suffix.lower() == ZIP_SUFFIX and path.is_file() else path
            for path in self.paths
        )
        return replace(self, paths=paths)

    def select(self, project: Project | None = None) -> Selection:
        """The files to import.

        Args:
            project: Remembers how tables are mapped.

        Raises:
            BadInput: The sources cannot be read, or hold no image.
        """
        if not self.paths:
            raise BadInput("Nothing to import: choose a folder, images, a CSV or a data.json.")
        first = self.paths[0]
        root = self.image_folder or (first if first.is_dir() else first.parent)
        if len(self.paths) == 1:
            if is_table(first):
                return self._from_table(first, root, project)
            if first.suffix.lower() == ".json":
                patients = patients_of(self.manifest) if self.manifest else None
                ratio = self.anomaly_ratio
                files = from_repartition(first, root, self.unlabeled, ratio, patients, self.outside)
                return Selection("DDAD repartition", tuple(files))
            if first.suffix.lower() == ".txt" or (first.is_dir() and curated_lists(first)):
                files = from_curated_lists(first, root, self.outside)
                return Selection("NSA's curated lists", tuple(files))
        found = from_paths(self.paths, self.role, dict(self.folder_words), with_others=True)
        return Selection("folders and files", tuple(found))

    def _from_table(self, table: Path, root: Path, project: Project | None) -> Selection:
        names = csv_table.header(table)
        said = parse_truth_values(self.truth_values)
        is_mapped = any(self.columns[:1])
        remembered = None if is_mapped or project is None else recall(project, names)
        known = None if is_mapped or remembered else recognise(names)
        if known is not None:
            return from_known_table(table, known, root, self.role, said, self.outside)
        columns = remembered or CsvColumns()
        if is_mapped:
            file, role, truth, patient = self.columns
            columns = CsvColumns(file, role, truth, patient)
        columns = columns.with_values(said)
        files = from_csv(table, columns, root, self.role, self.outside)
        if project is not None and (is_mapped or said):
            remember(project, names, columns)
        return Selection("remembered mapping" if remembered else "table", tuple(files))


def import_plan(
    project: Project, plan: ImportPlan, reader: str = ""
) -> Generator[Event, None, ImportReport]:
    """Find the plan's files and import them; see `import_images`."""
    default = "folder" if plan.paths and plan.paths[0].is_dir() else "files"
    # originals out of an archive stay with the project: they are looked at in full
    files = plan.unpacked(project.folder / "private" / "originals").select(project).files
    report = yield from import_images(
        project, files, plan.source or default, reader, plan.twins, plan.at_once
    )
    return report


def table_columns(table: Path) -> tuple[str, ...]:
    """The columns that a reader may map; () where the table cannot be read or needs no mapping."""
    try:
        names = csv_table.header(table)
    except BadInput:
        return ()
    return () if recognise(names) else names
