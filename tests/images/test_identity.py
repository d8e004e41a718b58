"""No identity that a file, its name or its folder carries comes out of `private/`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from demo_images import demo_files, finish
from PySide6.QtPdf import QPdfDocument

from amae_app.report_printer import print_report
from amae_engine.catalog import image_tables, regions, studies
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Split
from amae_engine.errors import NotReady
from amae_engine.evaluation.regions import box_outline
from amae_engine.events import Event
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import ImportReport, Outcome
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.make_dicom import make_dicom
from amae_engine.jobs.sharing.make_report import make_report
from amae_engine.jobs.sharing.share_project import share_project
from amae_engine.jobs.sharing.write_bundle import write_bundle
from amae_engine.project import Project
from tests.robustness.planted import NEEDLES, leaking_files, leaks, planted_files

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _imported(project: Project, folder: Path) -> tuple[ImportReport, list[Event], int]:
    files, count = planted_files(folder)
    report, events = finish(import_images(project, files, "ward", "Dr. Reader"))
    assert isinstance(report, ImportReport)
    return report, events, count


def test_the_planted_files_are_full_of_identity_and_are_read(project: Project, tmp_path: Path):
    report, _, count = _imported(project, tmp_path / "MRN-77120415 Secretperson")
    assert count > 1500
    found = leaks(
        (tmp_path / "MRN-77120415 Secretperson" / "Secretperson_77120415.dcm").read_bytes()
    )
    assert found == sorted(NEEDLES)
    assert report.count(Outcome.IMPORTED) == 4
    assert report.count(Outcome.DUPLICATE) == 1
    assert report.count(Outcome.REFUSED) == 2
    kept = (p for p in (project.folder / "private").rglob("*") if p.is_file())
    private = b"".join(p.read_bytes() for p in kept)
    assert "secretperson" in leaks(private)  # the original can be found again, from there alone


def test_no_identity_reaches_catalog_pixels_logs_warnings_events_or_the_report(
    project: Project,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    caplog.set_level("DEBUG")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        report, events, _ = _imported(project, tmp_path / "Secretperson")
    report.write_csv(project.exports_folder / "import.csv")
    with project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        rows = repr(studies.rows(session, ids))
    project.close()
    told = capfd.readouterr()
    said = "\n".join(str(warning.message) for warning in warned)
    assert len(ids) == 4
    for text in (caplog.text, told.out, told.err, said, repr(events), rows):
        assert leaks(text.encode()) == []
    assert leaks("\n".join(fate.reason for fate in report.fates).encode()) == []
    assert leaking_files(project.folder) == {}


def test_no_identity_reaches_runs_logs_or_whatever_leaves_the_program(
    project: Project,
    tmp_path: Path,
    train_and_score: Callable[[Project], None],
    caplog: pytest.LogCaptureFixture,
    qapp,
):
    caplog.set_level("INFO")
    _imported(project, tmp_path / "Secretperson")
    finish(import_images(project, demo_files(20, 10, 10), "demo"))
    train_and_score(project)
    evaluation = evaluate_run(project)
    written = export_results(project, evaluation)
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        outline = box_outline(0.2, 0.2, 0.3, 0.3)
        regions.add(session, [NewRegion(i, outline, RegionState.DRAWN) for i in test], "BB")
    report, _ = finish(make_report(project, evaluation, "BB"))
    print_report(report, report.with_suffix(".pdf"))
    assert leaks(_pdf_text(report.with_suffix(".pdf"))) == []
    made, _ = finish(make_dicom(project, evaluation.run_id, "BB"))
    finish(write_bundle(project, project.exports_folder / "bundle.zip", with_weights=True))
    shared, _ = finish(share_project(project, tmp_path / "copy", "BB"))
    with pytest.raises(NotReady, match="not what the standard asks for") as refused:
        finish(make_dicom(project, evaluation.run_id, "BB", for_source_pacs=True))
    project.close()
    assert leaks(str(refused.value).encode()) == []
    assert len(written) >= 5
    assert (made.images, shared.images) == (len(test), 44)
    assert leaks(caplog.text.encode()) == []
    assert leaking_files(project.folder) == {}
    assert leaking_files(shared.folder) == {}


def _pdf_text(path: Path) -> bytes:
    document = QPdfDocument()
    document.load(str(path))
    assert document.pageCount() >= 3
    pages = (document.getAllText(number).text() for number in range(document.pageCount()))
    return "".join(pages).encode()
