"""CSV tables of images: which column says what, and reading them line by line."""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from amae_engine.errors import BadInput
from amae_engine.images.file_index import FileIndex
from amae_engine.images.sources import (
    SourceFile,
    TruthValues,
    TruthWord,
    parse_truth,
    required_role,
)
from amae_engine.images.subject_facts import facts_of_line

_SEPARATORS = ",;\t|"  # the comma where none is there
_SNIFFED = 1 << 20  # bytes
_LONGEST_LINE, _MOST_CHARACTERS = 1 << 20, 1 << 30
_READ_ERRORS = (OSError, EOFError, UnicodeDecodeError, csv.Error)


_ALSO_ROLE = "role"


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Which column of a table says what; "" for a column that is not there.

    Attributes:
        role: A column "role" serves where this one is not there.
        truth_values: What values of the truth column mean, next to 0, 1, normal and abnormal.
    """

    file: str = "file"
    role: str = "split"
    truth: str = "truth"
    patient: str = "patient"
    truth_values: TruthValues = field(default_factory=dict)

    def with_values(self, truth_values: TruthValues) -> CsvColumns:
        """The same columns with further meanings of truth values."""
        return replace(self, truth_values={**self.truth_values, **truth_values})


def is_table(path: Path) -> bool:
    """Whether a name is that of a CSV table, packed with gzip or not."""
    return path.name.lower().endswith((".csv", ".csv.gz"))


def header(table: Path) -> tuple[str, ...]:
    """The names of a table's columns.

    Raises:
        BadInput: The table cannot be read.
    """
    try:
        with _open(table) as file:
            return tuple(name.strip() for name in next(_reader(file), []))
    except _READ_ERRORS as error:
        raise _unreadable(table, error) from error


def lines(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line of a table with its number in the file; absent values are "".

    Raises:
        BadInput: The table cannot be read.
    """
    try:
        with _open(table) as file:
            reader = _reader(file)
            names = [name.strip() for name in next(reader, [])]
            for values in reader:
                if values:
                    padded = values + [""] * (len(names) - len(values))
                    line = dict(zip(names, map(str.strip, padded), strict=False))
                    yield reader.line_num, line
    except _READ_ERRORS as error:
        raise _unreadable(table, error) from error


def from_csv(
    table: Path,
    columns: CsvColumns,
    root: Path | None = None,
    role: str = "",
    outside: bool = False,
) -> list[SourceFile]:
    """Images named in a CSV table; those whose truth means "skip" are not among them.

    Args:
        table: With a header line.
        columns: Which column says what.
        root: Where the files lie; the table's own folder by default.
        role: For tables without a role column.
        outside: Whether files outside the root may come in.

    Raises:
        BadInput: The table cannot be read, a column is missing, or a value is unknown.
    """
    names = header(table)
    if columns.file not in names:
        raise BadInput(
            f"{table.name} has no column '{columns.file}' with the file names; its columns are "
            f"{', '.join(names) or 'none'}."
        )
    role_column = columns.role if columns.role in names else _ALSO_ROLE
    files = FileIndex(root or table.parent, outside)
    found, is_empty = [], True
    for number, line in lines(table):
        is_empty = False
        where = f"{table.name}, line {number}"
        truth = parse_truth(line.get(columns.truth, ""), where, columns.truth_values)
        if truth is TruthWord.SKIP:
            continue
        own_role = line.get(role_column, "").lower() or role
        path = files.find(line[columns.file])
        found.append(
            SourceFile(
                path,
                _fitting_role(own_role, truth, where),
                truth.number,
                line.get(columns.patient, ""),
                facts_of_line(line),
                files.refusal(path),
            )
        )
    if is_empty:
        raise BadInput(f"{table.name} names no image.")
    return found


def patients_of(manifest: Path, file: str = "file", patient: str = "patient") -> dict[str, str]:
    """Patient of each file name in a CSV manifest.

    Raises:
        BadInput: The manifest cannot be read or lacks a column.
    """
    names = header(manifest)
    for column in (file, patient):
        if column not in names:
            raise BadInput(f"{manifest.name} has no column '{column}'; it needs file and patient.")
    return {Path(line[file]).name: line[patient] for _, line in lines(manifest)}


def _fitting_role(role: str, truth: TruthWord, where: str) -> str:
    fitting = required_role(role, where)
    if fitting == "normal" and truth is TruthWord.ABNORMAL:
        raise BadInput(
            f"{where}: an image with the role normal cannot be abnormal; give it the role unlabeled "
            f"or test, or leave abnormal images out ('abnormal' = skip)."
        )
    return fitting


def _open(table: Path) -> TextIO:
    is_packed = table.suffix.lower() == ".gz"
    with gzip.open(table) if is_packed else table.open("rb") as file:
        encoding = _encoding(file.read(_SNIFFED))
    if is_packed:
        return gzip.open(table, "rt", newline="", encoding=encoding)
    return table.open(newline="", encoding=encoding)


def _encoding(start: bytes) -> str:
    """UTF-8, UTF-16 by its mark, or else the usual one of Western European spreadsheets."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _reader(file: TextIO) -> Any:
    """Lines of a table, whatever separates its columns; that is taken off the first line."""
    first = file.readline(_LONGEST_LINE)
    separator = max(_SEPARATORS, key=first.count)
    return csv.reader(_bounded(first, file), delimiter=separator)


def _bounded(first: str, file: TextIO) -> Iterator[str]:
    """Lines, up to what a table can be: a small file may inflate to gigabytes."""
    total, line = 0, first
    while line:
        total += len(line)
        if len(line) >= _LONGEST_LINE:
            raise csv.Error(f"a line has more than {_LONGEST_LINE:,} characters")
        if total > _MOST_CHARACTERS:
            raise csv.Error(f"it has more than {_MOST_CHARACTERS:,} characters, unpacked")
        yield line
        line = file.readline(_LONGEST_LINE)


def _unreadable(table: Path, error: BaseException) -> BadInput:
    return BadInput(f"{table.name} cannot be read as a CSV table: {error}.")
