"""A report as one HTML file: sections of text, tables and pictures, nothing outside the file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from amae_engine.atomic_write import write_text
from amae_engine.reports.table import RESEARCH_USE

_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of texts; the first column names the lines."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ReportPicture:
    """A picture inside the report, and what it shows."""

    address: str
    caption: str


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One section.

    Attributes:
        items: Which items of CLAIM 2024 and TRIPOD+AI it answers, in words; "" for none.
        lines: Sentences, one a paragraph.
    """

    title: str
    items: str = ""
    lines: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    pictures: tuple[ReportPicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report.

    Attributes:
        made_at: ISO 8601, UTC.
        logo: A picture inside the report, or None.
    """

    title: str
    made_by: str
    made_at: str
    sections: tuple[ReportSection, ...]
    logo: ReportPicture | None = None


def picture_of(path: Path, caption: str) -> ReportPicture:
    """A PNG, JPEG or SVG file as a picture that needs no file.

    Raises:
        KeyError: It is of another kind.
    """
    kind = _TYPES[path.suffix.lower()]
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return ReportPicture(f"data:{kind};base64,{content}", caption)


def write_html(path: Path, report: Report) -> None:
    """Write a report as one page that needs no other file.

    Every text is escaped: a note of a reader cannot become a part of the page.
    """
    loader = PackageLoader("amae_engine.reports", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(default=True))
    text = environment.get_template("report.html.j2").render(report=report, use=RESEARCH_USE)
    write_text(path, text)
