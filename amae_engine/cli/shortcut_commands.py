"""`amae shortcuts`: by what normal and unlabeled images differ, before anything is trained."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.config import MatchingMethod, Stage1Config
from amae_engine.jobs.confounders.choose_matching import ShortcutCheck
from amae_engine.jobs.confounders.shortcut_check import check_shortcuts
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.project import Project


def add_shortcuts(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `shortcuts`."""
    text = "confounders: how normal and unlabeled images differ other than by disease, and matching for it"
    verb = verbs.add_parser("shortcuts", help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument(
        "--matching", default="", help=f"try {', '.join(MatchingMethod)}; stage 1's own by default"
    )
    verb.add_argument(
        "--match-by", nargs="+", default=[], metavar="FACT", help="match by these facts"
    )
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=shortcuts, name="shortcuts")


def shortcuts(options: Namespace) -> None:
    """Check a project's N against its U, and say what stage 1 would do about it."""
    project = Project.open(options.project)
    config = default_config(project, Stage1Config).config.replace(match_by=options.match_by)
    if options.matching:
        config = config.replace(shortcuts=options.matching)
    check = Console(options.json).drive(check_shortcuts(project, config))
    if options.json:
        say_json(check.facts())
    else:
        say("\n".join(shortcut_lines(check)))


def shortcut_lines(check: ShortcutCheck) -> list[str]:
    """A line for each fact, then what is done about them."""
    lines = [f"{'fact':<12} {'normal + unlabeled':>18}  AUC of N against U"]
    for found in check.differences:
        auc = found.auc.text(3) if found.auc else "–"
        lines.append(f"{found.name:<12} {found.images:>18}  {auc:<19}  {found.meaning}")
    return [*lines, check.why]
