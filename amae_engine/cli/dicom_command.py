"""`amae dicom`: what a run and its readers found, as DICOM objects."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadInput
from amae_engine.project import Project


def add_dicom(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `dicom`."""
    text = "maps, regions and scores as DICOM: overlay, segmentations, structured report"
    verb = verbs.add_parser("dicom", help=text, description=text)
    verb.add_argument("--project", type=Path, required=True, help="the project's folder")
    verb.add_argument("--run", type=int, default=0, help="score run; the newest by default")
    verb.add_argument("--image", nargs="*", default=None, metavar="NAME", help="of these alone")
    verb.add_argument("--reader", default="", help="who asks, for the audit")
    verb.add_argument(
        "--for-source-pacs",
        action="store_true",
        help="name patient and study as the originals do, to send the objects back where the images "
        "came from (amae pacs send); they lie in the project's private folder",
    )
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=dicom, name="dicom")


def dicom(options: Namespace) -> None:
    """Write the objects, and say where."""
    from amae_engine.catalog import studies
    from amae_engine.jobs.sharing.make_dicom import make_dicom

    project = Project.open(options.project)
    ids: list[int] | None = None
    if options.image is not None:
        ids = []
        with project.session() as session:
            for name in options.image:
                found = studies.page_of_ids(session, f"name:{name}").tolist()
                if len(found) != 1:
                    raise BadInput(f"{name}: there is no such image in this project.")
                ids += found
    job = make_dicom(project, options.run, options.reader, ids, options.for_source_pacs)
    made = Console(options.json).drive(job)
    if options.json:
        say_json({"folder": str(made.folder), "images": made.images, "left_out": made.left_out})
    else:
        say(f"Objects of {made.images} images in {made.folder}")
