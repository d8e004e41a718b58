"""A PACS over DICOMweb: QIDO-RS to find, WADO-RS to fetch, STOW-RS to send (PS3.18 10.6, 10.4, 10.5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError

from amae_engine.errors import NotDelivered, PacsError, PacsLoginError
from amae_engine.pacs.query import ANSWERED, Keys, Level, RemoteImage
from amae_engine.pacs.server import DicomWebServer

_PAGE = 200  # answers at a time: some servers refuse to give more
_LEAST_CAP = 50  # no server is known that gives fewer of those that it has
# any transfer syntax: what the PACS has
_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class DicomWeb:
    """An HTTP session with one server; neither proxies nor .netrc of the environment are used.

    Args:
        server: Whom to ask.
        password: Of `server.user`.

    Raises:
        BadSetting: The certificate files cannot be used.
    """

    def __init__(self, server: DicomWebServer, password: str = "") -> None:
        server.tls.context()
        self._server = server
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(server.tls.ca_file) if server.tls.ca_file else True
        if server.tls.certificate is not None:
            key = server.tls.private_key or server.tls.certificate
            self._session.cert = (str(server.tls.certificate), str(key))
        if server.user:
            self._session.auth = (server.user.encode(), password.encode())
        self._client = DICOMwebClient(
            server.url.rstrip("/"), session=self._session, timeout=server.timeout_seconds
        )
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def check(self) -> None:
        """Ask for one study; see `Connection`."""
        with self._translated():
            self._client.search_for_studies(limit=1)

    def search(self, level: Level, keys: Keys) -> list[Keys]:
        """Query one level; see `Connection`."""
        fields = list(ANSWERED[level])
        study, *series = keys.values() if level is not Level.STUDY else ("",)

        def ask(limit: int, offset: int) -> list[dict[str, Any]]:
            page = {"fields": fields, "limit": limit, "offset": offset}
            if level is Level.STUDY:
                return self._client.search_for_studies(search_filters=dict(keys), **page)
            if level is Level.SERIES:
                return self._client.search_for_series(study, **page)
            return self._client.search_for_instances(study, *series, **page)

        with self._translated():
            return [_row(level, answer) for answer in self._every(ask)]

    def retrieve(self, image: RemoteImage, path: Path) -> None:
        """Write one image to a file; see `Connection`."""
        place = f"studies/{image.study}/series/{image.series}/instances/{image.sop}"
        with self._translated(self._not_delivered):
            answer = self._session.get(
                f"{self._server.url.rstrip('/')}/{place}",
                headers={"Accept": _AS_STORED},
                timeout=self._server.timeout_seconds,
            )
            answer.raise_for_status()
            dataset = dcmread(BytesIO(_first_part(answer)))
        if dataset.get("SOPInstanceUID") != image.sop:
            raise NotDelivered("the PACS sent another image than the one asked for")
        dataset.save_as(path)

    def store(self, path: Path) -> None:
        """Send one file by STOW-RS; see `Connection`."""
        with self._translated(self._not_delivered):
            answer = self._client.store_instances([dcmread(path)])
        if answer.get("FailedSOPSequence"):
            reason = int(answer.FailedSOPSequence[0].get("FailureReason", 0))
            raise NotDelivered(f"the PACS refused the object (reason 0x{reason:04X})")

    def _every(self, ask: Callable[[int, int], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """All pages, also of a server that caps a page.

        Raises:
            PacsError: The server has more than it gives, and knows no offset.
        """
        seen: set[str] = set()
        while True:
            page = ask(_PAGE, len(seen))
            new = {json.dumps(answer, sort_keys=True): answer for answer in page}
            fresh = [answer for text, answer in new.items() if text not in seen]
            if page and not fresh and len(page) >= _PAGE:
                raise PacsError(
                    f"{self._server.name} gives no more than {len(page)} answers and knows no offset: "
                    f"there may be more. Ask for fewer, by dates or patients."
                )
            if not fresh:
                return
            seen |= set(new)
            yield from fresh
            if len(page) < _LEAST_CAP:
                return

    @contextmanager
    def _translated(self, refused: Callable[[int], PacsError] | None = None) -> Iterator[None]:
        """Turn the libraries' errors, whose texts can name patients, into ours."""
        name = self._server.name
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise PacsError(
                f"{name}: the encrypted connection failed ({_tls_reason(error)}); if the server's "
                f"certificate is your hospital's own, give the CA file that vouches for it."
            ) from None
        except requests.exceptions.Timeout:
            raise PacsError(
                f"{name} did not answer within {self._server.timeout_seconds:g} s; try again, or "
                f"raise the time limit."
            ) from None
        except requests.exceptions.HTTPError as error:
            raise (refused or self._refused)(error.response.status_code) from None
        except requests.exceptions.ConnectionError:
            raise PacsError(
                f"{name} cannot be reached; check host and port, and that the PACS runs."
            ) from None
        except (
            requests.exceptions.RequestException,
            InvalidDicomError,
            ValueError,
            KeyError,
            TypeError,
            RecursionError,  # JSON that is too deep
        ):
            raise PacsError(
                f"{name} answers, but not as a DICOMweb service; check the path of the address, "
                f"such as /dicom-web."
            ) from None

    def _refused(self, status: int) -> PacsError:
        name, said = self._server.name, _said(status)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            who = f"user '{self._server.user}'" if self._server.user else "a request without user"
            return PacsLoginError(f"{name} refused {who} ({said}); check user and password.")
        if status == HTTPStatus.NOT_FOUND:
            return PacsError(
                f"{name} has no DICOMweb service at this path ({said}); check the path of the "
                f"address, such as /dicom-web."
            )
        return PacsError(f"{name} failed ({said}); try again, or ask its administrator.")

    def _not_delivered(self, status: int) -> PacsError:
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self._refused(status)
        return NotDelivered(f"the PACS answered {_said(status)}")


def _said(status: int) -> str:
    """A status with its phrase; proxies have some that no standard knows, such as 520."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def _row(level: Level, answer: dict[str, Any]) -> Keys:
    """The attributes that are needed; what else an answer holds, however malformed, is not looked at."""
    return {keyword: _value(answer, keyword) for keyword in ANSWERED[level]}


def _value(answer: dict[str, Any], keyword: str) -> str:
    element = answer.get(f"{tag_for_keyword(keyword):08X}")
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else ""
    return str(first).strip() if isinstance(first, str | int) else ""


def _first_part(answer: requests.Response) -> bytes:
    """The first part of a multipart answer (RFC 2046 5.1.1), or the answer where it has one alone.

    Raises:
        ValueError: It is cut, or no multipart answer.
    """
    header = Message()
    header["Content-Type"] = answer.headers.get("Content-Type", "")
    content = answer.content
    if header.get_content_maintype() != "multipart":
        return content
    mark = b"--" + str(header.get_boundary("")).encode()
    begin = content.find(mark)  # a preamble may stand before it
    start = content.index(b"\r\n\r\n", begin) + 4 if begin >= 0 else len(content)
    end = content.find(b"\r\n" + mark, start)
    return content[start : len(content) if end < 0 else end]


def _tls_reason(error: BaseException) -> str:
    """OpenSSL's own words, out of the errors that requests and urllib3 wrap around them."""
    text = str(error)
    for mark in ("certificate verify failed: ", "SSL: ", "SSLError("):
        if mark in text:
            return text.split(mark, 1)[1].split("(_ssl", 1)[0].strip(" ]'\")")
    return "no common encryption"
