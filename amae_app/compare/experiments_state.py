"""What the experiments panel shows; knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from amae_engine.catalog import job_queue
from amae_engine.catalog.job_queue import QueueRow
from amae_engine.catalog.tables import QueueState
from amae_engine.errors import NotReady
from amae_engine.jobs.planning.experiment_results import (
    ExperimentTable,
    experiment_table,
    experiments,
)
from amae_engine.jobs.planning.work_queue import is_at_work
from amae_engine.project import Project


@dataclass(frozen=True, slots=True)
class ExperimentsState:
    """The stored queue, and one experiment's table.

    Attributes:
        names: Of the experiments, newest first.
        jobs: Of the whole queue, in its order.
        table: Of the chosen experiment; None without one, `problem` says why.
        is_at_work: Whether a worker is at work on this project.
    """

    names: tuple[str, ...]
    jobs: tuple[QueueRow, ...]
    table: ExperimentTable | None
    problem: str
    is_at_work: bool

    @property
    def left(self) -> int:
        """Jobs that are not over."""
        return sum(job.state in job_queue.OPEN for job in self.jobs)

    def jobs_of(self, experiment: str) -> list[QueueRow]:
        """The jobs of an experiment, in their order."""
        return [job for job in self.jobs if job.experiment == experiment]

    def text(self) -> str:
        """How far the queue is."""
        if not self.jobs:
            return "Nothing is queued yet."
        count = {state: sum(job.state is state for job in self.jobs) for state in QueueState}
        parts = [f"{count[s]} {s}" for s in QueueState if count[s]]
        worker = "a worker is at work" if self.is_at_work else "no worker is at work"
        return f"{', '.join(parts)}; {worker}."


def read_experiments(
    project: Project, name: str, reader: str, before: ExperimentsState | None = None
) -> ExperimentsState:
    """Read the queue, and an experiment's table.

    Args:
        project: Whose.
        name: Of the experiment; "" is the newest.
        reader: Who looks, for the audit.
        before: What was read before, whose table holds where none of its jobs has changed.
    """
    names = tuple(experiments(project))
    with project.session() as session:
        jobs = tuple(job_queue.rows(session))
    table, problem = None, "Queue an experiment to fill its table from your own images."
    chosen = name if name in names else next(iter(names), "")
    shown = before.table if before is not None else None
    if (
        before is not None
        and shown is not None
        and shown.experiment == chosen
        and (before.jobs_of(chosen) == [job for job in jobs if job.experiment == chosen])
    ):
        table, problem = shown, ""
    elif chosen:
        try:
            table, problem = experiment_table(project, chosen, reader), ""
        except NotReady as error:
            problem = str(error)
    return ExperimentsState(names, jobs, table, problem, is_at_work(project))
