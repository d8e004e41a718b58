"""DICOM objects: valid by independent validators, read by dcmqi, dcmtk and GDCM, taken by a PACS."""

import errno
import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import DEMO, demo_files, finish
from images_in_dicom import IDENTITIES, image, write_dicom
from orthanc_server import CALLED_AE, PASSWORD, USER, OrthancServer, missing_program

from amae_engine.catalog import image_tables, regions, runs, scores
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind
from amae_engine.config.peers import PeerConfig, PeerMethod
from amae_engine.errors import BadInput, NotReady
from amae_engine.evaluation.regions import Outline, Shape, box_outline, outlines_mask
from amae_engine.images.dicom import read_header
from amae_engine.images.sources import SourceFile
from amae_engine.jobs.evaluation.leading_score import LeadingScore
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.sharing.make_dicom import make_dicom
from amae_engine.jobs.sharing.send_objects import send_objects
from amae_engine.pacs.connection import connect
from amae_engine.pacs.query import RemoteImage
from amae_engine.pacs.server import DicomWebServer, DimseServer
from amae_engine.project import Project
from amae_engine.reports import dicom_naming, dicom_objects, dicom_report
from amae_engine.reports.dicom_objects import ReportedRegion, ReportedScore

KINDS = ("image", "map", "overlay", "regions", "report")


