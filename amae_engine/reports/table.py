"""Results as plain text and CSV; every number says on what it was measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amae_engine.atomic_write import atomic_write
from amae_engine.evaluation.measured import Measured

RESEARCH_USE = "Research use only. Not a medical device."


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One score's result: values and intervals.

    Attributes:
        origin: "paper", "ours", "baseline" or "peer".
        images: On how many images it was judged: "32 normal + 30 abnormal".
    """

    title: str
    origin: str
    images: str
    auc: Measured
    ap: Measured


def text_table(lines: Sequence[ResultLine], measured_on: str, intervals: str) -> str:
    """A table for a terminal; `intervals` says how they were made."""
    width = max((len(line.title) for line in lines), default=5)
    on = max((len(line.images) for line in lines), default=2)
    head = (
        f"{'score':<{width}}  {'of':<8}  {'on':<{on}}  {'AUC (95 % interval)':<21}  "
        f"AP (95 % interval)"
    )
    rows = [
        f"{line.title:<{width}}  {line.origin:<8}  {line.images:<{on}}  "
        f"{line.auc.text(3):<21}  {line.ap.text(3)}"
        for line in lines
    ]
    wrong = [line.title for line in lines if line.auc.high < 0.5]
    notes = (
        [f"Below chance here (reported as it is, not flipped): {', '.join(wrong)}."]
        if wrong
        else []
    )
    return "\n".join(
        [
            f"Measured on {measured_on}.",
            intervals,
            head,
            "-" * len(head),
            *rows,
            *notes,
            RESEARCH_USE,
        ]
    )


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Every score of every image.

    Attributes:
        names: n image names.
        truth: n of 0, 1, or −1 for unknown.
        facts: n texts for each other column: patient, split, view, ….
        columns: n values for each score, NaN where an image has none.
        about: On what the scores were computed.
    """

    names: Sequence[str]
    truth: Sequence[int]
    facts: Mapping[str, Sequence[str]]
    columns: Mapping[str, Sequence[float]]
    about: str


def write_scores_csv(path: Path, table: ScoreTable) -> None:
    """One line an image: name, truth, facts and every score; comment lines say what it is."""
    known = ["" if truth < 0 else truth for truth in table.truth]
    columns = [
        ["" if math.isnan(value) else f"{value:.8g}" for value in column]
        for column in table.columns.values()
    ]
    lines = zip(table.names, known, *table.facts.values(), *columns, strict=True)
    head = ("image", "truth", *table.facts, *table.columns)
    write_csv(path, (head, *lines), (table.about, RESEARCH_USE))


def write_csv(path: Path, lines: Iterable[Sequence[object]], about: Sequence[str] = ()) -> None:
    """Write a table, its header first; before it a comment line for each of `about`."""
    with (
        atomic_write(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        file.writelines(f"# {text}\n" for text in about)
        csv.writer(file).writerows(lines)


def write_scores_parquet(path: Path, table: ScoreTable) -> None:
    """The same with types: what has no value is null; the metadata say what it is."""
    import pyarrow as pa
    from pyarrow import parquet

    arrays = {
        "image": pa.array(list(table.names), pa.string()),
        "truth": pa.array([None if each < 0 else each for each in table.truth], pa.int8()),
        **{name: pa.array(list(texts), pa.string()) for name, texts in table.facts.items()},
        **{
            name: pa.array([None if math.isnan(value) else value for value in values], pa.float64())
            for name, values in table.columns.items()
        },
    }
    facts = {"about": table.about, "use": RESEARCH_USE}
    with atomic_write(path) as unfinished:
        parquet.write_table(pa.table(arrays).replace_schema_metadata(facts), unfinished)


def spreadsheet_text(value: object) -> object:
    """A value as a cell of a table: no text that a spreadsheet would take for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value[:1] in "=+-@" and value:
        return f"'{value}"  # a spreadsheet would take it for a formula
    return "" if value is None else value
