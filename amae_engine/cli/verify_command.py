"""`amae verify`: whether rows, runs and stored images are as they were written."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import ProjectError
from amae_engine.project import Project


def add_verify(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `verify`."""
    text = "whether decisions, audit, runs and images are as they were written"
    verb = verbs.add_parser("verify", help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=verify, name="verify")


def verify(options: Namespace) -> None:
    """Look through the project; problems end the command with 1."""
    from amae_engine.jobs.verify import verify_project

    project = Project.open(options.project)
    found = Console(options.json).drive(verify_project(project))
    if options.json:
        say_json(asdict(found))
    else:
        older = f"; {found.older_rows} older ones are not chained" if found.older_rows else ""
        say(
            f"{found.rows} decisions and acts, {found.runs} runs, {found.images} images compared{older}."
        )
        for writer, head in sorted(found.heads.items()):
            say(f"{writer or 'AMAE':<20} {head}")
        say("\n".join(found.problems) or "Everything is as it was written.")
    if found.problems:
        raise ProjectError(f"{len(found.problems)} things are not as they were written.")
