"""`amae model export|show|verify` and `amae apply`: what was learnt as a file, and its use."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.cli.pacs_arguments import add_query, add_server
from amae_engine.cli.progress import Console
from amae_engine.errors import BadInput, BadSetting
from amae_engine.project import Project


def add_models(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `model export`, `model show`, `model verify` and `apply`."""
    text = "what a run has learnt as one file that rates images anywhere"
    acts = verbs.add_parser("model", help=text, description=text).add_subparsers(
        required=True, metavar="ACT"
    )
    for name, explanation, command in (
        ("export", "write a score run's model: no pixels, no patient, no path", export),
        ("show", "what a model learnt from, how well it does, for which images", show),
        ("verify", "check every part of a model, and its numbers on this machine", verify),
    ):
        act = acts.add_parser(name, help=explanation, description=explanation)
        act.set_defaults(command=command)
        act.add_argument("file", type=Path, help="the model, such as chest.amae")
        act.add_argument("--json", action="store_true", help="JSON output")
        if name == "export":
            act.add_argument("--project", type=Path, required=True, help="the project's folder")
            act.add_argument("--run", type=int, default=0, help="score run; the newest by default")
            act.add_argument("--reader", default="", help="who asks, for the audit")
    _add_apply(verbs)


def _add_apply(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "rate images by a model (amae model export): a row a file; stopped, it goes on"
    act = verbs.add_parser("apply", help=text, description=text)
    act.set_defaults(command=apply, name="apply")
    act.add_argument("model", type=Path, help="such as chest.amae")
    act.add_argument("images", type=Path, nargs="*", help="files, folders, DICOMDIRs")
    act.add_argument("--csv", type=Path, help="the table to write, or to go on with")
    act.add_argument("--maps", action="store_true", help="a PNG an image too, beside the table")
    act.add_argument("--dicom", type=Path, help="a folder for de-identified DICOM objects")
    act.add_argument("--project", type=Path, help="keep images and scores in a project")
    act.add_argument("--reader", default="", help="who applies it, for a project's audit")
    act.add_argument("--processes", type=int, default=0, help="files decoded at once; a core each")
    act.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where")
    add_server(act)
    add_query(act)


def export(options: Namespace) -> None:
    """Write a model."""
    from amae_engine.jobs.model_files.read_model import read_model
    from amae_engine.jobs.model_files.write_model import write_model

    job = write_model(Project.open(options.project), options.file, options.run, options.reader)
    path = Console(options.json).drive(job)
    model, size = read_model(path), path.stat().st_size
    if options.json:
        say_json({"model": str(path), "digest": model.digest, "bytes": size})
    else:
        say(f"{path}: {model.title}, {size / 1e6:.1f} MB")


def show(options: Namespace) -> None:
    """What a model says of itself."""
    from amae_engine.jobs.model_files.model_answers import about, fact_name
    from amae_engine.jobs.model_files.read_model import read_model

    model = read_model(options.file)
    if options.json:
        say_json({**model.facts, "digest": model.digest})
        return
    facts = model.facts
    lines = about(model)
    for step, learnt in facts["training"].items():
        counts = ", ".join(f"{count} {name}" for name, count in learnt["images"].items())
        stage = step.replace("stage", "stage ")
        lines.append(f"{stage} learnt from {counts.replace('_', '-')} images")
    for fact, values in facts["intended"].items():
        if values:
            lines.append(f"{fact_name(fact)} of the normal images: {', '.join(values)}")
    size = sum(int(each["bytes"]) for each in facts["members"].values())
    lines.append(f"digest {model.digest}, {size / 1e6:.1f} MB of weights")
    say("\n".join(line[:1].upper() + line[1:] for line in lines))


def verify(options: Namespace) -> None:
    """Check a model."""
    from amae_engine.jobs.model_files.load_model import load_model
    from amae_engine.method.compute_device import choose_device

    loaded = load_model(options.file, choose_device("auto"))
    if options.json:
        say_json({"digest": loaded.model.digest, "deviations": list(loaded.deviations)})
        return
    say(f"{loaded.model.title}: every part is as it was written.")
    say("\n".join(loaded.deviations) or "This machine gives the numbers of its reference images.")


def apply(options: Namespace) -> None:
    """Rate images."""
    from amae_engine.cli.pacs_commands import password, query_of, server_of
    from amae_engine.jobs.model_files.apply_model import Outputs, apply_model
    from amae_engine.jobs.model_files.model_sources import FileSource, ImageSource, PacsSource
    from amae_engine.jobs.model_files.read_model import read_model

    has_pacs = bool(options.dicomweb or options.dimse)
    if (has_pacs and options.images) or not (has_pacs or options.images or options.project):
        raise BadInput("Give images (files, folders, DICOMDIRs), or a PACS (--dicomweb, --dimse).")
    if options.csv is None and options.project is None:
        raise BadSetting("Say where the scores go: --csv scores.csv, or --project FOLDER.")
    if options.project is not None:
        _apply_to_project(options, has_pacs)
        return
    source: ImageSource
    if has_pacs:
        source = PacsSource(server_of(options), query_of(options), password())
    else:
        source = FileSource(options.images)
    maps = options.csv.with_name(f"{options.csv.stem}_maps") if options.maps else None
    outputs = Outputs(options.csv, maps, options.dicom)
    job = apply_model(options.model, source, outputs, options.device, options.processes)
    found = Console(options.json).drive(job)
    model = read_model(options.model)
    if options.json:
        say_json(
            {
                "csv": str(found.csv),
                "model": model.digest,
                "scored": found.scored,
                "before": found.before,
                "refused": found.refused,
                "remarks": found.remarks,
            }
        )
        return
    before = f", {found.before} had a row before" if found.before else ""
    say(f"{found.scored} images rated by {model.title} in {found.csv}{before}.")
    for reason, count in found.refused.items():
        say(f"{count} refused: {reason}")


def _apply_to_project(options: Namespace, has_pacs: bool) -> None:
    """Rate a project's test images, with those that come now; say what that gave."""
    from amae_engine.cli.pacs_commands import password, query_of, server_of
    from amae_engine.jobs.evaluation.evaluate_run import rated_images
    from amae_engine.jobs.importing.retrieve_images import Retrieval, retrieve_images
    from amae_engine.jobs.model_files.apply_to_project import apply_to_project
    from amae_engine.jobs.model_files.read_model import read_model

    if options.csv or options.maps or options.dicom:
        raise BadSetting(
            "With --project the scores, maps and objects are the project's: leave out --csv, --maps and "
            "--dicom (amae export, amae dicom)."
        )
    title = read_model(options.model).title
    is_project = (options.project / "project.json").is_file()
    project = Project.open(options.project) if is_project else Project.create(options.project)
    console = Console(options.json)
    if has_pacs:
        retrieval = Retrieval(server_of(options), query_of(options), "test", "PACS")
        console.drive(retrieve_images(project, retrieval, password(), options.reader))
    images = [str(path) for path in options.images]
    run = console.drive(
        apply_to_project(project, str(options.model), images, options.reader, options.device)
    )
    rated, _ = rated_images(project, run)
    if options.json:
        say_json({"run": run, "scored": len(rated.ids)})
    else:
        say(
            f"{len(rated.ids)} test images rated by {title}: run {run} (amae evaluate --run {run})."
        )
