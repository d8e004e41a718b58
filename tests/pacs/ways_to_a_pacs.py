"""The three ways to a PACS, and what the shared one holds."""

from collections.abc import Callable

from orthanc_server import CALLED_AE, USER, OrthancServer

from amae_engine.pacs.server import DicomWebServer, DimseServer, Retrieve, Server

IMAGES = 6
"""In the shared server: numbers 1 to 6, odd ones DX, even ones CR, 2024-01-01 to 2024-01-06."""

Way = Callable[[OrthancServer], Server]
WAYS: dict[str, Way] = {
    "dicomweb": lambda orthanc: DicomWebServer(orthanc.url, USER),
    "c-get": lambda orthanc: DimseServer("127.0.0.1", orthanc.dicom_port, CALLED_AE),
    "c-move": lambda orthanc: DimseServer(
        "127.0.0.1",
        orthanc.dicom_port,
        CALLED_AE,
        retrieve=Retrieve.MOVE,
        receive_port=orthanc.receive_port,
    ),
}
