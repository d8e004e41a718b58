"""Arguments of what readers do without a window: images held back, decisions in and out."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import reading_commands


def add_reading(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `held`, `decisions`, `agreement`, `undo` and `redo`."""
    held = verbs.add_parser(
        "held", help="images held back for a reader: unlike a frontal chest, or unclear"
    )
    held.add_argument("--let-in", nargs="*", metavar="IMAGE", help="these join their split")
    held.add_argument("--leave-out", nargs="*", metavar="IMAGE", help="these stay out")
    held.set_defaults(command=reading_commands.held)
    decisions = verbs.add_parser("decisions", help="readers' decisions out as a CSV, and in again")
    decisions.add_argument("way", choices=("export", "import"))
    decisions.add_argument("file", type=Path, help="the CSV")
    decisions.set_defaults(command=reading_commands.decisions)
    agreement = verbs.add_parser("agreement", help="blind second readings and Cohen's κ")
    agreement.set_defaults(command=reading_commands.agreement)
    undo = verbs.add_parser("undo", help="undo the reader's last act, whatever it was about")
    redo = verbs.add_parser("redo", help="do again what the reader undid last")
    for verb, is_redo in ((undo, False), (redo, True)):
        verb.set_defaults(command=reading_commands.step_back, is_redo=is_redo)
    for verb in (held, decisions, agreement, undo, redo):
        verb.add_argument("--project", type=Path, required=True, help="the project's folder")
        verb.add_argument("--reader", default="", help="who decides")
        verb.add_argument("--json", action="store_true", help="JSON output")
