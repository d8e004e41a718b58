"""`amae pacs check|find|fetch|send`: images from a PACS, objects to it; they print no name."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections import Counter
from datetime import date

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import BadSetting
from amae_engine.events import Level
from amae_engine.jobs.importing.find_remote_images import RemoteCounts
from amae_engine.jobs.importing.import_report import Twins
from amae_engine.pacs.connection import connect
from amae_engine.pacs.query import PacsQuery, find_images, left_out_text
from amae_engine.pacs.server import DicomWebServer, DimseServer, Retrieve, Server, Tls
from amae_engine.project import Project

PASSWORD = "AMAE_PACS_PASSWORD"
_ADDRESS = re.compile(r"(?P<called>[^@]+)@(?P<host>[^@]+):(?P<port>[0-9]{1,5})")


def check(options: Namespace) -> None:
    """Say whether the PACS answers."""
    server = _server_with_warning(options)
    with connect(server, password()) as connection:
        connection.check()
    say("The PACS answers.")


def find(options: Namespace) -> None:
    """Count the images that a query means, by modality and year."""
    server = _server_with_warning(options)
    with connect(server, password()) as connection:
        left_out: Counter[str] = Counter()
        images = list(find_images(connection.search, query_of(options), left_out))
    counts = RemoteCounts.of(images)
    if options.json:
        rows = [{"modality": m, "year": y, "images": n} for (m, y), n in counts.images.items()]
        missed = {"left_out": dict(left_out)} if left_out else {}
        say_json({"images": counts.total, "studies": counts.studies, "counts": rows, **missed})
        return
    say(f"{counts.total} images in {counts.studies} studies")
    for (modality, year), count in counts.images.items():
        say(f"{modality} {year:<8} {count}")
    if left_out:
        say(left_out_text(left_out))


def fetch(options: Namespace) -> None:
    """Fetch what is new and import it."""
    from amae_engine.jobs.importing.retrieve_images import Retrieval, retrieve_images

    retrieval = Retrieval(
        server_of(options), query_of(options), options.role, options.source, Twins(options.twins)
    )
    is_project = (options.project / "project.json").is_file()
    if not is_project:  # a wrong address or password is said before a project is made
        with connect(retrieval.server, password()) as connection:
            next(iter(find_images(connection.search, retrieval.query)), None)
    project = Project.open(options.project) if is_project else Project.create(options.project)
    job = retrieve_images(project, retrieval, password(), options.reader)
    report = Console(options.json).drive(job)
    if options.json:
        say_json(
            {
                "found": report.found,
                "known": report.known,
                "undelivered": list(report.undelivered),
                "summary": report.summary(),
            }
        )
        return
    say(report.summary())
    for reason in report.undelivered:
        say(f"not delivered: {reason}")


def send(options: Namespace) -> None:
    """Send every DICOM file of a folder."""
    from amae_engine.jobs.sharing.send_objects import send_objects

    sent = Console(options.json).drive(send_objects(server_of(options), options.folder, password()))
    if options.json:
        say_json({"sent": sent.sent, "refused": sent.refused})
        return
    say(f"{sent.sent} objects sent.")
    for reason, count in sent.refused.items():
        say(f"{count} not taken: {reason}")


def _server_with_warning(options: Namespace) -> Server:
    server = server_of(options)
    if isinstance(server, DicomWebServer) and server.warning:
        Console(options.json).tell(server.warning, Level.WARNING)
    return server


def password() -> str:
    """The password of the PACS's user; "" without one."""
    return os.environ.get(PASSWORD, "")


def server_of(options: Namespace) -> Server:
    """The PACS of the options.

    Raises:
        BadSetting: It is not given, or its address is wrong.
    """
    if bool(options.dicomweb) == bool(options.dimse):
        raise BadSetting("Give one address: --dicomweb URL or --dimse TITLE@HOST:PORT.")
    tls = Tls(options.ca_file, options.certificate, options.private_key)
    if options.dicomweb:
        return DicomWebServer(options.dicomweb, options.user, tls, options.timeout)
    address = _ADDRESS.fullmatch(options.dimse)
    if address is None:
        raise BadSetting(
            f"--dimse must be TITLE@HOST:PORT, such as PACS@10.0.0.5:104; it is '{options.dimse}'."
        )
    return DimseServer(
        host=address["host"],
        port=int(address["port"]),
        called_ae=address["called"],
        calling_ae=options.calling,
        retrieve=Retrieve(options.retrieve),
        receive_port=options.receive_port,
        tls=tls if options.tls or options.ca_file else None,
        timeout_seconds=options.timeout,
    )


def query_of(options: Namespace) -> PacsQuery:
    """Which images the options mean."""
    return PacsQuery(
        modalities=tuple(options.modality),
        since=_day(options.since),
        until=_day(options.until),
        body_part=options.body_part,
        patients=tuple(options.patient),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadSetting(f"A date must be like 2026-11-23; it is '{text}'.") from None