@pytest.fixture
def hospital(
    project: Project,
    tmp_path: Path,
    train_and_score: Callable[[Project], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A scored project whose test images are four DICOM files and two pictures; regions on one."""
    leads = LeadingScore(ScoreKind.UNLABELED_PROBE, "it has a map")  # so few images tell nothing
    monkeypatch.setattr("amae_engine.jobs.sharing.make_dicom.leading_score", lambda *_: leads)
    files = demo_files(20, 10, 2)
    taken = {file.path.name for file in files}
    paths = sorted((DEMO / "images").glob("*.jpeg"))
    free = [n for n, path in enumerate(paths, start=1) if path.name not in taken][:4]
    folder = tmp_path / "hospital"
    folder.mkdir()
    spacing = {"ImagerPixelSpacing": [0.2, 0.25]}
    sources = [write_dicom(folder, n, **(spacing if n == free[0] else {})) for n in free]
    finish(import_images(project, files, "demo"))
    finish(
        import_images(
            project, [SourceFile(s, "test", n % 2) for n, s in enumerate(sources)], "PACS"
        )
    )
    train_and_score(project)
    first = dicom_images(project)[0]
    ellipse = Outline(Shape.ELLIPSE, ((0.5, 0.2), (0.9, 0.8)))
    with project.session() as session:
        regions.add(
            session,
            [
                NewRegion(first, box_outline(0.1, 0.2, 0.3, 0.4), RegionState.DRAWN),
                NewRegion(first, ellipse, RegionState.REJECTED),
            ],
            "AB",
        )
        regions.add(session, [NewRegion(first, ellipse, RegionState.AGREED)], "CD")
    return project


def dicom_images(project: Project) -> list[int]:
    with project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
    return [i for i in ids if project.original_path(i).suffix == ".dcm"]


def made(project: Project, **more: object):
    return finish(make_dicom(project, **more))[0]  # type: ignore[arg-type]


def needs(*names: str) -> None:
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"needs {name} (Debian: dicom3tools, dcmtk, libgdcm-tools)")


def said(*command: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_peer_s_scores_carry_its_method(small_project: Project):
    config = PeerConfig(method=PeerMethod.CUTPASTE)
    with small_project.session() as session:
        run = runs.start(session, RunKind.PEER, config.to_dict(), None, 0)
        ids = image_tables.images_in(session, Split.TEST).ids
        for kind in (ScoreKind.PEER, ScoreKind.PEER_SOFTMAX):
            scores.save(session, run, kind, ids, np.linspace(0, 1, len(ids)))
        runs.finish(session, run)
    folder = made(small_project, run_id=run, image_ids=ids.tolist()[:1]).folder
    (report,) = folder.rglob("report.dcm")
    text = str(pydicom.dcmread(report))
    assert "CutPaste (N)" in text
    assert "CutPaste (N), softmax" in text
    assert "Peer method" not in text


@pytest.mark.parametrize("for_source_pacs", [False, True])
def test_validators_find_no_error(hospital: Project, for_source_pacs: bool):
    needs("dciodvfy", "dcentvfy", "dsrdump", "gdcminfo")
    found = made(hospital, reader="AB", for_source_pacs=for_source_pacs)
    assert found.images == (4 if for_source_pacs else 6)
    assert sum(found.left_out.values()) == (2 if for_source_pacs else 0)
    assert {file.stem for file in found.files} == set(KINDS) - {"image"} | (
        set() if for_source_pacs else {"image"}
    )
    for file in found.files:
        told = said("dciodvfy", "-new", file)
        assert "Error" not in told, f"{file.name}: {told}"
        if file.stem == "report":
            assert "Imaging Measurement Report" in said("dsrdump", file)
        else:
            assert "MediaStorage" in said("gdcminfo", file)
    for folder in {file.parent for file in found.files}:
        told = said("dcentvfy", *sorted(folder.glob("*.dcm")))
        assert "Error" not in told, told


def test_segmentations_are_read_by_dcmqi_where_they_belong(hospital: Project, tmp_path: Path):
    reader = shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))
    if reader is None:
        pytest.skip("needs dcmqi (PyPI)")
    first = dicom_images(hospital)[0]
    folder = made(hospital, image_ids=[first]).files[0].parent
    header = pydicom.dcmread(folder / "image.dcm")
    for name in ("regions", "map"):
        out = tmp_path / name
        out.mkdir()
        command = ("--inputDICOM", folder / f"{name}.dcm", "--outputDirectory", out)
        said(reader, *command, "--outputType", "nii", "--prefix", "s")
    box = outlines_mask([box_outline(0.1, 0.2, 0.3, 0.4)], header.Rows, header.Columns)
    ellipse = outlines_mask(
        [Outline(Shape.ELLIPSE, ((0.5, 0.2), (0.9, 0.8)))], header.Rows, header.Columns
    )
    for number, expected in ((1, box), (2, ellipse)):
        array = nifti(tmp_path / "regions" / f"s-{number}.nii.gz", header.Rows, header.Columns)
        assert np.array_equal(array > 0, expected)
    assert nifti(tmp_path / "map" / "s-1.nii.gz", header.Rows, header.Columns).any()


def test_no_pixel_size_is_made_up(hospital: Project):
    known = set()
    for path in made(hospital).folder.rglob("map.dcm"):
        groups = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
        measures = groups.get("PixelMeasuresSequence")
        known.add(None if measures is None else tuple(map(float, measures[0].PixelSpacing)))
    assert known == {None, (0.2, 0.25)}


def nifti(path: Path, rows: int, columns: int) -> np.ndarray:
    """The pixels of a NIfTI file of one slice (n+1: 352 bytes of header; datatype 2, 4 or 512)."""
    content = gzip.decompress(path.read_bytes())
    kind = {2: "<u1", 4: "<i2", 512: "<u2"}[int.from_bytes(content[70:72], "little")]
    return np.frombuffer(content, dtype=kind, offset=352).reshape(rows, columns)


def test_the_capture_shows_the_source_where_no_map_is(hospital: Project, tmp_path: Path):
    needs("dcmdjpls", "gdcmconv")
    first = dicom_images(hospital)[0]
    folder = made(hospital, image_ids=[first]).files[0].parent
    ours = pydicom.dcmread(folder / "overlay.dcm")
    original = pydicom.dcmread(hospital.original_path(first)).pixel_array
    shown = pydicom.dcmread(folder / "image.dcm").pixel_array
    assert np.corrcoef(original.ravel(), shown.ravel())[0, 1] > 0.999
    said("dcmdjpls", folder / "overlay.dcm", tmp_path / "dcmtk.dcm")
    said("gdcmconv", "--raw", folder / "overlay.dcm", tmp_path / "gdcm.dcm")
    pixels = ours.pixel_array
    assert pixels.shape == (*original.shape, 3)
    for other in ("dcmtk.dcm", "gdcm.dcm"):
        assert np.array_equal(pydicom.dcmread(tmp_path / other).pixel_array, pixels)
    grey = (pixels[..., 0] == pixels[..., 1]) & (pixels[..., 1] == pixels[..., 2])
    assert np.array_equal(pixels[..., 0][grey][:1000], shown[grey][:1000])
    assert (
        ours.SourceImageSequence[0].ReferencedSOPInstanceUID
        == pydicom.dcmread(folder / "image.dcm").SOPInstanceUID
    )


def test_deidentified_objects_name_nobody_and_the_others_name_their_patient(
    hospital: Project, capsys
):
    arguments = ["dicom", "--project", str(hospital.folder)]
    assert main(arguments) == 0
    assert "Objects of 6 images" in capsys.readouterr().out
    for file in (hospital.exports_folder / "run-003" / "dicom").rglob("*.dcm"):
        content = file.read_bytes()
        assert not [name for name in IDENTITIES if name.encode() in content], file
        dataset = pydicom.dcmread(file)
        assert str(dataset.PatientID).startswith("AMAE-P")
    assert main([*arguments, "--for-source-pacs"]) == 1
    assert "need a reader" in capsys.readouterr().err
    assert main([*arguments, "--for-source-pacs", "--reader", "AB"]) == 0
    private = hospital.folder / "private" / "run-003" / "dicom"
    files = list(private.rglob("*.dcm"))
    assert {str(pydicom.dcmread(f).PatientName) for f in files} == {"Secretperson^Quentin"}
    studies = {str(pydicom.dcmread(f).StudyInstanceUID) for f in files}
    assert len(studies) == 4
    assert all(f.stat().st_mode & 0o077 == 0 for f in files)
    first = dicom_images(hospital)[0]
    assert main([*arguments, "--image", f"CXR-{first:05d}", "CXR-99999"]) == 1
    assert "no such image" in capsys.readouterr().err


def test_the_report_holds_scores_and_measured_regions(hospital: Project):
    first = dicom_images(hospital)[0]
    report = pydicom.dcmread(made(hospital, image_ids=[first]).files[0].parent / "report.dcm")
    text = str(report)
    for words in ("Scores of run 3", "Normal against unlabeled", "Reader's judgement", "Rejected"):
        assert words in text
    area = [
        float(item.MeasuredValueSequence[0].NumericValue)
        for group in report.ContentSequence[-1].ContentSequence
        for item in group.ContentSequence
        if item.ValueType == "NUM" and item.ConceptNameCodeSequence[0].CodeMeaning == "Area"
    ]
    rows, columns = (
        pydicom.dcmread(hospital.original_path(first), stop_before_pixels=True)["Rows"].value,
        pydicom.dcmread(hospital.original_path(first), stop_before_pixels=True)["Columns"].value,
    )
    assert max(area) > min(area)
    assert min(area) == pytest.approx(0.12 * rows * columns * 0.2 * 0.25, rel=0.03)


def test_what_stands_in_where_the_original_is_gone_or_changed(hospital: Project):
    gone, changed, *_ = dicom_images(hospital)
    hospital.original_path(gone).unlink()
    other = write_dicom(hospital.folder, 200)
    shutil.copy(other, hospital.original_path(changed))
    other.unlink()
    found = made(hospital, reader="AB", for_source_pacs=True)
    assert found.images == 2
    assert set(found.left_out) == {
        "their originals have moved or are gone",
        "their originals have changed or cannot be read",
        "their originals are no DICOM files",
    }
    assert made(hospital, image_ids=[gone]).images == 1  # de-identified, from the stored image
    with pytest.raises(NotReady, match="No object was written"):
        made(hospital, reader="AB", image_ids=[gone], for_source_pacs=True)
    with pytest.raises(NotReady, match="scored none"):
        made(hospital, image_ids=[99999])


def test_a_full_disk_in_the_middle_leaves_what_was_there(hospital: Project, monkeypatch):
    before = {file: file.read_bytes() for file in made(hospital).files}
    real, calls = dicom_report.score_report, []

    def full(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(dicom_report, "score_report", full)
    with pytest.raises(OSError, match="No space"):
        made(hospital)
    folder = hospital.exports_folder / "run-003"
    assert [path.name for path in folder.iterdir()] == ["dicom"]
    assert {file: file.read_bytes() for file in folder.rglob("*.dcm")} == before


def test_very_many_regions_are_a_report_of_the_largest(hospital: Project):
    first = dicom_images(hospital)[0]
    many = [
        NewRegion(first, box_outline(x / 31, y / 31, 0.004, 0.004), RegionState.DRAWN)
        for x in range(30)
        for y in range(30)
    ]
    with hospital.session() as session:
        regions.add(session, many, "AB")
    folder = made(hospital, image_ids=[first]).files[0].parent
    report = pydicom.dcmread(folder / "report.dcm")
    assert len(report.ContentSequence[-1].ContentSequence) == 1 + dicom_report.MOST_REGIONS
    assert len(pydicom.dcmread(folder / "regions.dcm").SegmentSequence) == 2


@pytest.mark.parametrize("protocol", ["stow", "c-store"])
def test_a_real_pacs_takes_them_and_gives_them_back(
    hospital: Project, tmp_path: Path, protocol: str, monkeypatch, capsys
):
    missing = missing_program()
    if missing:
        pytest.skip(f"needs a real PACS: apt-get install {missing}")
    server = OrthancServer()
    server.start()
    try:
        originals = [hospital.original_path(i) for i in dicom_images(hospital)]
        server.fill(originals)
        found = made(hospital, reader="AB", for_source_pacs=True)
        web = DicomWebServer(server.url, USER)
        dimse = DimseServer("127.0.0.1", server.dicom_port, CALLED_AE)
        to = web if protocol == "stow" else dimse
        sent, _ = finish(send_objects(to, found.folder, PASSWORD))
        assert (sent.sent, sent.refused) == (len(found.files), {})
        for file in found.files[:8]:
            mine = pydicom.dcmread(file)
            remote = RemoteImage(
                mine.StudyInstanceUID, mine.SeriesInstanceUID, mine.SOPInstanceUID, *[""] * 4
            )
            with connect(web, PASSWORD) as connection:
                connection.retrieve(remote, tmp_path / "back.dcm")
            back = pydicom.dcmread(tmp_path / "back.dcm")
            assert back.SOPInstanceUID == mine.SOPInstanceUID
            assert back.StudyInstanceUID in {
                str(pydicom.dcmread(o, stop_before_pixels=True).StudyInstanceUID) for o in originals
            }
            if "PixelData" in mine:
                assert np.array_equal(back.pixel_array, mine.pixel_array)
        monkeypatch.setenv("AMAE_PACS_PASSWORD", "wrong")
        address = ["--dicomweb", server.url, "--user", USER]
        assert main(["pacs", "send", str(found.folder), *address]) == 1
        assert "refused user" in capsys.readouterr().err
        with pytest.raises(BadInput, match="holds no DICOM objects"):
            finish(send_objects(to, tmp_path / "hospital" / "none"))
    finally:
        server.stop()


@pytest.mark.parametrize("header", [
    {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": "Hong^Gildong=洪^吉洞=홍^길동"},
    {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"},
    {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Änne"},
    {"SpecificCharacterSet": "ISO_IR 6"}, {"SpecificCharacterSet": ""},
    {"SpecificCharacterSet": "ISO 2022 IR 100", "PatientName": "Müller^A"},
    {"PatientSex": "FEMALE"}, {"PatientBirthDate": "1960"}, {"PatientBirthDate": "00000000"},
    {"StudyDate": "20241332"}, {"StudyTime": "10:11:12"}, {"AccessionNumber": "A" * 24},
    {"StudyInstanceUID": "1.2.826.0.1.3680043.010.80.07"}, {"StudyInstanceUID": "1.2.826." + "9" * 70},
    {"SeriesInstanceUID": None}, {"PatientName": "N" * 90}, {"StudyID": None},
])  # fmt: skip
def test_objects_join_a_study_to_the_letter_whatever_its_header_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: dict
):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    path = write_dicom(tmp_path, 1, **{k: v for k, v in header.items() if v is not None})
    dataset = pydicom.dcmread(path)
    for keyword, value in header.items():
        if value is None:
            delattr(dataset, keyword)
    dataset.save_as(path)
    source = read_header(path)
    like = dicom_naming.stand_in(source)
    uids = dicom_naming.uids_of(like, source)
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    region = ReportedRegion(
        1, "Müller", "drawn", box_outline(0.1, 0.2, 0.3, 0.4), {("peak", "1"): 1.0}
    )
    objects = {
        "map": dicom_objects.map_segmentation(like, values, "Density"),
        "overlay": dicom_objects.overlay_capture(like, image(1), values, "Density"),
        "regions": dicom_objects.region_segmentation(like, [region]),
        "report": dicom_report.score_report(
            like, [ReportedScore("density", "Density", 1.5)], [region], "run 1"
        ),
    }
    for name, made in objects.items():
        file = tmp_path / f"{name}-object.dcm"
        dicom_naming.named_as(made, uids, source).save_as(file, enforce_file_format=True)
        found = pydicom.dcmread(file)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate",
                        "StudyTime", "AccessionNumber", "StudyInstanceUID",
                        "SpecificCharacterSet"):  # fmt: skip
            assert str(found.get(keyword, "")) == str(source.get(keyword, "")), (name, keyword)
        assert found.SOPInstanceUID not in (source.SOPInstanceUID, like.SOPInstanceUID)
        text = found.to_json()
        assert str(source.SOPInstanceUID) in text  # what it is about
        assert like.SOPInstanceUID not in text
