"""The demo: a project of real images that ships with the program."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from amae_engine.config import (
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    score_preset,
    stage1_preset,
    stage2_preset,
)
from amae_engine.events import Event
from amae_engine.images.csv_table import CsvColumns, from_csv
from amae_engine.jobs.import_images import import_images
from amae_engine.jobs.import_report import ImportReport
from amae_engine.jobs.score_images import score_images
from amae_engine.jobs.train_stage1 import train_stage1
from amae_engine.jobs.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.resources import required_resource

NAME = "Demo"
DEMO_SOURCE = "demo"
ATTRIBUTION = "Demo images: Kermany, Zhang, Goldbaum, Mendeley Data 2018, doi:10.17632/rscbjbr9sj.2, CC BY 4.0"


def import_demo(project: Project) -> Generator[Event, None, ImportReport]:
    """Import the demo images into an empty project."""
    table = required_resource("demo/manifest.csv")
    files = from_csv(table, CsvColumns())
    report = yield from import_images(project, files, DEMO_SOURCE, "demo")
    return report


def open_demo(folder: Path) -> Generator[Event, None, Project]:
    """Open the demo project in `folder`, making it first where it is not there."""
    if (folder / "project.json").is_file():
        return Project.open(folder)
    project = Project.create(folder, NAME)
    yield from import_demo(project)
    return project


def run_demo(
    project: Project,
    stage1: Stage1Config | None = None,
    stage2: Stage2Config | None = None,
    score: ScoreConfig | None = None,
) -> Generator[Event, None, int]:
    """Stage 1, pseudo-labels, stage 2 and scoring, one after another.

    Returns:
        The score run's number.
    """
    first = yield from train_stage1(project, stage1 or stage1_preset("compact"))
    second = stage2 or stage2_preset("compact")
    modules = yield from train_stage2(project, second.replace(stage1_run=first))
    chosen = (score or score_preset("compact")).replace(stage2_run=modules)
    scored = yield from score_images(project, chosen)
    return scored
