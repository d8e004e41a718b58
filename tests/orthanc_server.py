"""A real Orthanc of its own for the tests: loopback, free ports, gone afterwards."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

USER, PASSWORD = "reader", "correct-horse"
CALLED_AE, CALLING_AE = "ORTHANC", "AMAE"
_START_SECONDS = 60.0


def missing_program() -> str:
    """What Debian package the tests lack, "" for none."""
    if orthanc_program() is None:
        return "orthanc"
    if plugin() is None:
        return "orthanc-dicomweb"
    return "" if shutil.which("dcmsend") else "dcmtk"


def orthanc_program() -> str | None:
    """Debian's Orthanc."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


def plugin() -> Path | None:
    """Debian's DICOMweb plugin."""
    path = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    return path if path.exists() else None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OrthancServer:
    """Started by `start`, ended by `stop`; `kill` and `start` again keep what it stores.

    Args:
        certificate: One PEM with certificate and key turns encryption on for both protocols.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="amae-orthanc-"))
        self._certificate = certificate
        self._process: subprocess.Popen[bytes] | None = None
        self._choose_ports()

    @property
    def url(self) -> str:
        """Of the DICOMweb service."""
        return f"{self._root}/dicom-web"

    @property
    def _root(self) -> str:
        return f"http{'s' if self._certificate else ''}://localhost:{self.http_port}"

    def start(self) -> None:
        """Start and wait until both protocols answer."""
        for _ in range(3):  # another program can take a free port first
            if self._start():
                return
            self.kill()
            self._choose_ports()
        log = (self._folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Orthanc did not start: {log}")

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and delete everything."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fill(self, files: Sequence[Path]) -> None:
        """Send DICOM files with dcmtk, each in its own transfer syntax."""
        command = ["dcmsend", "--decompress-never", "-aec", CALLED_AE, "-aet", "FILLER"]
        place = ["127.0.0.1", str(self.dicom_port)]
        done = subprocess.run(
            [*command, *place, *map(str, files)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"dcmsend failed: {done.stdout}{done.stderr}")

    def _choose_ports(self) -> None:
        self.http_port, self.dicom_port, self.receive_port = (free_port() for _ in range(3))

    def _start(self) -> bool:
        config = self._folder / "orthanc.json"
        config.write_text(json.dumps(self._settings()))
        with (self._folder / "log").open("ab") as log:
            command = [str(orthanc_program()), str(config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if _listens(self.http_port) and _listens(self.dicom_port) and self._is_ours():
                return True
            time.sleep(0.05)
        return False

    def _is_ours(self) -> bool:
        if self._certificate:
            return True
        try:
            with urllib.request.urlopen(f"{self._root}/system", timeout=5):
                return False
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = {
            "Name": "amae-tests",
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": CALLED_AE,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {"amae": [CALLING_AE, "127.0.0.1", self.receive_port]},
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "Plugins": [str(plugin())],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        if self._certificate is not None:
            settings |= {
                "SslEnabled": True,
                "SslCertificate": str(self._certificate),
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(self._certificate),
                "DicomTlsPrivateKey": str(self._certificate),
                "DicomTlsTrustedCertificates": str(self._certificate),
                "DicomTlsRemoteCertificateRequired": False,
            }
        return settings


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
