"""Import as a user does it: every file's fate, identity, duplicates, crashes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import DEMO, demo_files, finish
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from sqlalchemy import select

from amae_engine.catalog import held_images, image_tables, studies
from amae_engine.catalog.tables import Audit, Split
from amae_engine.cli import main
from amae_engine.errors import BadInput
from amae_engine.events import Changed, Changes, Notice, Progress
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.importing.import_report import ImportReport, NothingImported, Outcome
from amae_engine.project import Project

NAME = "Secretperson^Quentin"


def _dicom(path: Path, image: np.ndarray, uid: str) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, uid
    dataset.StudyInstanceUID = uid + ".1"
    dataset.PatientName, dataset.PatientID = NAME, "MRN-77120415"
    dataset.PatientBirthDate, dataset.AccessionNumber = "19610203", "ACC-99133"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = image.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def image() -> np.ndarray:
    return np.asarray(Image.open(DEMO / "images" / "normal_001.jpeg").convert("L"))


def test_good_files_come_in_and_bad_ones_say_why(project: Project, tmp_path: Path):
    text = tmp_path / "notes.dcm"
    text.write_text("not an image")
    cut = tmp_path / "cut.png"
    Image.open(DEMO / "images" / "normal_002.jpeg").save(cut)
    cut.write_bytes(cut.read_bytes()[:3000])
    files = [*demo_files(3, 0, 0), SourceFile(text, "normal"), SourceFile(cut, "normal")]
    report, events = finish(import_images(project, files, "mixed"))
    assert isinstance(report, ImportReport)
    assert [fate.outcome for fate in report.fates] == ["imported"] * 3 + ["refused"] * 2
    assert "not a DICOM file" in report.fates[3].reason
    assert "cut short" in report.fates[4].reason
    assert any(isinstance(e, Progress) and e.done == 5 for e in events)
    assert Changes(Changed.IMAGES) in events
    assert any(isinstance(e, Notice) and "3 images imported" in e.message for e in events)


def test_no_identity_reaches_the_catalog_or_the_store(
    project: Project, image: np.ndarray, tmp_path: Path
):
    folder = tmp_path / "Secretperson_Quentin"
    folder.mkdir()
    path = _dicom(folder / "MRN-77120415.dcm", image, "1.2.3.4.5.6.77120415")
    finish(import_images(project, [SourceFile(path, "test", 1)], "ward"))
    project.close()
    needles = [b"Secretperson", b"Quentin", b"77120415", b"19610203", b"ACC-99133"]
    for file in project.folder.rglob("*"):
        if file.is_file() and "private" not in file.parts:
            content = file.read_bytes()
            assert not any(needle in content for needle in needles), file.name


def test_the_same_image_comes_in_once(project: Project, image: np.ndarray, tmp_path: Path):
    one = _dicom(tmp_path / "one.dcm", image, "1.2.3")
    same_instance = _dicom(tmp_path / "two.dcm", 255 - image, "1.2.3")
    same_pixels = tmp_path / "three.png"
    Image.fromarray(image).save(same_pixels)
    files = [SourceFile(p, "normal") for p in (one, same_instance, same_pixels)]
    report, _ = finish(import_images(project, files, "twice"))
    assert [f.outcome for f in report.fates] == ["imported", "imported", "duplicate"]
    # one name of two images: both stay, and it is said
    assert "its SOP Instance UID is also that of an image with other pixels" in (
        report.fates[1].reason
    )
    assert report.fates[2].reason == "the same image as another of these files"
    again, _ = finish(import_images(project, files[:1], "again"))
    assert again.fates[0].outcome is Outcome.DUPLICATE
    assert "CXR-00001" in again.fates[0].reason


def test_a_table_that_comes_again_with_its_truth_completes_the_images_that_lack_it(
    project: Project, capsys
):
    every = [f for f in demo_files(2, 4, 6) if f.role != "normal"]
    folder = str(project.folder)
    finish(import_images(project, [replace(f, truth=None) for f in every], "demo"))
    assert main(["import", "--project", folder, str(DEMO / "images" / "normal_001.jpeg"),
                 "--role", "normal"]) == 0  # fmt: skip
    assert "Of 6 test images the truth is not known" in capsys.readouterr().out
    with project.session() as session:
        first = image_tables.images_in(session, Split.TEST).ids[:1].tolist()
        studies.set_truth(session, first, 1 - every[4].truth, "BB")
    again, _ = finish(import_images(project, every, "demo", "AB"))
    assert again.summary() == (
        "0 images imported, 9 already there (9 got the truth that they lacked), 0 refused, 1 already "
        "there with another label."
    )
    with project.session() as session:
        truth = {s: image_tables.images_in(session, s).truth.tolist() for s in Split}
        said = [row.reader for row in session.scalars(select(Audit)) if row.act == "set_truth"]
    wanted = [f.truth for f in every]
    assert truth[Split.UNLABELED] == wanted[:4]
    assert truth[Split.TEST] == [1 - wanted[4], *wanted[5:]]  # what a reader said stays
    assert said == ["BB", "AB", "AB"]
    # and one that knows nothing takes nothing away
    finish(import_images(project, [replace(f, truth=None) for f in every], "demo"))
    with project.session() as session:
        assert image_tables.images_in(session, Split.TEST).truth.tolist() == truth[Split.TEST]


def test_a_known_patient_is_recognised_without_being_named(
    project: Project, image: np.ndarray, tmp_path: Path
):
    other = np.asarray(Image.open(DEMO / "images" / "normal_002.jpeg").convert("L"))
    files = [
        SourceFile(_dicom(tmp_path / f"{uid}.dcm", pixels, uid), role)
        for uid, pixels, role in (("1.2.1", image, "normal"), ("1.2.2", other, "test"))
    ]
    _, events = finish(import_images(project, files, "ward"))
    with project.session() as session:
        assert len(studies.patients_in_two_splits(session)) == 1
    assert any("more than one split" in e.message for e in events if isinstance(e, Notice))


def test_the_stored_image_is_the_decoded_image(project: Project, image: np.ndarray, tmp_path: Path):
    path = tmp_path / "image.png"
    Image.fromarray(image).resize((256, 256)).save(path)
    finish(import_images(project, [SourceFile(path, "normal")], "png"))
    stored = project.pixels.read(np.array([0]))[0]
    assert np.array_equal(stored, np.asarray(Image.open(path)))
    assert project.original_path(1) == path.resolve()


def test_closing_keeps_what_was_committed(project: Project):
    job = import_images(project, demo_files(96, 0, 0), "half")
    next(job)
    job.close()
    with project.session() as session:
        count = len(image_tables.images_in(session, Split.NORMAL).ids)
    assert 0 < count < 96
    assert len(project.pixels) == count


def test_nothing_at_all_to_import_is_an_error(project: Project):
    with pytest.raises(BadInput, match="nothing to import"):
        finish(import_images(project, [], "none"))


def test_when_every_file_is_bad_the_reasons_are_reported_and_the_report_is_kept(
    project: Project, tmp_path: Path
):
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / name).write_text("x")
    files = [SourceFile(tmp_path / n, "test") for n in ("a.dcm", "gone.png", "b.dcm")]
    with pytest.raises(NothingImported) as caught:
        finish(import_images(project, files, "bad"))
    assert "None of the 3 files could be imported: 2 × not a DICOM file" in str(caught.value)
    assert "1 × the file is missing (gone.png)" in str(caught.value)
    report = caught.value.report
    assert [fate.path.name for fate in report.fates] == ["a.dcm", "gone.png", "b.dcm"]
    report.write_csv(tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text().count("refused") == 3


def test_when_no_file_may_come_in_that_is_an_error_too(project: Project, tmp_path: Path):
    """Files that a table refuses at the door count as refused like any other."""
    (tmp_path / "b.dcm").write_text("x")
    outside = SourceFile(tmp_path / "a.png", "test", refused="it lies outside")
    for files in ([outside], [outside, SourceFile(tmp_path / "b.dcm", "test")]):
        with pytest.raises(NothingImported, match="it lies outside"):
            finish(import_images(project, files, "bad"))


def test_a_image_with_a_window_is_windowed(image: np.ndarray, tmp_path: Path):
    from amae_engine.images.decode import read_image

    path = _dicom(tmp_path / "w.dcm", image, "1.2.9")
    dataset = pydicom.dcmread(path)
    dataset.WindowCenter, dataset.WindowWidth = 100, 50
    dataset.save_as(path)
    pixels = read_image(path).pixels
    assert (pixels[image <= 74] == 0).all()
    assert (pixels[image >= 126] == 255).all()


def test_one_name_of_two_images_carries_nothing_from_one_to_the_other(
    project: Project, image: np.ndarray, tmp_path: Path
):
    one = _dicom(tmp_path / "one.dcm", image, "1.2.3")
    other = _dicom(tmp_path / "two.dcm", np.flipud(255 - image), "1.2.3")
    finish(import_images(project, [SourceFile(one, "unlabeled")], "first"))
    report, _ = finish(import_images(project, [SourceFile(other, "unlabeled", 1)], "second"))
    assert "SOP Instance UID" in report.fates[0].reason
    with project.session() as session:
        assert image_tables.images_in(session, Split.UNLABELED).truth.tolist()[0] == -1


@pytest.mark.parametrize("at_once", [True, False])
def test_an_image_with_two_labels_is_reported_and_held_where_nobody_used_it(
    project: Project, at_once: bool
):
    """In one table twice, as normal and as a test image; or in a later table."""
    one, two = demo_files(2, 0, 0)
    again = SourceFile(one.path, "test", 1)
    files = [SourceFile(one.path, "normal", 0), SourceFile(two.path, "normal", 0)]
    if at_once:
        report, events = finish(import_images(project, [*files, again], "one"))
    else:
        finish(import_images(project, files, "one"))
        report, events = finish(import_images(project, [again], "two"))
    assert report.fates[-1].outcome is Outcome.CONFLICT
    assert report.fates[-1].reason == (
        "the same image as CXR-00001, which is normal; here it is test, abnormal"
        if not at_once
        else "the same image as another of these files, which is normal; here it is test, abnormal"
    )
    assert any("repeat images that have another split or truth" in str(e) for e in events)
    with project.session() as session:
        held = [row.name for row in held_images.waiting(session)]
        assert held == (["CXR-00001"] if at_once else [])  # one that is there stays as it is
        assert len(image_tables.images_in(session, Split.NORMAL).ids) == (1 if at_once else 2)
