"""The arguments of `amae peer` and `amae synthetic-panel`."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import peer_commands
from amae_engine.config import Synthesis
from amae_engine.config.peers import Protocol

_PEER = "train and score a method that AMAE is compared with"
_PANEL = "a picture of synthetic anomalies on the project's normal images"


def add_peer(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `peer NAME` and `peer --list`."""
    verb = verbs.add_parser("peer", help=_PEER, description=_PEER)
    verb.add_argument("method", nargs="?", default="", metavar="NAME", help="see --list")
    verb.add_argument("--list", action="store_true", help="which methods there are")
    verb.add_argument("--project", type=Path, help="the project's folder")
    verb.add_argument(
        "--protocol",
        default=Protocol.N.value,
        choices=[p.value for p in Protocol],
        help="N: normal images only; Y: normal and unlabeled images",
    )
    verb.add_argument("--config", type=Path, help="settings as JSON")
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="such as epochs=30"
    )
    verb.add_argument(
        "--resume",
        nargs="?",
        type=int,
        const=0,
        help="resume an unfinished run (the newest by default)",
    )
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=peer_commands.peer, name="peer")


def add_synthetic_panel(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `synthetic-panel`."""
    verb = verbs.add_parser("synthetic-panel", help=_PANEL, description=_PANEL)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument(
        "--synthesis", default=Synthesis.ANATPASTE.value, choices=[s.value for s in Synthesis]
    )
    verb.add_argument("--seed", type=int, default=0, help="decides the anomalies")
    verb.add_argument("--out", type=Path, help="the picture's file; in exports/ by default")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=peer_commands.panel)
