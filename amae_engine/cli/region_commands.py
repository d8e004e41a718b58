"""`amae regions`: what readers and others marked, as a list, a table, and taken in."""

from __future__ import annotations

import argparse
import math
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amae_engine.cli.output import say, say_json
from amae_engine.config import ScoreKind
from amae_engine.errors import NotReady
from amae_engine.project import Project
from amae_engine.reports.table import write_csv


def add_regions(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `regions`."""
    text = "regions that readers drew, agreed with or rejected, and that others marked"
    verb = verbs.add_parser("regions", help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument(
        "--import",
        dest="marks",
        type=Path,
        help="take marks in: boxes (CSV as RSNA's or VinDr-CXR's, or file, x, y, width, height), "
        "mask pictures, DICOM segmentations, or a folder of these",
    )
    verb.add_argument("--run", type=int, default=0, help="measure by this run's map; the newest")
    verb.add_argument(
        "--score", default="", choices=["", *ScoreKind], help="whose map; the leading"
    )
    verb.add_argument("--csv", type=Path, help="write the list as a table")
    verb.add_argument("--reader", default="", help="who acts")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=regions, name="regions")


def regions(options: Namespace) -> None:
    """Take marks in, or list the current ones."""
    from amae_engine.jobs.curation.marked_images import import_marks

    project = Project.open(options.project)
    if options.marks is not None:
        taken = import_marks(project, options.marks, options.reader)
        if options.json:
            say_json(asdict(taken))
        else:
            say(
                f"{taken.regions} regions on {taken.images} images; {taken.unknown} marked images "
                f"are not in this project."
            )
    else:
        _list(project, options)


def _list(project: Project, options: Namespace) -> None:
    from amae_engine.jobs.curation.image_regions import run_regions
    from amae_engine.reports.table import spreadsheet_text

    run, kind = _map(project, options)
    lines: list[dict[str, Any]] = [
        {
            "image": name,
            "region": each.region,
            "reader": each.reader,
            "state": str(each.state),
            "share_of_image": round(each.share, 6),
            "mm2": None if each.mm2 is None else round(each.mm2, 1),
            "map": "" if math.isnan(each.peak) else f"run {run}, {kind}",
            "mean": None if math.isnan(each.mean) else each.mean,
            "peak": None if math.isnan(each.peak) else each.peak,
            "note": each.note,
            "outline": [list(point) for point in each.outline.points],
            "shape": str(each.outline.shape),
        }
        for name, each in run_regions(project, run, kind)
    ]
    if options.csv is not None:
        header = list(lines[0]) if lines else ["image", "region"]
        cells = ([spreadsheet_text(v) for v in line.values()] for line in lines)
        write_csv(options.csv, (header, *cells))
        say(f"{len(lines)} regions in {options.csv}")
    elif options.json:
        say_json({"run": run, "regions": lines})
    else:
        say(f"{len(lines)} regions")
        for line in lines:
            size = f"{line['mm2']} mm²" if line["mm2"] else f"{100 * line['share_of_image']:.1f} %"
            inside = f"peak {line['peak']:.3g}" if line["peak"] is not None else ""
            say(
                f"{line['image']} {line['region']:>5} {line['state']:<9} {line['reader']:<8} "
                f"{size:>12} {inside:<12} {line['note']}"
            )


def _map(project: Project, options: Namespace) -> tuple[int, ScoreKind | None]:
    """Which run's map regions are measured by; 0 and None where there is none."""
    from amae_engine.jobs.evaluation.evaluate_run import judged_run
    from amae_engine.jobs.evaluation.leading_score import leading_score

    try:
        run = judged_run(project, options.run, "Measuring regions").id
    except NotReady:
        if options.run:
            raise
        return 0, None
    if options.score:
        return run, ScoreKind.of(options.score)
    leading = leading_score(project, run)
    return run, leading.kind if leading is not None else ScoreKind.PEER
