"""Fetching from a real PACS by DICOMweb, C-GET and C-MOVE, and importing what came."""

import logging
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import finish
from images_in_dicom import IDENTITIES, image, patient_id, write_dicom
from orthanc_server import PASSWORD, OrthancServer
from ways_to_a_pacs import IMAGES, WAYS, Way

from amae_engine.catalog import studies
from amae_engine.errors import BadSetting, NotReady, PacsError
from amae_engine.events import Notice, Progress
from amae_engine.jobs.importing.find_remote_images import FoundImage, find_remote_images
from amae_engine.jobs.importing.import_report import NothingImported, Outcome
from amae_engine.jobs.importing.retrieve_images import Retrieval, RetrievalReport, retrieve_images
from amae_engine.pacs.connection import connect
from amae_engine.pacs.query import PacsQuery
from amae_engine.pacs.server import Server
from amae_engine.project import Project


def _fetch(project: Project, server: Server, query: PacsQuery | None = None) -> RetrievalReport:
    job = retrieve_images(project, Retrieval(server, query or PacsQuery(), "unlabeled"), PASSWORD)
    report, _ = finish(job)
    assert isinstance(report, RetrievalReport)
    return report


def _find(project: Project, server: Server, query: PacsQuery) -> tuple[FoundImage, ...]:
    found, _ = finish(find_remote_images(project, server, query, PASSWORD))
    assert isinstance(found, tuple)
    return found


def _originals(project: Project) -> list[Path]:
    return sorted((project.folder / "private" / "originals").glob("*.dcm"))


def _halves(project: Project) -> list[Path]:
    return list((project.folder / "private").rglob("*.part"))


def _images(project: Project) -> int:
    with project.session() as session:
        return sum(count.images for count in studies.split_counts(session).values())


def test_a_sign_of_life_is_answered(orthanc: OrthancServer, way: Way):
    with connect(way(orthanc), PASSWORD) as connection:
        connection.check()


def test_images_are_found_fetched_and_imported(orthanc: OrthancServer, way: Way, project: Project):
    report = _fetch(project, way(orthanc))
    assert (report.found, report.known, report.undelivered) == (IMAGES, 0, ())
    assert report.imported is not None
    assert report.imported.count(Outcome.IMPORTED) == IMAGES
    assert len(_originals(project)) == _images(project) == IMAGES
    assert _halves(project) == []
    for image_id in range(1, IMAGES + 1):
        original = project.original_path(image_id)
        assert original in _originals(project)
        number = int(pydicom.dcmread(original).PatientID[-4:])
        assert np.array_equal(pydicom.dcmread(original).pixel_array, image(number))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (PacsQuery(), [1, 2, 3, 4, 5, 6]),
        (PacsQuery(modalities=("CR",)), [2, 4, 6]),
        (PacsQuery(since=date(2024, 1, 2), until=date(2024, 1, 4)), [2, 3, 4]),
        (PacsQuery(since=date(2024, 1, 5)), [5, 6]),
        (PacsQuery(until=date(2024, 1, 1)), [1]),
        (PacsQuery(body_part="chest"), [1, 2, 3, 4, 5, 6]),
        (PacsQuery(body_part="HAND"), []),
        (PacsQuery(modalities=("MG",)), []),
        (PacsQuery(patients=(patient_id(3), patient_id(6), "MRN-0")), [3, 6]),
    ],
)
def test_a_query_finds_what_it_names(
    orthanc: OrthancServer, way: Way, project: Project, query: PacsQuery, numbers: list[int]
):
    found = _find(project, way(orthanc), query)
    assert sorted(f.study_date for f in found) == [f"2024010{number}" for number in numbers]
    assert all(f.modality == ("DX" if int(f.study_date[-1]) % 2 else "CR") for f in found)
    assert {f.body_part for f in found} <= {"CHEST"}


