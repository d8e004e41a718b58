"""Bringing images in, and putting right what an import brought."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from amae_engine.catalog import patients, studies
from amae_engine.catalog.tables import Split
from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadSetting
from amae_engine.jobs.importing.import_report import Twins
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.jobs.importing.import_plan import ImportPlan
    from amae_engine.jobs.importing.import_report import ImportReport


def import_images(options: Namespace) -> None:
    """Import images, or say what would happen; several processes, as `torchrun` starts them, decode."""
    from amae_engine import processes
    from amae_engine.jobs.importing.decode_ahead import end_help, help_decode

    with processes.process_group():
        if not processes.is_rank_zero():
            help_decode(options.processes)
            return
        _import(options)
        end_help()  # after an error torchrun ends the others


def _import(options: Namespace) -> None:
    plan = plan_of(options)
    is_project = (options.project / "project.json").is_file()
    if options.dry_run:
        _preview(plan, Project.open(options.project) if is_project else None, options.json)
        return
    if not is_project:
        with tempfile.TemporaryDirectory(prefix="amae-") as place:
            # what is wrong with the sources is said before a project is made
            plan.unpacked(Path(place)).select()
    project = open_or_create(options)
    bring_in(project, plan, options)
    if options.fix_patients:
        _fix(project, options.reader)
    say_counts(project, options.json)


def open_or_create(options: Namespace) -> Project:
    """The project of the options, made where it is not there."""
    if (options.project / "project.json").is_file():
        return Project.open(options.project)
    return Project.create(options.project, catalog_url=options.catalog)


def bring_in(project: Project, plan: ImportPlan, options: Namespace) -> None:
    """Import, and report what was left out."""
    from amae_engine.jobs.importing.import_plan import import_plan
    from amae_engine.jobs.importing.import_report import NothingImported

    try:
        report = Console(options.json).drive(import_plan(project, plan, options.reader))
    except NothingImported as error:
        _tell(error.report, options)
        raise
    _tell(report, options)


def undo_import(options: Namespace) -> None:
    """Undo the last import."""
    from amae_engine.jobs.importing.undo_import import undo_import as undo

    undone = undo(Project.open(options.project), options.reader)
    if options.json:
        known = {"images": undone.images, "truths": undone.completed}
        say_json({"source": undone.source, "at": undone.at, **known})
    else:
        say(f"The import of {undone.source} ({undone.at}) was undone: {undone.what}.")


def fix_patients(options: Namespace) -> None:
    """Move all images of patients who are in two splits into one."""
    project = Project.open(options.project)
    moved = _fix(project, options.reader, Split(options.keep))
    if options.json:
        say_json([dataclasses.asdict(image) for image in moved])
    elif not moved:
        say("No patient has images in more than one split.")


def relink(options: Namespace) -> None:
    """Find originals that were moved."""
    from amae_engine.jobs.importing.relink_originals import relink_originals

    job = relink_originals(Project.open(options.project), options.folder)
    report = Console(options.json).drive(job)
    if options.json:
        say_json(dataclasses.asdict(report))
    else:
        say(report.summary())


def plan_of(options: Namespace) -> ImportPlan:
    """What the options ask to import."""
    from amae_engine.jobs.importing.import_plan import ImportPlan

    table = options.repartition or options.csv
    said = (options.file_column, options.role_column, options.truth_column, options.patient_column)
    default = ("file", "split", "truth", "patient")
    if options.processes < 0:
        raise BadSetting("--processes needs a number from 1 on.")
    columns = tuple(name or other for name, other in zip(said, default, strict=True))
    return ImportPlan(
        paths=(table,) if table else tuple(options.paths),
        role=options.role,
        source=options.source or (table.stem if table else ""),
        image_folder=options.images,
        columns=columns if any(said) else (),
        truth_values=_pairs("--truth-value", options.truth_value),
        folder_words=_pairs("--folder-means", options.folder_means),
        unlabeled=options.unlabeled,
        anomaly_ratio=options.anomaly_ratio,
        manifest=options.manifest,
        twins=Twins(options.twins),
        outside=options.outside,
        at_once=options.processes,
    )


def _pairs(option: str, texts: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(text.rpartition("=") for text in texts)
    for name, equals, meaning in pairs:
        if not (name and equals and meaning):
            raise BadSetting(f"{option} needs NAME=MEANING, such as Pneumonia=abnormal.")
    return tuple((name, meaning) for name, _, meaning in pairs)


def _preview(plan: ImportPlan, project: Project | None, as_json: bool) -> None:
    from amae_engine.jobs.importing.import_preview import preview_import

    preview = Console(as_json).drive(preview_import(plan, project))
    if as_json:
        say_json(dataclasses.asdict(preview))
    else:
        say("\n".join(preview.lines()))


def _tell(report: ImportReport, options: Namespace) -> None:
    if options.report is not None:
        report.write_csv(options.report, options.names)
    for number, fate in enumerate(report.fates, start=1):
        if fate.outcome in ("refused", "suspect"):
            sys.stderr.write(f"{number} {fate.outcome} {fate.path.name}: {fate.reason}\n")


def _fix(
    project: Project, reader: str, keep: Split = Split.TEST
) -> tuple[patients.MovedImage, ...]:
    with project.session() as session:
        moved = patients.resolve_patients_in_two_splits(session, reader, keep)
    for image in moved:
        sys.stderr.write(f"moved {image.name} from {image.before} to {image.after}\n")
    return moved


def say_counts(project: Project, as_json: bool) -> None:
    """Images and patients of each split."""
    with project.session() as session:
        counts = studies.split_counts(session)
        shared = studies.patients_in_two_splits(session)
    if as_json:
        say_json({split: count.images for split, count in counts.items()})
        return
    for split, count in counts.items():
        unknown = f", {count.unknown} of unknown patients" if count.unknown else ""
        say(f"{split:<10} {count.images} images of {count.patients} patients{unknown}")
    test = counts[Split.TEST]
    untold = test.images - test.normal - test.abnormal
    if untold:
        say(
            f"Of {untold} test images the truth is not known, so they cannot be evaluated: import "
            f"them again with a table that has it (--truth-column), or set it in Studies."
        )
    if shared:
        say(f"{len(shared)} patients are in more than one split.")
