"""Queue an experiment, and write its results."""

from __future__ import annotations

import math
from pathlib import Path

from amae_engine.atomic_write import write_text
from amae_engine.catalog import job_queue
from amae_engine.jobs.planning.estimates import Estimate, estimate
from amae_engine.jobs.planning.experiment_plans import Plan, plan_jobs
from amae_engine.jobs.planning.experiment_results import (
    ExperimentTable,
    csv_lines,
    experiments,
    latex_of,
    text_of,
)
from amae_engine.project import Project
from amae_engine.reports.figures import write_means
from amae_engine.reports.table import write_csv


def queue_experiment(project: Project, plan: Plan) -> tuple[str, Estimate]:
    """Queue an experiment's grid; its name, and how long it may take.

    Raises:
        BadSetting: A setting is unknown.
        TooFewImages: The hidden truth does not allow the anomaly ratios.
    """
    jobs = plan_jobs(project, plan)
    numbers = [int(name.rsplit("-", 1)[-1]) for name in experiments(project)]
    name = f"{plan.experiment}-{max(numbers, default=0) + 1}"
    guess = estimate(project, jobs)
    with project.session() as session:
        job_queue.add(session, name, jobs)
    return name, guess


def write_results(table: ExperimentTable, folder: Path) -> list[Path]:
    """Table as text, CSV and LaTeX, and its figure as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    text, comma, latex = (folder / f"{table.experiment}.{end}" for end in ("txt", "csv", "tex"))
    write_text(text, text_of(table) + "\n")
    write_csv(comma, csv_lines(table), (table.about,))
    write_text(latex, latex_of(table))
    rows = {}
    for row in table.rows:
        found = [table.cells.get((row, column)) for column in table.columns]
        means = [math.nan if cell is None else cell.over_seeds.mean for cell in found]
        halves = [
            0.0 if cell is None or math.isnan(cell.over_seeds.std) else cell.over_seeds.half
            for cell in found
        ]
        rows[row] = (means, halves)
    measure = {"auc": "AUC", "chi_square": "χ² distance"}[table.measure]
    figures = [folder / f"{table.experiment}.{end}" for end in ("png", "svg")]
    for path in figures:
        write_means(path, table.columns, rows, measure, table.about)
    return [text, comma, latex, *figures]