def test_a_image_is_found_with_its_name_once_it_is_in_the_project(
    orthanc: OrthancServer, way: Way, project: Project
):
    first = PacsQuery(until=date(2024, 1, 1))
    _fetch(project, way(orthanc), first)
    found = _find(project, way(orthanc), PacsQuery())
    assert [f.name for f in found if f.study_date == "20240101"] == ["CXR-00001"]
    assert [f.name for f in found if f.study_date != "20240101"] == [""] * (IMAGES - 1)
    assert len({f.patient_key for f in found}) == IMAGES


def test_a_second_fetch_brings_only_what_is_new(
    own_orthanc: OrthancServer, project: Project, tmp_path: Path
):
    server = WAYS["c-get"](own_orthanc)
    own_orthanc.fill([write_dicom(tmp_path, number) for number in (1, 2)])
    _fetch(project, server)
    before = {path: path.stat().st_mtime_ns for path in _originals(project)}
    own_orthanc.fill([write_dicom(tmp_path, 3)])
    report = _fetch(project, server)
    assert (report.found, report.known) == (3, 2)
    assert report.imported is not None
    assert len(report.imported.fates) == 1
    assert {p: p.stat().st_mtime_ns for p in _originals(project) if p in before} == before
    report = _fetch(project, server)
    assert (report.known, report.imported) == (3, None)
    assert _images(project) == 3


def test_the_same_image_under_two_instances_is_imported_once(
    own_orthanc: OrthancServer, way: Way, project: Project, tmp_path: Path
):
    copy = {"SOPInstanceUID": "1.2.826.0.1.3680043.8.498.77"}
    own_orthanc.fill([write_dicom(tmp_path, 1), write_dicom(tmp_path, 1, **copy)])
    own_orthanc.fill([write_dicom(tmp_path, 1)])
    report = _fetch(project, way(own_orthanc))
    assert report.found == 2
    assert report.imported is not None
    assert [f.outcome for f in report.imported.fates] == [Outcome.IMPORTED, Outcome.DUPLICATE]
    assert len(_originals(project)) == _images(project) == 1


def test_what_the_project_refuses_is_reported_and_not_kept(
    own_orthanc: OrthancServer, project: Project, tmp_path: Path
):
    server = WAYS["dicomweb"](own_orthanc)
    lateral = write_dicom(tmp_path, 2, ViewPosition="LL")
    own_orthanc.fill([lateral])
    with pytest.raises(NothingImported, match="None of the 1 files could be imported: .*lateral"):
        _fetch(project, server)
    assert _originals(project) == []
    own_orthanc.fill([write_dicom(tmp_path, 1)])
    assert _fetch(project, server).imported is not None
    report = _fetch(project, server)  # only the lateral is left: no error any more
    assert report.imported is not None
    assert [fate.outcome for fate in report.imported.fates] == [Outcome.REFUSED]
    assert len(_originals(project)) == _images(project) == 1


def test_closing_leaves_whole_images_that_the_next_fetch_uses(
    orthanc: OrthancServer, way: Way, project: Project
):
    job = retrieve_images(project, Retrieval(way(orthanc), PacsQuery(), "test"), PASSWORD)
    events = []
    while not any(isinstance(e, Progress) and e.step == "Fetching images" for e in events):
        events.append(next(job))
    job.close()
    kept = {path: path.stat().st_mtime_ns for path in _originals(project)}
    assert kept
    assert _halves(project) == []
    assert all(pydicom.dcmread(path).pixel_array.size for path in kept)
    _fetch(project, way(orthanc))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert _images(project) == IMAGES


