"""An experiment's table: means over replicates, Welch's test, every cell with its runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from amae_engine.catalog import job_queue, runs
from amae_engine.catalog.job_queue import QueueRow
from amae_engine.catalog.tables import QueueState, RunState, Split
from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, Protocol
from amae_engine.errors import AmaeError, NotReady
from amae_engine.evaluation.delong import Auc, mean_auc
from amae_engine.evaluation.multiple_testing import Replicates, replicates, stars, welch
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation, ScoreEvaluation, evaluate_run
from amae_engine.jobs.planning.experiment_plans import LEADING, REFERENCE, Experiment
from amae_engine.project import Project
from amae_engine.runs.inputs import read_inputs

_SHORT = "†"  # under a tenth of the publication's updates
_STATES_LEFT = (QueueState.WAITING, QueueState.RUNNING, QueueState.PAUSED)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a value for each seed that is done, and what became of the others.

    Attributes:
        values: By seed.
        runs: The run behind each value, by seed.
        failed: Why, by seed.
        open: How many seeds are still to come.
        by_chance: For χ², what truth dealt at random gives on average, by seed.
        judged: The scores behind the values, by seed.
        updates: Of a peer's weights, made here and in its publication (0: not given there); of the
            last seed.
    """

    row: str
    column: str
    values: dict[int, float]
    runs: dict[int, int]
    failed: dict[int, str]
    open: int
    by_chance: dict[int, float] = field(default_factory=dict)
    judged: dict[int, ScoreEvaluation] = field(default_factory=dict)
    updates: tuple[int, int] = (0, 0)

    @property
    def length(self) -> str:
        """How long a peer was trained, and how long its publication was; "" for AMAE's own."""
        made, published = self.updates
        there = f"{published:,}" if published else "a number that is not given"
        said = f"about {made:,} updates of the weights here, {there} in the publication or its code"
        return said if made else ""

    @property
    def is_short(self) -> bool:
        """Whether a peer was trained for less than a tenth of what its publication was."""
        made, published = self.updates
        return 10 * made < published

    @property
    def over_seeds(self) -> Replicates:
        """Mean and deviation."""
        return replicates(list(self.values.values()))

    @property
    def text(self) -> str:
        """Mean ± 1.96 std over the seeds; "failed"; "…" while it is to come.

        An AUC stands with its interval, which is of the seeds and of the test images, and with the AP;
        χ² next to what chance alone gives.
        """
        found = self.over_seeds
        if not found.count:
            return "failed" if self.failed else "…"
        digits = 1 if self.by_chance else 3  # χ² goes up to 100, AUC to 1
        spread = "" if math.isnan(found.std) else f" ± {found.half:.{digits}f}"
        fewer = f" (n = {found.count})" if self.failed or self.open else ""
        chance = f" ({fmean(self.by_chance.values()):.1f} by chance)" if self.by_chance else ""
        return f"{found.mean:.{digits}f}{spread}{chance}{self._of_images}{fewer}"

    @property
    def ap(self) -> float:
        """The mean average precision over the seeds; NaN without one."""
        return fmean(each.ap.value for each in self.judged.values()) if self.judged else math.nan

    @property
    def interval(self) -> Auc | None:
        """Of the mean AUC, over seeds and patients; None where the seeds judged different images."""
        every = list(self.judged.values())
        if not every or self.by_chance:
            return None
        first = every[0]
        if any(not np.array_equal(each.image_ids, first.image_ids) for each in every):
            return None
        return mean_auc(first.truth, [each.values for each in every], first.patients)

    @property
    def _of_images(self) -> str:
        if not self.judged or self.by_chance:
            return ""
        interval = self.interval
        said = "" if interval is None else f" ({interval.interval(3)})"
        same = len(self.values) > 1 and len(set(self.values.values())) == 1
        seeds = ", seeds change nothing" if same else ""
        return f"{said}, AP {self.ap:.3f}{seeds}"


