"""The report's section on regions: what readers marked, and how a run's maps find it."""

from __future__ import annotations

from collections import Counter

from amae_engine.catalog import regions
from amae_engine.catalog.regions import RegionState
from amae_engine.errors import NotReady
from amae_engine.evaluation.localisation import DICE
from amae_engine.jobs.evaluation.evaluate_maps import evaluate_maps, regions_by_image
from amae_engine.project import Project
from amae_engine.reports.html_report import ReportSection, ReportTable


def regions_section(project: Project, run_id: int) -> ReportSection:
    """Regions by reader and what was said of them; each map against those that are marked."""
    items = "CLAIM 2024: annotation, localisation. TRIPOD+AI: 8 (outcome), 23 (performance)"
    with project.session() as session:
        found = [row for row in regions.of_images(session) if row.state is not RegionState.NOTE]
    if not found:
        return ReportSection("Regions", items, ("No region was drawn, judged or imported.",))
    counts = Counter((row.reader, str(row.state)) for row in found)
    lines = tuple((reader, state, str(n)) for (reader, state), n in sorted(counts.items()))
    tables = [ReportTable(("reader", "regions", "number"), lines)]
    try:
        judged = evaluate_maps(project, regions_by_image(project), run_id)
    except NotReady:
        said = (
            f"None of them was marked without a map on a test image that has one in run {run_id}."
        )
        return ReportSection("Regions", items, (said,), tuple(tables))
    first = next(iter(judged.values()))
    tables.append(
        ReportTable(
            ("map", *first.texts),
            tuple((kind.label, *each.texts.values()) for kind, each in judged.items()),
        )
    )
    said = (
        f"The maps on the {first.images} test images of {first.patients} patients with a region that "
        f"was drawn or imported; one that began as a part of a map does not count. 95 % intervals over "
        f"patients. Dice: {DICE}."
    )
    return ReportSection("Regions", items, (said,), tuple(tables))
