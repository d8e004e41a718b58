"""What a DICOMweb server might answer that Orthanc never does."""

import io

import pytest
import requests
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from amae_engine.errors import NotDelivered
from amae_engine.pacs.dicomweb import DicomWeb
from amae_engine.pacs.query import RemoteImage
from amae_engine.pacs.server import DicomWebServer


def test_another_image_than_the_one_asked_for_is_not_kept(tmp_path, monkeypatch):
    other = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    other.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    other.SOPClassUID, other.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    content = io.BytesIO()
    other.save_as(content, enforce_file_format=True)
    answer = requests.Response()
    answer.status_code, answer.raw = 200, io.BytesIO(content.getvalue())
    answer.headers["Content-Type"] = "application/dicom"
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: answer)
    asked = RemoteImage(generate_uid(), generate_uid(), generate_uid(), "", "", "DX", "CHEST")
    server = DicomWebServer(url="http://127.0.0.1:1/dicom-web")
    with DicomWeb(server) as pacs, pytest.raises(NotDelivered, match="another image"):
        pacs.retrieve(asked, tmp_path / "image.dcm")
    assert not list(tmp_path.iterdir())
