"""`amae rounds`, `amae sources`: purer pseudo-labels, and how right each source of them is."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.jobs.pseudo_labels.source_quality import SourceQuality, source_qualities
from amae_engine.project import Project


def add_rounds(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `rounds` and `sources`."""
    text = "re-rank the unlabeled images with stage 2, and train on that where it helps"
    rounds = verbs.add_parser("rounds", help=text, description=text)
    rounds.add_argument("--rounds", type=int, default=1, help="at most so many more rounds")
    rounds.set_defaults(command=more, name="rounds")
    text = "purity and calibration of each source of pseudo-labels, on what readers checked"
    sources = verbs.add_parser("sources", help=text, description=text)
    sources.add_argument("--run", type=int, default=0, help="stage-1 run; the newest by default")
    sources.set_defaults(command=judged_sources, name="sources")
    for verb in (rounds, sources):
        verb.add_argument("--project", type=Path, required=True, help="the project's folder")
        verb.add_argument("--json", action="store_true", help="JSON output")


def more(options: Namespace) -> None:
    """One or more further rounds, as far as the validation images want them."""
    from amae_engine.jobs.pseudo_labels.rounds import more_rounds

    project = Project.open(options.project)
    found = Console(options.json).drive(more_rounds(project, options.rounds))
    if options.json:
        say_json(asdict(found))
    else:
        say(f"Stage 2 to use: run {found.best}.")


def judged_sources(options: Namespace) -> None:
    """A line for each source."""
    from amae_engine.jobs.planning.defaults import label_settings

    project = Project.open(options.project)
    found = source_qualities(project, label_settings(project), options.run)
    if options.json:
        say_json([asdict(each) for each in found])
    else:
        say("\n".join(source_line(each) for each in found))


def source_line(quality: SourceQuality) -> str:
    """One source in a line."""
    if quality.missing:
        return f"{quality.source.label:<34} {quality.missing}"
    order = "random order" if quality.fair else "not in random order"
    return f"{quality.source.label:<34} {' · '.join(quality.said_of_it())} · {quality.images} checked, {order}"
