"""DICOMweb servers that cap their answers, hold bad UIDs, or write what is malformed but not needed."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest
from images_in_dicom import write_dicom

from amae_engine.cli import main
from amae_engine.errors import PacsError
from amae_engine.pacs.connection import connect
from amae_engine.pacs.query import PacsQuery, find_images
from amae_engine.pacs.server import DicomWebServer

_TAGS = {"study": "0020000D", "series": "0020000E", "sop": "00080018"}


class OddServer:
    """Answers on loopback as it is told.

    Args:
        images: UIDs of study, series and SOP instance of each.
        most: Answers it gives at a time.
        largest: A larger limit is refused.
        knows_offset: Whether it goes on where it is asked to.
        more: Attributes of every answer.
        files: What it sends, by SOP instance UID.
        preamble: What stands before the first part of a multipart answer.
        always: Status and body of every answer to a search.
    """

    def __init__(
        self,
        images: list[tuple[str, str, str]],
        most: int = 10**6,
        largest: int = 10**6,
        knows_offset: bool = True,
        more: dict[str, object] | None = None,
        files: dict[str, bytes] | None = None,
        preamble: bytes = b"",
        always: tuple[int, bytes] | None = None,
    ) -> None:
        outer = self
        self.images, self.files, self.more = images, files or {}, more or {}

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                asked = parse_qs(address.query)
                limit, offset = (
                    int(asked.get(n, [d])[0]) for n, d in (("limit", 1 << 30), ("offset", 0))
                )
                parts = address.path.strip("/").split("/")[1:]
                if always:
                    self.give(*always)
                elif len(parts) == 6:
                    self.give_file(parts[5])
                elif "limit" in asked and limit > largest:
                    self.give(400, b"limit")
                else:
                    rows = outer.rows(parts)[offset if knows_offset else 0 :][: min(limit, most)]
                    self.give(200 if rows else 204, json.dumps(rows).encode() if rows else b"")

            def give_file(self, uid: str) -> None:
                part = b"--b0undary\r\nContent-Type: application/dicom\r\n\r\n" + outer.files[uid]
                kind = 'multipart/related; type="application/dicom"; boundary=b0undary'
                self.give(200, preamble + part + b"\r\n--b0undary--\r\n", kind)

            def give(self, status: int, body: bytes, kind: str = "application/dicom+json") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/dicom-web"

    def rows(self, parts: list[str]) -> list[dict[str, object]]:
        level = {1: "study", 3: "series", 5: "sop"}[len(parts)]
        found = [i for i in self.images if all(uid in parts for uid in i[: len(parts) // 2])]
        place = ("study", "series", "sop").index(level)
        rows = []
        for uid in dict.fromkeys(image[place] for image in found):
            own = {_TAGS[level]: {"vr": "UI", "Value": [uid]}}
            if level == "series":
                own["00080060"] = {"vr": "CS", "Value": ["DX"]}
            if level == "study":
                own["00080020"] = {"vr": "DA", "Value": ["20240102"]}
            rows.append({**own, **self.more})
        return rows


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[object]:
    servers: list[OddServer] = []

    def make(*images: tuple[str, str, str], **how: object) -> OddServer:
        servers.append(OddServer(list(images), **how))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


def _found(server: OddServer) -> tuple[list[str], Counter[str]]:
    left_out: Counter[str] = Counter()
    with connect(DicomWebServer(url=server.url)) as connection:
        images = list(find_images(connection.search, PacsQuery(), left_out))
    return [image.sop for image in images], left_out


_MANY = {
    "studies": [(f"1.2.{n}", f"1.2.{n}.1", f"1.2.{n}.1.1") for n in range(130)],
    "series": [("1.2", f"1.2.{n}", f"1.2.{n}.1") for n in range(130)],
    "images": [("1.2", "1.2.3", f"1.2.3.{n}") for n in range(130)],
}


@pytest.mark.parametrize("level", _MANY)
@pytest.mark.parametrize("how", [{"most": 100}, {"most": 50}, {"largest": 200}])
def test_every_image_is_found_though_a_page_is_capped(serve, level: str, how: dict):
    sops, left_out = _found(serve(*_MANY[level], **how))
    assert sorted(sops) == sorted(image[2] for image in _MANY[level])
    assert not left_out


def test_an_answer_that_is_cut_for_good_is_an_error(serve):
    images = [("1.2", "1.2.3", f"1.2.3.{n}") for n in range(300)]
    with pytest.raises(PacsError, match="no more than 200 answers and knows no offset"):
        _found(serve(*images, knows_offset=False))


@pytest.mark.parametrize(
    ("place", "uid"), [(0, "1." + "4" * 80), (1, "1." + "4" * 70), (2, "1.2.A"), (2, "")]
)
def test_one_bad_uid_leaves_out_that_object_alone(serve, capsys, place: int, uid: str):
    bad = ["1.9", "1.9.9", "1.9.9.9"]
    bad[place] = uid
    server = serve(("1.2", "1.2.3", "1.2.3.4"), ("1.5", "1.5.6", "1.5.6.7"), tuple(bad))
    sops, left_out = _found(server)
    assert sops == ["1.2.3.4", "1.5.6.7"]
    assert sum(left_out.values()) == 1
    assert main(["pacs", "find", "--dicomweb", server.url]) == 0
    said = capsys.readouterr()
    assert "2 images in 2 studies" in said.out
    assert re.search("Left out: 1 (studies|series|images) whose UID is no valid one", said.out)
    assert uid not in said.out + said.err or not uid


@pytest.mark.parametrize("more", [
    {"00101030": {"vr": "DS", "Value": ["SECRET kg"]}},
    {"00201208": {"vr": "IS", "Value": [""]}},
    {"00100010": {"Value": [{"Alphabetic": "SECRET^NAME"}]}},
    {"00080020": {"vr": "DA", "Value": ["SECRETDATE"]}},
    {"00080020": {"vr": "DA", "Value": [None]}},
    {"00100020": {"vr": "LO", "Value": ["SECRET" * 20]}},
    {"00100020": {"vr": "LO", "Value": [12345]}},
    {"00101010": "SECRET"},
])  # fmt: skip
def test_what_is_malformed_but_not_needed_is_neither_an_error_nor_printed(serve, capfd, more: dict):
    server = serve(("1.2", "1.2.3", "1.2.3.4"), more=more)
    assert main(["pacs", "find", "--dicomweb", server.url]) == 0
    said = capfd.readouterr()
    assert "1 images in 1 studies" in said.out
    assert "SECR" not in said.out + said.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((520, b"a proxy's own"), r"failed \(status 520\); try again"),
        ((503, b""), r"failed \(503 Service Unavailable\); try again"),
        ((200, b"[" * 100_000 + b"]" * 100_000), "answers, but not as a DICOMweb service"),
        ((200, b"\xff\xfe"), "answers, but not as a DICOMweb service"),
    ],
)
def test_an_answer_that_no_standard_knows_is_a_sentence(serve, answer, said: str):
    with pytest.raises(PacsError, match=said):
        _found(serve(always=answer))


@pytest.mark.parametrize("act", ["check", "find"])
def test_a_password_over_http_is_warned_of_before_it_is_sent(capsys, act: str):
    elsewhere = ["--dicomweb", "http://pacs.invalid/dicom-web", "--user", "ct"]
    assert main(["pacs", act, *elsewhere]) == 1
    assert "! pacs.invalid: http sends the password unencrypted." in capsys.readouterr().err
    assert main(["pacs", act, *elsewhere[:2]]) == 1  # no user, no password
    assert "unencrypted" not in capsys.readouterr().err


@pytest.mark.parametrize("preamble", [b"", b"\r\n", b"This is a multipart message.\r\n"])
def test_a_preamble_before_the_first_part_is_no_image(
    serve, tmp_path: Path, capsys, preamble: bytes
):
    """RFC 2046 5.1.1."""
    folder = tmp_path / "pacs"
    folder.mkdir()
    path = write_dicom(folder, 1)
    header = pydicom.dcmread(path)
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    files = {uids[2]: path.read_bytes()}
    server = serve(uids, files=files, preamble=preamble)
    project = str(tmp_path / "project")
    command = ["pacs", "fetch", "--dicomweb", server.url, "--project", project]
    assert main([*command, "--role", "unlabeled"]) == 0
    assert "1 image imported" in capsys.readouterr().out
