"""`amae doctor`: what this machine and installation can do."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from amae_engine.catalog import studies
from amae_engine.catalog.tables import Split
from amae_engine.cli.output import say, say_json
from amae_engine.config import ScoreConfig, Stage1Config, Stage2Config
from amae_engine.events import clock
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.jobs.planning.resource_estimate import ResourceEstimate


def doctor(options: Namespace) -> None:
    """Print what this machine and installation can do, and how long training will take."""
    from amae_engine.jobs.planning.machine import machine_facts
    from amae_engine.jobs.planning.step_trials import estimate_stages

    facts: dict[str, Any] = machine_facts()
    normals, unlabeled = options.images // 2, options.images - options.images // 2
    if options.project is not None:
        with Project.open(options.project).session() as session:
            counts = studies.split_counts(session)
        normals, unlabeled = counts[Split.NORMAL].images, counts[Split.UNLABELED].images
    expected = estimate_stages(normals, unlabeled, options.preset)
    if options.json:
        say_json({**facts, "estimate": dataclasses.asdict(expected)})
        return
    for name, value in facts.items():
        say(f"{name:<22} {value}")
    for needs in _needs(options) if options.project is not None else ():
        say(needs.text)
    say(
        f"{normals} normal and {unlabeled} unlabeled images, preset {options.preset}: "
        f"stage 1 {clock(expected.stage1)}, stage 2 {clock(expected.stage2)}"
    )


def _needs(options: Namespace) -> list[ResourceEstimate]:
    """Of every step, with the settings that it would have."""
    from amae_engine.jobs.planning.defaults import default_config
    from amae_engine.jobs.planning.resource_estimate import (
        estimate_scoring_resources,
        estimate_stage1_resources,
        estimate_stage2_resources,
    )

    project = Project.open(options.project)
    first = default_config(project, Stage1Config).config
    second, score = (
        default_config(project, Stage2Config).config,
        default_config(project, ScoreConfig).config,
    )
    return [
        estimate_stage1_resources(project, first),
        estimate_stage2_resources(project, second, first),
        estimate_scoring_resources(project, score, first, second),
    ]
