"""Plant identities in everything that comes in, and look for them in everything that goes out."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from amae_engine.catalog import image_tables, regions
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Split
from amae_engine.drive import drive
from amae_engine.evaluation.regions import box_outline
from amae_engine.events import Event, Progress
from amae_engine.jobs.child_process import make_job
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_plan import import_plan
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_dicom import make_dicom
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.jobs.sharing.share_project import share_project
from amae_engine.jobs.sharing.write_bundle import write_bundle
from amae_engine.project import Project
from tests.robustness.captured_logs import capture_logs
from tests.robustness.planted import leaking_files, leaks, planted_files, planted_tables
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import (
    decide_half,
    settings_of,
    some_files,
    write_tiny_weights,
)

_READER = "SELFTEST"


def privacy_test() -> Generator[Event, None, SelfTestResult]:
    """Import planted files, train, score, read, export, report, bundle and share; then search all."""
    with (
        capture_logs(logging.INFO) as logs,
        tempfile.TemporaryDirectory(prefix="amae-selftest-") as place,
    ):
        planted, said = yield from _whole_work(Path(place))
        found = {name: needles for folder in ("project", "copy")
                 for name, needles in leaking_files(Path(place) / folder).items()}  # fmt: skip
    found |= {what: leaks(text.encode())
              for what, text in (("the log", "\n".join(logs.lines)), ("what is said", said))}  # fmt: skip
    failures = [f"{name} names the patient: {', '.join(n)}" for name, n in found.items() if n]
    facts = {"found": len(failures)}
    return SelfTestResult("privacy", "planted identities", planted, planted - len(failures), tuple(failures),
                 facts=facts)  # fmt: skip


def _whole_work(place: Path) -> Generator[Event, None, tuple[int, str]]:
    """Every step of the work; how many identities were planted, and what the events said."""
    files, planted = planted_files(place / "MRN-77120415 Secretperson")
    tables, in_tables = planted_tables(place / "Quentin 19610203")
    write_tiny_weights(place / "tiny.safetensors")
    said = ""
    with closing(Project.create(place / "project", "Privacy")) as project:
        yield Progress("Planted files", 0, 4)
        jobs = [import_images(project, files, "ward", _READER)]
        jobs += [import_plan(project, plan, _READER) for plan in tables]
        for event in itertools.chain(*jobs):
            said += repr(event)
        drive(import_images(project, some_files(), "demo", "demo"))
        yield Progress("Training", 1, 4)
        for step in ("stage1", "stage2", "score"):
            drive(make_job(project, step, settings_of(step, place / "tiny.safetensors")))
            if step == "stage1":
                _read(project)
        yield Progress("What goes out", 2, 4)
        evaluation = evaluate_run(project, 0)
        export_results(project, evaluation, _READER)
        drive(make_report(project, evaluation, _READER))
        drive(make_dicom(project, evaluation.run_id, _READER))
        drive(write_bundle(project, project.exports_folder / "bundle.zip", with_weights=True))
        drive(share_project(project, place / "copy", _READER))
        yield Progress("Searching", 3, 4)
    return planted + in_tables, said


def _read(project: Project) -> None:
    """A reader's decisions and regions."""
    decide_half(project.folder, _READER)
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        outline = box_outline(0.2, 0.2, 0.3, 0.3)
        regions.add(session, [NewRegion(i, outline, RegionState.DRAWN) for i in test], _READER)
