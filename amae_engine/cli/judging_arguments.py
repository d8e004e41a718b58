"""Arguments of honest evaluation: validation images, operating points, the sealed test set; maps."""

from __future__ import annotations

import argparse
from pathlib import Path

from amae_engine.cli import judging_commands
from amae_engine.config import ScoreKind
from amae_engine.evaluation.operating_rules import Rule


def add_judging(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `validation`, `operating-point` and `maps`."""
    validation = verbs.add_parser(
        "validation", help="labelled test images that thresholds are chosen by, never tested on"
    )
    validation.add_argument("--share", type=float, help="set this share of the patients apart")
    validation.add_argument("--seed", type=int, default=0, help="of the draw")
    validation.add_argument("--add", nargs="*", default=[], metavar="IMAGE")
    validation.add_argument("--remove", nargs="*", default=[], metavar="IMAGE")
    validation.add_argument(
        "--seal", action="store_true", help="show no test result before a point is locked"
    )
    validation.set_defaults(command=judging_commands.validation)
    point = verbs.add_parser(
        "operating-point", help="choose a threshold on validation or normal images, and lock it"
    )
    point.add_argument("--run", type=int, default=0, help="score run; the newest by default")
    point.add_argument("--score", default="", help=f"{', '.join(ScoreKind)}; the leading one")
    point.add_argument("--by", default=Rule.YOUDEN.value, choices=[str(rule) for rule in Rule])
    point.add_argument("--target", type=float, default=0.95, help="a share; for cost a ratio")
    point.add_argument("--prevalence", type=float, default=0.5, help="of abnormal images, in use")
    point.add_argument("--lock", action="store_true", help="fix it, and open the test images")
    point.set_defaults(command=judging_commands.operating_point)
    maps = verbs.add_parser(
        "maps", help="make the maps of some images of a run that kept none (keep_maps=false)"
    )
    maps.add_argument("images", nargs="*", metavar="IMAGE", help="such as CXR-00012")
    maps.add_argument(
        "--marked", action="store_true", help="of every image on which a region is marked"
    )
    maps.add_argument("--run", type=int, default=0, help="score run; the newest by default")
    maps.set_defaults(command=judging_commands.maps)
    for verb in (validation, point):
        verb.add_argument("--reader", default="", help="who decides")
    for verb in (validation, point, maps):
        verb.add_argument("--project", type=Path, required=True, help="the project's folder")
        verb.add_argument("--json", action="store_true", help="JSON output")
