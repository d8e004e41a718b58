"""Readers' decisions out as a table and in again, without loss."""

from __future__ import annotations

import csv
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from amae_engine.catalog import decision_table
from amae_engine.catalog.audit import LONGEST_READER, audit
from amae_engine.catalog.decision_table import DecisionLine, TakenOver
from amae_engine.catalog.tables import Label
from amae_engine.errors import BadInput
from amae_engine.project import Project
from amae_engine.reports.table import spreadsheet_text, write_csv

COLUMNS = tuple(field.name for field in fields(DecisionLine))
_MOST_BYTES = 500_000_000
_KINDS = ("decide", "confirm", "consensus", "undo", "redo", "kept")
_EXAMPLES = 3


def write_decisions(project: Project, path: Path, reader: str = "") -> int:
    """Write every decision, oldest first; returns how many. No line holds a patient's identity."""
    with project.session() as session:
        lines = decision_table.all_lines(session)
    cells = ([spreadsheet_text(getattr(line, name)) for name in COLUMNS] for line in lines)
    write_csv(path, (COLUMNS, *cells))
    if not project.only_reading:
        with project.session() as session:
            audit(session, reader, "export_decisions", f"{len(lines)} decisions")
    return len(lines)


def read_decisions(project: Project, path: Path, reader: str = "") -> TakenOver:
    """Take the decisions of a table over; all of them or, where a line is wrong, none.

    Raises:
        BadInput: The file is no such table, or a line of it cannot be read.
    """
    lines = _lines(path)
    with project.session() as session:
        taken = decision_table.take_over(session, lines)
        detail = f"{taken.added} added, {taken.known} known, {len(taken.no_image)} images missing"
        audit(session, reader, "import_decisions", detail)
    return taken


def summary(taken: TakenOver) -> str:
    """What came of it, in sentences."""
    text = f"{taken.added} decisions taken over, {taken.known} were here already."
    if taken.no_image:
        keys = ", ".join(key[:12] for key in taken.no_image[:_EXAMPLES])
        text += (
            f" {len(taken.no_image)} images of the table are not in this project ({keys}…): their "
            f"decisions were left out."
        )
    if taken.no_run:
        runs = ", ".join(map(str, taken.no_run[:_EXAMPLES]))
        text += f" Runs {runs} are not in this project: their decisions name no run."
    if taken.kept:
        text += f" On {taken.kept} images a later decision here still stands."
    return text


def _lines(path: Path) -> list[DecisionLine]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{path.name} is larger than any table of decisions.")
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise BadInput(
                    f"{path.name} is no table of decisions: it has no column "
                    f"{', '.join(missing)}. AMAE writes one with Pseudo-labels, More, or "
                    f"`amae decisions`."
                )
            return [_line(row, f"{path.name}, line {table.line_num}") for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path.name} cannot be read as a UTF-8 table.") from error


def _line(row: dict[str, str], where: str) -> DecisionLine:
    try:
        line = DecisionLine(
            image=row["image"],
            image_key=row["image_key"].strip(),
            reader=_plain(row["reader"]),
            decided_at=_time(row["decided_at"]),
            run=int(row["run"]) if row["run"] else None,
            before=Label(row["before"]),
            after=Label(row["after"]),
            kind=row["kind"],
            act=int(row["act"]),
            reverts=int(row["reverts"]) if row["reverts"] else None,
            offered=_plain(row["offered"])[:32],
            truth_shown={"yes": True, "no": False}[row["truth_shown"]],
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadInput(f"{where} is no decision ({error}); nothing was taken over.") from error
    if line.kind not in _KINDS or not 0 < len(line.reader.strip()) <= LONGEST_READER:
        raise BadInput(
            f"{where} has no known kind, or no reader of at most {LONGEST_READER} characters; nothing "
            f"was taken over."
        )
    return line


def _time(text: str) -> str:
    """A time as the catalog writes it; one that is still to come would outlast all later decisions."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"the time '{text}' has no time zone, such as +00:00")
    if at > datetime.now(UTC) + timedelta(days=1):  # clocks of two machines differ
        raise ValueError(f"the time '{text}' is still to come")
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _plain(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in "=+-@" else text
