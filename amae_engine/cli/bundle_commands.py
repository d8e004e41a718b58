"""`amae bundle` and `amae share`: results that leave, without pixels or without identities."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadSetting, TrainingFailed
from amae_engine.project import Project


def add_bundles(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bundle` and `share`."""
    text = "what a run was made of, as one zip without pixels and names; amae rerun repeats it"
    bundle = verbs.add_parser("bundle", help=text, description=text)
    bundle.add_argument("file", type=Path, help="the zip to write")
    bundle.add_argument("--run", type=int, default=0, help="a run; the newest evaluated one")
    bundle.add_argument("--weights", action="store_true", help="take the networks along")
    bundle.set_defaults(command=write, name="bundle")
    text = "a copy of the project for colleagues: without private/, notes, tags, paths"
    share = verbs.add_parser("share", help=text, description=text)
    share.add_argument("folder", type=Path, help="the new project's folder")
    share.set_defaults(command=share_copy, name="share")
    for verb in (bundle, share):
        verb.add_argument("--project", type=Path, required=True, help="the project's folder")
        verb.add_argument("--reader", default="", help="who asks, for the audit")
        verb.add_argument("--json", action="store_true", help="JSON output")


def write(options: Namespace) -> None:
    """Write the bundle."""
    from amae_engine.jobs.sharing.write_bundle import write_bundle

    project = Project.open(options.project)
    job = write_bundle(project, options.file, options.run, options.weights, options.reader)
    path = Console(options.json).drive(job)
    if options.json:
        say_json({"bundle": str(path), "bytes": path.stat().st_size})
    else:
        say(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def share_copy(options: Namespace) -> None:
    """Copy the project."""
    from amae_engine.jobs.sharing.share_project import share_project

    job = share_project(Project.open(options.project), options.folder, options.reader)
    shared = Console(options.json).drive(job)
    if options.json:
        say_json({**asdict(shared), "folder": str(shared.folder)})
    else:
        say(
            f"{shared.images} images in {shared.folder}; {shared.words} notes and tags left behind."
        )


def rerun_bundle(options: Namespace) -> None:
    """Make a bundle's runs again, and compare."""
    from amae_engine.jobs.sharing.rerun_bundle import rerun_bundle as make_again

    bundle = Path(options.run)
    if options.images is None:
        raise BadSetting(f"{bundle.name} needs the images it was made of: give --images FOLDER.")
    folder = options.project or bundle.with_suffix("")
    project, found = Console(options.json).drive(
        make_again(bundle, options.images, folder, options.weights)
    )
    if options.json:
        say_json(
            {
                "project": str(project.folder),
                "identical": found.is_identical,
                "within_bound": found.is_within_bound,
                "agreements": [asdict(each) for each in found.agreements],
                "score_gaps": found.score_gaps,
            }
        )
    else:
        say("\n".join(found.lines()))
        say(f"The runs are in {project.folder}.")
    if not (found.is_identical or found.is_within_bound):
        raise TrainingFailed("The repeated runs differ; the lines above say where.")
