"""`amae report`: a score run's report as one HTML file."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadSetting
from amae_engine.project import Project


def add_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `report`."""
    text = "what was done, on what, and what came of it, as one HTML file"
    verb = verbs.add_parser("report", help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument("--run", type=int, default=0, help="score run; the newest by default")
    verb.add_argument("--reader", default="", help="who asks, for the audit")
    verb.add_argument("--logo", type=Path, help="a PNG, JPEG or SVG to stand at the top")
    verb.add_argument(
        "--section", type=Path, help="a text file: its first line is a heading of your own"
    )
    verb.add_argument("--pdf", action="store_true", help="print it as PDF too")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=report, name="report")


def report(options: Namespace) -> None:
    """Write the report, and say where."""
    from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
    from amae_engine.jobs.sharing.make_report import make_report

    if options.pdf and options.print_pdf is None:
        raise BadSetting("A PDF is printed by Qt: use `amae report --pdf`.")
    project = Project.open(options.project)
    evaluation = evaluate_run(project, options.run, options.reader)
    job = make_report(project, evaluation, options.reader, options.logo, options.section)
    path = Console(options.json).drive(job)
    written = [path]
    if options.pdf:
        written.append(path.with_suffix(".pdf"))
        options.print_pdf(*written)
    if options.json:
        say_json({"report": str(path), "pdf": str(written[-1]) if options.pdf else ""})
    else:
        say("\n".join(map(str, written)))
