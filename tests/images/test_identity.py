"""No identity that a file, its name or its folder carries comes out of `private/`."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pydicom
import pytest
from demo_images import DEMO, demo_files, finish
from dicom_files import write_dicom
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from PySide6.QtPdf import QPdfDocument

from amae_app.report_printer import print_report
from amae_engine.catalog import decisions, image_tables, regions, studies
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Label, Split
from amae_engine.config import ScoreConfig, Stage1Config, Stage2Config, TrainingConfig
from amae_engine.errors import NotReady
from amae_engine.evaluation.regions import box_outline
from amae_engine.events import Event
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.bundles.share_project import share_project
from amae_engine.jobs.bundles.write_bundle import write_bundle
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import ImportReport, Outcome
from amae_engine.jobs.judging.evaluate_run import evaluate_run
from amae_engine.jobs.judging.export import export_results
from amae_engine.jobs.judging.score_images import score_images
from amae_engine.jobs.reporting.make_dicom import make_dicom
from amae_engine.jobs.reporting.make_report import make_report
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

NEEDLES = ("secretperson", "quentin", "77120415", "19610203", "acc-99133")
_TEXT = {
    **dict.fromkeys(("PN",), "Secretperson^Quentin"),
    **dict.fromkeys(("LO", "LT", "ST", "UC", "UT"), "Secretperson Quentin ACC-99133"),
    **dict.fromkeys(("SH", "CS", "AE"), "SECRETPERSON"),
    **dict.fromkeys(("DS", "IS"), "77120415"),
    "DA": "19610203",
    "DT": "19610203101112",
    "UI": "1.2.826.77120415.1",
    "UR": "urn:secretperson",
}
# what says that the file is an image that AMAE reads, and how
_KEPT = (
    "SpecificCharacterSet", "SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition",
    "ImageType", "PatientSpeciesDescription", "NumberOfFrames", "PresentationLUTShape",
)  # fmt: skip


def _planted(path: Path, image: np.ndarray, number: int) -> int:
    """Write an image whose every attribute of the standard names a patient; how many there are."""
    dataset = pydicom.dcmread(write_dicom(path, image))
    count = 0
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        usable = keyword and not retired and Tag(tag).group not in (0x0000, 0x0002, 0x0004, 0x0028)
        if not usable or vr not in _TEXT or keyword in _KEPT or Tag(tag).group > 0x5000:
            continue
        dataset.add_new(tag, vr, _TEXT[vr])
        count += 1
    item = Dataset()
    item.PatientName, item.PatientID = _TEXT["PN"], "MRN-77120415"
    dataset.OtherPatientIDsSequence = dataset.RequestAttributesSequence = [item]
    dataset.private_block(0x0099, "SECRETPERSON", create=True).add_new(1, "LO", _TEXT["LO"])
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST QUENTIN", "SECRETPERSON"
    dataset.PatientID = f"MRN-77120415-{number}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77120415.{number}"
    dataset.file_meta.SourceApplicationEntityTitle = "SECRETPERSON"
    dataset.preamble = b"Secretperson Quentin".ljust(128, b"\0")
    dataset.save_as(path, enforce_file_format=True)
    return count


def _sources(folder: Path) -> tuple[list[SourceFile], int]:
    """Images, a copy and a broken file in which every name names a patient."""
    folder.mkdir()
    demo = sorted((DEMO / "images").glob("*.jpeg"))[-4:]
    images = [np.asarray(Image.open(path).convert("L")) for path in demo]
    count = _planted(folder / "Secretperson_77120415.dcm", images[0], 1)
    _planted(folder / "Secretperson_77120415_copy.dcm", images[0], 1)
    _planted(folder / "Quentin.dcm", images[1], 2)
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "Secretperson Quentin 19610203")
    Image.fromarray(images[2]).save(folder / "Quentin 19610203.png", pnginfo=text)
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Secretperson 77120415", "Quentin"
    Image.fromarray(images[3]).save(folder / "acc-99133.jpg", exif=exif, comment=b"Secretperson")
    (folder / "Secretperson_broken.dcm").write_bytes(b"Secretperson Quentin" * 40)
    bad = pydicom.dcmread(folder / "Quentin.dcm")
    bad.BodyPartExamined = "SECRETPERSON"
    bad.save_as(folder / "Quentin_other_part.dcm")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [SourceFile(path, "test", 1, "Secretperson^Quentin") for path in paths], count


def _leaks(content: bytes) -> list[str]:
    lowered = content.lower()
    both = [(needle, needle.encode(code)) for needle in NEEDLES for code in ("utf-8", "utf-16-le")]
    return sorted({needle for needle, sought in both if sought in lowered})


def _imported(project: Project, folder: Path) -> tuple[ImportReport, list[Event], int]:
    files, count = _sources(folder)
    report, events = finish(import_images(project, files, "ward", "Dr. Reader"))
    assert isinstance(report, ImportReport)
    return report, events, count


def test_the_planted_files_are_full_of_identity_and_are_read(project: Project, tmp_path: Path):
    report, _, count = _imported(project, tmp_path / "MRN-77120415 Secretperson")
    assert count > 1500
    found = _leaks(
        (tmp_path / "MRN-77120415 Secretperson" / "Secretperson_77120415.dcm").read_bytes()
    )
    assert found == sorted(NEEDLES)
    assert report.count(Outcome.IMPORTED) == 4
    assert report.count(Outcome.DUPLICATE) == 1
    assert report.count(Outcome.REFUSED) == 2
    kept = (p for p in (project.folder / "private").rglob("*") if p.is_file())
    private = b"".join(p.read_bytes() for p in kept)
    assert "secretperson" in _leaks(private)  # the original can be found again, from there alone


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
        assert _leaks(text.encode()) == []
    assert _leaks("\n".join(fate.reason for fate in report.fates).encode()) == []
    assert _leaking_files(project.folder) == {}


def test_no_identity_reaches_runs_logs_or_whatever_leaves_the_program(
    project: Project, tmp_path: Path, tiny_weights: Path, caplog: pytest.LogCaptureFixture, qapp
):
    caplog.set_level("INFO")
    _imported(project, tmp_path / "Secretperson")
    finish(import_images(project, demo_files(20, 10, 10), "demo"))
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=short)))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
    finish(train_stage2(project, Stage2Config(training=short)))
    finish(score_images(project, ScoreConfig()))
    evaluation = evaluate_run(project)
    written = export_results(project, evaluation)
    with project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        outline = box_outline(0.2, 0.2, 0.3, 0.3)
        regions.add(session, [NewRegion(i, outline, RegionState.DRAWN) for i in test], "BB")
    report, _ = finish(make_report(project, evaluation, "BB"))
    print_report(report, report.with_suffix(".pdf"))
    made, _ = finish(make_dicom(project, evaluation.run_id, "BB"))
    finish(write_bundle(project, project.exports_folder / "bundle.zip", with_weights=True))
    shared, _ = finish(share_project(project, tmp_path / "copy", "BB"))
    with pytest.raises(NotReady, match="not what the standard asks for") as refused:
        finish(make_dicom(project, evaluation.run_id, "BB", for_source_pacs=True))
    project.close()
    assert _leaks(str(refused.value).encode()) == []
    assert len(written) >= 5
    assert (made.images, shared.images) == (len(test), 44)
    assert _leaks(caplog.text.encode()) == []
    assert _leaking_files(project.folder) == {}
    assert _leaking_files(shared.folder) == {}


def _leaking_files(folder: Path) -> dict[str, list[str]]:
    """Files outside `private/` whose name or content, unpacked, names the patient."""
    files = [p for p in folder.rglob("*") if p.is_file() and "private" not in p.parts]
    assert len(files) >= 3
    places = {p.relative_to(folder).as_posix(): p for p in files}
    found = {name: _leaks(name.encode() + _unpacked(p)) for name, p in places.items()}
    return {name: needles for name, needles in found.items() if needles}


def _unpacked(path: Path) -> bytes:
    """A file's bytes, and what is compressed in it."""
    content = path.read_bytes()
    if path.suffix in (".zip", ".npz"):
        with zipfile.ZipFile(path) as packed:
            content += b"".join(name.encode() + packed.read(name) for name in packed.namelist())
    if path.suffix == ".parquet":
        content += repr(parquet.read_table(path).to_pydict()).encode()
    if path.suffix == ".pdf":
        document = QPdfDocument()
        document.load(str(path))
        pages = range(document.pageCount())
        assert document.pageCount() >= 3
        content += "".join(document.getAllText(page).text() for page in pages).encode()
    return content