@dataclass(frozen=True, slots=True)
class ExperimentTable:
    """What an experiment has found so far.

    Attributes:
        rows, columns: In the order of the queue.
        reference: The row that the others are tested against (Welch).
    """

    experiment: str
    measure: str
    measured_on: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    reference: str
    uses_hidden_truth: bool

    def p_value(self, row: str, column: str) -> float:
        """Welch's p-value of a cell against the reference row's; NaN where there is none."""
        one, other = self.cells.get((row, column)), self.cells.get((self.reference, column))
        if one is None or other is None or row == self.reference:
            return math.nan
        return welch(list(one.values.values()), list(other.values.values()))

    def text(self, row: str, column: str) -> str:
        """A cell with its stars."""
        cell = self.cells.get((row, column))
        if cell is None:
            return ""
        marks = (_SHORT if cell.is_short else "", stars(self.p_value(row, column)))
        return " ".join(part for part in (cell.text, *marks) if part)

    @property
    def lengths(self) -> list[str]:
        """How long each peer was trained, and how long its publication was."""
        return [
            f"{_SHORT if cell.is_short else ' '} {cell.row}, {cell.column}: {cell.length}"
            for cell in self.cells.values()
            if cell.length
        ]

    @property
    def failures(self) -> list[str]:
        """Which runs have no number, and why: a loss that is not a number, no memory."""
        return [
            f"{cell.row}, {cell.column}, seed {seed}: {why}"
            for cell in self.cells.values()
            for seed, why in sorted(cell.failed.items())
        ]

    @property
    def about(self) -> str:
        """What the numbers are, for every place that shows them."""
        name = {
            "auc": "AUC",
            "chi_square": "χ² distance of the score histograms (0 to 100; in brackets what truth "
            "dealt at random gives)",
        }[self.measure]
        both = " (95 % interval over replicates and patients), AP" if self.measure == "auc" else ""
        truth = (
            " The unlabeled images were drawn by their hidden truth."
            if self.uses_hidden_truth
            else ""
        )
        return (
            f"{name}, mean ± 1.96 std over replicates{both}, measured on {self.measured_on}; Welch's test "
            f"against '{self.reference}' (ns, ** p < 0.05, *** p < 0.01, **** p < 0.001).{truth}"
        )


def experiments(project: Project) -> list[str]:
    """The names of the experiments that were queued, newest first."""
    with project.session() as session:
        names = [job.experiment for job in job_queue.rows(session)]
    names = [name for name in names if name.rsplit("-", 1)[0] in set(Experiment)]
    return sorted(set(names), key=lambda name: -int(name.rsplit("-", 1)[-1]))


def experiment_table(project: Project, name: str, reader: str = "") -> ExperimentTable:
    """The table of an experiment, as far as it is.

    Raises:
        NotReady: There is no such experiment, or the test images are sealed.
    """
    with project.session() as session:
        jobs = [job for job in job_queue.rows(session, name) if job.reads]
    if not jobs:
        known = ", ".join(experiments(project)) or "none"
        raise NotReady(f"There is no experiment '{name}'; there are: {known}.")
    kind = Experiment(name.rsplit("-", 1)[0])
    cells: dict[tuple[str, str], Cell] = {}
    measured_on = "nothing yet"
    for job in jobs:
        evaluation, problem = _evaluated(project, job, reader)
        if evaluation is not None:
            truth = evaluation.truth
            normal = int((truth == 0).sum())
            measured_on = f"{normal} normal + {len(truth) - normal} abnormal test images"
        for read in job.reads:
            _fill(cells, job, read, kind.measure, evaluation, problem)
            if evaluation is not None and job.job == "peer":
                place = str(read["row"]), str(read["column"])
                updates = _updates(project, evaluation.run_id)
                cells[place] = replace(cells[place], updates=updates)
    rows, columns = (_in_order(place[n] for place in cells) for n in (0, 1))
    return ExperimentTable(
        name, kind.measure, measured_on, rows, columns, cells,
        REFERENCE if REFERENCE in rows else rows[0], kind.uses_hidden_truth,
    )  # fmt: skip


def _updates(project: Project, run_id: int) -> tuple[int, int]:
    """Of a peer's weights in one phase: made, and in its publication."""
    with project.session() as session:
        config = PeerConfig.from_dict(runs.get(session, run_id).config).completed
    images = read_inputs(project.run_folder(run_id)).images
    seen = [Split.NORMAL, Split.UNLABELED] if config.protocol is Protocol.Y else [Split.NORMAL]
    count = sum(len(images[split]) for split in seen if split in images)
    return config.updates(count), config.method.facts.updates


