"""The demo: a project of real images that ships with the program."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from amae_engine.catalog import imports
from amae_engine.events import Event
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import ImportReport
from amae_engine.project import Project
from amae_engine.resources import required_resource

NAME = "Demo"
DEMO_SOURCE = "demo"
ATTRIBUTION = "Demo images: Kermany, Zhang, Goldbaum, Mendeley Data 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0"


def import_demo(project: Project) -> Generator[Event, None, ImportReport]:
    """Import the demo images; those that are there already stay as they are."""
    table = required_resource("demo/manifest.csv")
    files = from_csv(table, CsvColumns())
    report = yield from import_images(project, files, DEMO_SOURCE, "demo")
    return report


def is_whole(project: Project) -> bool:
    """Whether the demo images came in to the last one."""
    with project.session() as session:
        return imports.has_ended(session, project.source_names.code(DEMO_SOURCE))


def open_demo(folder: Path) -> Generator[Event, None, Project]:
    """Open the demo project in `folder`, making it first where it is not there.

    An import that was cut short is finished; images that are there already stay.
    """
    project = get_demo(folder)
    if not is_whole(project):
        yield from import_demo(project)
    return project


def get_demo(folder: Path) -> Project:
    """The demo project in `folder`, made where it is not there; its images may still be missing."""
    if (folder / "project.json").is_file():
        return Project.open(folder)
    return Project.create(folder, NAME)
