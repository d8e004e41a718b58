"""Write the report of a score run as one HTML file."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from amae_engine.catalog.audit import audit
from amae_engine.errors import BadInput
from amae_engine.events import Event, Progress
from amae_engine.jobs.evaluation.evaluate_run import RunEvaluation
from amae_engine.jobs.sharing.export import image_panels, shown_score, write_run_curves
from amae_engine.jobs.sharing.operating_section import operating_section
from amae_engine.jobs.sharing.regions_section import regions_section
from amae_engine.jobs.sharing.report_sections import (
    again_section,
    data_section,
    learned_section,
    limits_section,
    method_section,
    readers_section,
    result_section,
    subgroup_section,
)
from amae_engine.project import Project
from amae_engine.reports.figures import write_image_panels
from amae_engine.reports.html_report import (
    Report,
    ReportPicture,
    ReportSection,
    picture_of,
    write_html,
)
from amae_engine.runs.environment import versions

_CASES = 3  # of each kind
_LARGEST_LOGO, _LONGEST_SECTION = 2_000_000, 100_000  # bytes, characters


def make_report(
    project: Project,
    evaluation: RunEvaluation,
    reader: str = "",
    logo: Path | None = None,
    own_section: Path | None = None,
) -> Generator[Event, None, Path]:
    """Write `exports/run-NNN/report.html`; it needs no other file.

    Args:
        project: Where the run is.
        evaluation: Of the run.
        reader: Who asks, for the audit.
        logo: A PNG, JPEG or SVG to stand at the top.
        own_section: A text file; its first line is the heading, empty lines part paragraphs.

    Raises:
        BadInput: The logo or the section cannot be used.
        ProjectError: The project is open for reading only.
    """
    project.require_writable()
    picture = _logo(logo) if logo is not None else None
    own = [_own(own_section)] if own_section is not None else []
    yield Progress("Report", 0, 3)
    folder = project.exports_folder / f"run-{evaluation.run_id:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="amae-report-") as place:
        curves = picture_of(
            write_run_curves(evaluation, Path(place) / "curves.svg"),
            f"ROC and precision-recall curves, measured on {evaluation.measured_on}",
        )
        yield Progress("Report", 1, 3)
        cases = _cases(project, evaluation, Path(place) / "cases.png")
    yield Progress("Report", 2, 3)
    sections = (
        data_section(project),
        method_section(project, evaluation.run_id),
        result_section(evaluation, curves),
        operating_section(project, evaluation),
        learned_section(evaluation),
        subgroup_section(project, evaluation),
        cases,
        readers_section(project),
        regions_section(project, evaluation.run_id),
        *own,
        again_section(project, evaluation.run_id),
        limits_section(evaluation),
    )
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    title = f"{project.name}: run {evaluation.run_id}"
    by = f"AMAE {versions()['amae']}" + (f", {reader}" if reader else "")
    path = folder / "report.html"
    write_html(path, Report(title, by, made_at, sections, picture))
    with project.session() as session:
        audit(session, reader, "export", f"report of run {evaluation.run_id}")
    return path


def _cases(project: Project, evaluation: RunEvaluation, path: Path) -> ReportSection:
    """The clearest right and wrong images by the leading score, with their maps."""
    shown, items = shown_score(evaluation), "CLAIM 2024: failure analysis. TRIPOD+AI: 23"
    if shown is None:
        return ReportSection("Cases", items, ("No score has cases to show.",))
    order = np.argsort(-shown.values, kind="stable")
    abnormal, normal = order[shown.truth[order] == 1], order[shown.truth[order] == 0]
    chosen = [
        *abnormal[:_CASES],
        *normal[:_CASES],
        *abnormal[::-1][:_CASES],
        *normal[::-1][:_CASES],
    ]
    panels = image_panels(project, evaluation, shown, [int(place) for place in chosen])
    if not panels:
        return ReportSection("Cases", items, ("This run keeps no maps.",))
    name = evaluation.label(shown.kind)
    write_image_panels(path, panels, f"{name}, run {evaluation.run_id}")
    caption = (
        f"By '{name}', {_CASES} of each: abnormal and rated highest; normal and rated highest; abnormal "
        f"and rated lowest; normal and rated lowest."
    )
    return ReportSection("Cases", items, (), (), (picture_of(path, caption),))


def _logo(path: Path) -> ReportPicture:
    try:
        if path.stat().st_size > _LARGEST_LOGO:
            raise BadInput(f"{path.name} is larger than 2 MB; take a smaller logo.")
        return picture_of(path, "Logo")
    except KeyError as error:
        raise BadInput(f"{path.name} is no PNG, JPEG or SVG file.") from error
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read ({error.strerror}).") from error


def _own(path: Path) -> ReportSection:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read as a text in UTF-8.") from error
    if not text.strip() or len(text) > _LONGEST_SECTION:
        raise BadInput(
            f"{path.name} must hold a heading and paragraphs, up to {_LONGEST_SECTION:,} characters."
        )
    title, _, rest = text.strip().partition("\n")
    lines = tuple(" ".join(part.split()) for part in rest.split("\n\n") if part.strip())
    return ReportSection(title.lstrip("# ").strip(), "", lines)
