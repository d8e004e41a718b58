"""The report's section on locked operating points, and what they do to the test images."""

from __future__ import annotations

from amae_engine.catalog import looks
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation
from amae_engine.jobs.evaluation.model_basis import points_for
from amae_engine.jobs.evaluation.operating_points import (
    PointResult,
    choice_of,
    falls_short,
    result_at,
)
from amae_engine.project import Project
from amae_engine.reports.html_report import ReportSection, ReportTable

_COLUMNS = (
    "score",
    "threshold",
    "chosen by",
    "chosen on",
    "locked by, at (UTC)",
    "when that was",
)


def operating_section(project: Project, evaluation: RunEvaluation) -> ReportSection:
    """Thresholds that were locked: when, by whom, on what, and what came of them."""
    points = points_for(project, evaluation.run_id)
    with project.session() as session:
        seen, images = looks.seen(session), looks.tested_on(session)
    said = [
        f"Seen so far of the {images} test images with known truth: "
        f"{'; '.join(each.text for each in seen)}."
        if seen
        else "Nothing was seen of the test images yet."
    ]
    if not points:
        said.append("No operating point was locked: every threshold on these images is optimistic.")
    locked, results = [], []
    for point in points:
        choice = choice_of(point)
        locked.append(
            (
                point.kind.label,
                f"{point.threshold:.6g}",
                choice.text,
                point.chosen_on,
                f"{point.reader}, {point.locked_at[:19]}",
                point.when,
            )
        )
        judged = evaluation.score(point.kind)
        if judged is None:
            continue
        found = result_at(
            judged.truth, judged.values, point.threshold, point.prevalence, judged.patients
        )
        results.append(_result_table(point.kind.label, judged.images, found))
        if short := falls_short(choice, found):
            said.append(f"{point.kind.label}: {short}")
    return ReportSection(
        "Operating points",
        "CLAIM 2024: thresholds. TRIPOD+AI: 15 (model output, thresholds)",
        tuple(said),
        (ReportTable(_COLUMNS, tuple(locked)), *results) if points else (),
    )


def _result_table(score: str, images: str, found: PointResult) -> ReportTable:
    columns = ("score", "test images", *found.numbers)
    return ReportTable(columns, ((score, images, *found.numbers.values()),))
