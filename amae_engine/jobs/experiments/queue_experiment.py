"""Queue an experiment, say how long it may take, and write its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import NewJob
from amae_engine.jobs.experiments.plans import Plan, plan_jobs
from amae_engine.jobs.experiments.results import (
    ExperimentTable,
    experiments,
    text_of,
    write_csv,
    write_latex,
)
from amae_engine.project import Project
from amae_engine.reports.figures import write_means


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long jobs may take, by the finished runs of this project that are like them.

    Attributes:
        seconds: Of the jobs that are known.
        unknown: How many jobs no finished run is like.
    """

    seconds: float
    jobs: int
    unknown: int

    @property
    def text(self) -> str:
        """A sentence for the reader."""
        hours = self.seconds / 3600
        known = f"about {hours:.1f} h" if hours >= 1 else f"about {self.seconds / 60:.0f} min"
        if self.unknown == self.jobs:
            return (
                f"{self.jobs} jobs; how long they take is not known before runs like them have "
                f"finished here."
            )
        rest = f"; {self.unknown} jobs are unlike any finished run" if self.unknown else ""
        return f"{self.jobs} jobs, {known}{rest}."


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


def estimate(project: Project, jobs: Sequence[NewJob]) -> Estimate:
    """Medians of finished runs of the same kind, and of the same method and epochs for a peer."""
    with project.session() as session:
        finished = [run for run in runs.list_runs(session) if run.finished_at and not run.error]
    times: dict[tuple[object, ...], list[float]] = {}
    for run in finished:
        began = datetime.fromisoformat(run.created_at)
        seconds = (datetime.fromisoformat(run.finished_at or "") - began).total_seconds()
        times.setdefault(_like(str(run.kind), run.config), []).append(seconds)
    known = [median(times[key]) for job in jobs if (key := _like(job.job, job.config)) in times]
    return Estimate(sum(known), len(jobs), len(jobs) - len(known))


def _like(kind: str, config: dict[str, object]) -> tuple[object, ...]:
    training = config.get("training")
    epochs = training.get("epochs") if isinstance(training, dict) else config.get("epochs")
    return (kind, config.get("method"), config.get("protocol"), config.get("preset"),
            config.get("reconstructs"), epochs)  # fmt: skip


def write_results(table: ExperimentTable, folder: Path) -> list[Path]:
    """Table as text, CSV and LaTeX, and its figure as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    text, comma, latex = (folder / f"{table.experiment}.{end}" for end in ("txt", "csv", "tex"))
    text.write_text(text_of(table) + "\n", encoding="utf-8")
    write_csv(table, comma)
    write_latex(table, latex)
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