def test_a_server_killed_halfway_costs_only_what_is_missing(
    own_orthanc: OrthancServer,
    way: Way,
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("amae_engine.jobs.importing.retrieve_images._SECONDS_BETWEEN_EVENTS", 0.0)
    own_orthanc.fill([write_dicom(tmp_path, number) for number in range(1, 9)])
    job = retrieve_images(project, Retrieval(way(own_orthanc), PacsQuery(), "normal"), PASSWORD)
    done = 0
    while done < 3:
        event = next(job)
        done = event.done if isinstance(event, Progress) and event.total == 8 else done
    own_orthanc.kill()
    with pytest.raises(PacsError, match=r"3 of 8 images were fetched and are kept; fetch again"):
        finish(job)
    kept = {path: path.stat().st_mtime_ns for path in _originals(project)}
    assert len(kept) == 3
    assert _halves(project) == []
    assert _images(project) == 0
    own_orthanc.start()
    report = _fetch(project, way(own_orthanc))
    assert report.imported is not None
    assert report.imported.count(Outcome.IMPORTED) == _images(project) == 8
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_halves_of_a_crash_are_cleared_away(orthanc: OrthancServer, project: Project):
    folder = project.folder / "private" / "originals"
    folder.mkdir()
    (folder / "0123.part").write_bytes(b"half an image")
    _fetch(project, WAYS["dicomweb"](orthanc), PacsQuery(until=date(2024, 1, 1)))
    assert _halves(project) == []


def test_two_fetches_into_one_project_do_not_meet(orthanc: OrthancServer, project: Project):
    first = retrieve_images(
        project, Retrieval(WAYS["dicomweb"](orthanc), PacsQuery(), "test"), PASSWORD
    )
    next(first)
    with pytest.raises(NotReady, match="Another fetch .* is at work; wait for its end"):
        _fetch(project, WAYS["c-get"](orthanc))
    first.close()
    assert _fetch(project, WAYS["c-get"](orthanc)).found == IMAGES


def test_nobody_is_named_outside_private(
    orthanc: OrthancServer, way: Way, project: Project, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("pynetdicom").setLevel(logging.DEBUG)
    query = PacsQuery(patients=(patient_id(1), patient_id(2)))
    retrieval = Retrieval(way(orthanc), query, "test")
    report, events = finish(retrieve_images(project, retrieval, PASSWORD))
    project.close()
    assert isinstance(report, RetrievalReport)
    assert report.imported is not None
    assert report.imported.count(Outcome.IMPORTED) == 2
    uids = "1.2.826.0.1.3680043.8.498."
    names = [fate.path.name for fate in report.imported.fates]
    told = " ".join([caplog.text, repr(events), repr(retrieval), repr(report), *names])
    assert not [word for word in (*IDENTITIES, uids, PASSWORD) if word in told]
    read = 0
    for file in project.folder.rglob("*"):
        if file.is_file() and "private" not in file.parts:
            content = file.read_bytes()
            assert not [word for word in (*IDENTITIES, uids, PASSWORD) if word.encode() in content]
            read += 1
    assert read > 2
    assert any(isinstance(e, Notice) and "2 images in 2 studies" in e.message for e in events)


def test_real_images_come_in_the_transfer_syntax_that_the_pacs_has(
    own_orthanc: OrthancServer, way: Way, project: Project, shared: Path
):
    names = ("rsna_01", "derived_deflated", "derived_jpegls_lossless", "derived_14bit_no_window")
    sent = [shared / "data" / "dicom" / "more" / f"chest_{name}.dcm" for name in names]
    own_orthanc.fill(sent)
    report = _fetch(project, way(own_orthanc))
    assert report.imported is not None
    assert report.imported.count(Outcome.IMPORTED) == len(sent)
    came = {pydicom.dcmread(p).SOPInstanceUID: pydicom.dcmread(p) for p in _originals(project)}
    for path in sent:
        original = pydicom.dcmread(path)
        copy = came[original.SOPInstanceUID]
        assert copy.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        assert np.array_equal(copy.pixel_array, original.pixel_array)


def test_a_role_must_be_one_of_three(orthanc: OrthancServer):
    with pytest.raises(BadSetting, match="must be one of normal, unlabeled, test; it is 'train'"):
        Retrieval(WAYS["dicomweb"](orthanc), PacsQuery(), "train")