def _evaluated(project: Project, job: QueueRow, reader: str) -> tuple[RunEvaluation | None, str]:
    """The evaluation of a job that is done; else why there is none, "" where it is to come."""
    if job.state in _STATES_LEFT:
        return None, ""
    if job.state is not QueueState.DONE or job.run_id is None:
        return None, job.error or str(job.state)
    with project.session() as session:
        if runs.get(session, job.run_id).state is not RunState.FINISHED:
            return None, "its run did not finish"
    try:
        return evaluate_run(project, job.run_id, reader), ""
    except NotReady:
        raise
    except AmaeError as error:
        return None, str(error)


def _fill(
    cells: dict[tuple[str, str], Cell],
    job: QueueRow,
    read: dict[str, object],
    measure: str,
    evaluation: RunEvaluation | None,
    problem: str,
) -> None:
    row, column, seed = str(read["row"]), str(read["column"]), int(str(read["seed"]))
    cell = cells.setdefault((row, column), Cell(row, column, {}, {}, {}, 0))
    if seed in cell.values:
        return  # a later job of the cell stands in only where an earlier one has no number
    score = None
    if evaluation is not None:
        leading = evaluation.leading.kind if evaluation.leading else ScoreKind.DISCREPANCY
        kind = leading if read["score"] == LEADING else ScoreKind(str(read["score"]))
        score = evaluation.score(kind)
        problem = problem or ("" if score else "its run does not have this score")
    if score is not None and job.run_id is not None:
        if measure == "auc":
            cell.values[seed] = score.auc.value
        else:
            cell.values[seed] = score.chi_square
            cell.by_chance[seed] = score.chi_square_by_chance
        cell.judged[seed] = score
        cell.runs[seed] = job.run_id
        cell.failed.pop(seed, None)
    elif problem:
        cell.failed[seed] = problem
    else:
        cells[row, column] = replace(cell, open=cell.open + 1)


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def text_of(table: ExperimentTable) -> str:
    """The table for a terminal."""
    head = ["", *table.columns]
    lines = [[row, *(table.text(row, column) for column in table.columns)] for row in table.rows]
    widths = [max(len(line[n]) for line in (head, *lines)) for n in range(len(head))]
    drawn = ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True))
             for line in (head, *lines)]  # fmt: skip
    return "\n".join([table.about, *drawn, *table.failures, *table.lengths])


def csv_lines(table: ExperimentTable) -> Iterator[tuple[object, ...]]:
    """A header, then one line a cell and seed, with its run; failed ones too."""
    yield ("row", "column", "seed", table.measure, "ap", "by_chance", "run", "failed", "updates",
           "published_updates")  # fmt: skip
    for cell in table.cells.values():
        for seed in sorted({*cell.values, *cell.failed}):
            value, chance = (
                "" if number is None else f"{number:.6f}"
                for number in (cell.values.get(seed), cell.by_chance.get(seed))
            )
            run, why = cell.runs.get(seed, ""), cell.failed.get(seed, "")
            ap = f"{cell.judged[seed].ap.value:.6f}" if seed in cell.judged else ""
            made, published = (number or "" for number in cell.updates)
            yield (cell.row, cell.column, seed, value, ap, chance, run, why, made, published)


def latex_of(table: ExperimentTable) -> str:
    """A tabular with mean ± 1.96 std and the stars."""
    lines = [
        f"% {table.about}",
        rf"\begin{{tabular}}{{l{'c' * len(table.columns)}}}",
        " & ".join(["", *map(_latex, table.columns)]) + r" \\",
        r"\hline",
    ]
    for row in table.rows:
        cells = [_latex(table.text(row, column)) for column in table.columns]
        lines.append(" & ".join([_latex(row), *cells]) + r" \\")
    lines.append(r"\end{tabular}")
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    for plain, written in (
        ("\\", r"\textbackslash{}"), ("_", r"\_"), ("%", r"\%"), ("&", r"\&"), ("#", r"\#"),
        ("±", r"$\pm$"), ("χ²", r"$\chi^2$"), ("…", r"\dots"), ("†", r"\dag"),
    ):  # fmt: skip
        text = text.replace(plain, written)
    return re.sub(r"\*{2,}", lambda stars: f"$^{{{stars[0]}}}$", text)
