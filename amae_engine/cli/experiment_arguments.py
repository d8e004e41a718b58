"""Arguments of experiments and of the stored queue."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import experiment_commands
from amae_engine.config.peers import PeerMethod


def add_experiments(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `experiment` and `queue`."""
    experiment = verbs.add_parser(
        "experiment", help="a grid of runs that fills a table or figure of the paper"
    )
    experiment.add_argument(
        "name",
        help="table2, fig3a, fig3b, fig3c or replicates to queue one; table2-1 … to see one",
    )
    experiment.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    experiment.add_argument(
        "--methods", nargs="+", default=[], choices=[str(m) for m in PeerMethod], metavar="METHOD"
    )
    experiment.add_argument("--ratios", type=float, nargs="+", help="anomaly ratios of fig3a, 0…1")
    experiment.add_argument("--preset", default="", help="of AMAE's own runs")
    experiment.add_argument(
        "--imagenet",
        default="",
        metavar="FILE",
        help="of table2: weights of a masked autoencoder pre-trained on ImageNet, for the row AMAE-IN",
    )
    experiment.add_argument(
        "--encoders",
        nargs="+",
        default=[],
        metavar="ENCODER",
        help="of fig3c, besides foundation, compact and a random one: timm:densenet121=FILE",
    )
    experiment.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KIND.NAME=VALUE",
        help="one setting of every job of a kind: peer.epochs=20, stage2.training.epochs=30",
    )
    experiment.add_argument("--dry-run", action="store_true", help="say what it would queue")
    experiment.add_argument(
        "--measure",
        action="store_true",
        help="with --dry-run: try each peer for a few steps, to say how long it would take",
    )
    experiment.add_argument("--start", action="store_true", help="start a worker of its own")
    experiment.add_argument(
        "--export", action="store_true", help="write table and figure into exports/"
    )
    experiment.set_defaults(command=experiment_commands.experiment)
    queue = verbs.add_parser("queue", help="the stored queue of jobs")
    queue.add_argument(
        "act", choices=("list", "run", "start", "pause", "resume", "cancel", "retry", "first")
    )
    queue.add_argument("job", nargs="?", type=int, help="for cancel, retry, first")
    queue.set_defaults(command=experiment_commands.queue)
    for verb in (experiment, queue):
        verb.add_argument("--project", type=Path, required=True, help="the project's folder")
        verb.add_argument("--reader", default="", help="who looks, for the audit")
        verb.add_argument("--json", action="store_true", help="JSON output")
