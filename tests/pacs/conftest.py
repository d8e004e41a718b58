"""Fixtures: a real Orthanc with images, and the three ways to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from images_in_dicom import write_dicom
from orthanc_server import OrthancServer, missing_program
from ways_to_a_pacs import IMAGES, WAYS, Way


@pytest.fixture(scope="session")
def programs() -> None:
    """Skips where Debian's Orthanc, its DICOMweb plugin or dcmtk are absent."""
    missing = missing_program()
    if missing:
        pytest.skip(f"needs a real PACS: apt-get install {missing}")


@pytest.fixture
def own_orthanc(programs: None) -> Generator[OrthancServer, None, None]:
    """An empty server for one test, which may kill it."""
    server = OrthancServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def orthanc(
    programs: None, tmp_path_factory: pytest.TempPathFactory
) -> Generator[OrthancServer, None, None]:
    """A server with six images, which no test changes."""
    server = OrthancServer()
    try:
        server.start()
        folder = tmp_path_factory.mktemp("hospital")
        server.fill([write_dicom(folder, number) for number in range(1, IMAGES + 1)])
        yield server
    finally:
        server.stop()


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    """One of the three ways to a server."""
    return WAYS[request.param]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost with its key, one PEM."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", crt], check=True, capture_output=True)
    both = folder / "localhost.pem"
    both.write_text(crt.read_text() + key.read_text())
    return both


@pytest.fixture(scope="session")
def tls_orthanc(
    programs: None, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[OrthancServer, None, None]:
    """A server with one image that speaks only encrypted."""
    server = OrthancServer(certificate)
    try:
        server.start()
        yield server
    finally:
        server.stop()
