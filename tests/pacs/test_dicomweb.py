"""What a DICOMweb server might answer that Orthanc never does."""

import pytest
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from amae_engine.errors import NotDelivered
from amae_engine.pacs.dicomweb import DicomWeb
from amae_engine.pacs.query import RemoteImage
from amae_engine.pacs.server import DicomWebServer


def test_another_image_than_the_one_asked_for_is_not_kept(tmp_path, monkeypatch):
    other = Dataset()
    other.SOPInstanceUID = generate_uid()
    monkeypatch.setattr(DICOMwebClient, "retrieve_instance", lambda *_, **__: other)
    asked = RemoteImage(generate_uid(), generate_uid(), generate_uid(), "", "", "DX", "CHEST")
    server = DicomWebServer(url="http://127.0.0.1:1/dicom-web")
    with DicomWeb(server) as pacs, pytest.raises(NotDelivered, match="another image"):
        pacs.retrieve(asked, tmp_path / "image.dcm")
    assert not list(tmp_path.iterdir())
