"""Where films come from: folders, files, tables and repartitions → path, role, truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amae_engine.errors import BadInput, BadSetting
from amae_engine.images.decode import is_film_file

ROLES = ("normal", "unlabeled", "test")
_TRUTHS = {
    "0": 0, "normal": 0, "no finding": 0, "negative": 0,
    "1": 1, "abnormal": 1, "anomaly": 1, "pneumonia": 1, "positive": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to import.

    Attributes:
        role: "normal", "unlabeled" or "test".
        truth: 0 normal, 1 abnormal, None unknown.
        patient: The source's own patient name, "" to take it from the file.
    """

    path: Path
    role: str
    truth: int | None = None
    patient: str = ""


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Which column of a table says what; "" for a column that is not there."""

    file: str = "file"
    role: str = "split"
    truth: str = "truth"
    patient: str = "patient"


def from_paths(paths: Sequence[Path], role: str = "") -> list[SourceFile]:
    """Films in files and folders.

    A subfolder's name gives role and truth: normal/, unlabeled/, test/normal/, test/abnormal/,
    also DDAD's train/0, train/unlabeled/1, test/0. `role` decides where no folder does.

    Raises:
        BadInput: A path is missing, holds no film, or nothing says which role a film has.
    """
    found: list[SourceFile] = []
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path.name}: there is no such file or folder.")
        if path.is_file():
            found.append(SourceFile(path, _required_role(role, path), None))
            continue
        files = sorted(p for p in path.rglob("*") if p.is_file() and is_film_file(p))
        if not files:
            raise BadInput(
                f"{path.name} holds no DICOM, PNG, JPEG or TIFF file; choose the folder with the "
                f"films."
            )
        found += [_from_place(file, path, role) for file in files]
    return found


def from_csv(
    table: Path, columns: CsvColumns, root: Path | None = None, role: str = ""
) -> list[SourceFile]:
    """Films named in a CSV table.

    Args:
        table: With a header line.
        columns: Which column says what.
        root: Where the files lie; the table's own folder by default.
        role: For tables without a role column.

    Raises:
        BadInput: The table cannot be read, a column is missing, or a value is unknown.
    """
    root = root or table.parent
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{table.name} cannot be read as a CSV table: {error}.") from error
    if columns.file not in names:
        raise BadInput(
            f"{table.name} has no column '{columns.file}' with the file names; its columns are "
            f"{', '.join(names) or 'none'}."
        )
    if not lines:
        raise BadInput(f"{table.name} names no film.")
    found = []
    for number, line in enumerate(lines, start=2):
        where = f"{table.name}, line {number}"
        path = root / line[columns.file]
        own_role = (line.get(columns.role) or "").strip().lower() or role
        found.append(
            SourceFile(
                path,
                _required_role(own_role, path, where),
                parse_truth((line.get(columns.truth) or "").strip(), where),
                (line.get(columns.patient) or "").strip(),
            )
        )
    return found


def from_repartition(
    table: Path,
    root: Path,
    unlabeled: int | None = None,
    anomaly_ratio: float | None = None,
    patients: dict[str, str] | None = None,
) -> list[SourceFile]:
    """DDAD's `data.json`: U is the first M·(1 − AR) normals and the first M·AR abnormals.

    Args:
        table: The JSON file.
        root: Searched, with its subfolders, for the file names.
        unlabeled: M; with `anomaly_ratio` None as well, the whole pool is taken.
        anomaly_ratio: AR, 0…1.
        patients: Patient of each file name, where it is known.

    Raises:
        BadInput: The table is not a repartition.
        BadSetting: The pool is too small for M and AR.
    """
    try:
        content = json.loads(table.read_text(encoding="utf-8"))
        train, test = content["train"], content["test"]
        pools = {0: list(train["unlabeled"]["0"]), 1: list(train["unlabeled"]["1"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{table.name} is not a DDAD repartition (train/0, train/unlabeled/0|1, test/0|1)."
        ) from error
    if (unlabeled is None) != (anomaly_ratio is None):
        raise BadSetting("Give both the number of unlabeled films M and the anomaly ratio AR.")
    if unlabeled is not None and anomaly_ratio is not None:
        pools = choose_unlabeled(pools, unlabeled, anomaly_ratio, table.name)
    wanted = [(name, "normal", 0) for name in train["0"]]
    wanted += [(name, "unlabeled", truth) for truth in (0, 1) for name in pools[truth]]
    wanted += [(name, "test", truth) for truth in (0, 1) for name in test[str(truth)]]
    places = {path.name: path for path in root.rglob("*") if path.is_file()}
    known = patients or {}
    return [
        SourceFile(places.get(name, root / name), role, truth, known.get(name, ""))
        for name, role, truth in wanted
    ]


def choose_unlabeled(
    pools: dict[int, list[str]], unlabeled: int, anomaly_ratio: float, where: str
) -> dict[int, list[str]]:
    """The first M·(1 − AR) normals and M·AR abnormals of the unlabeled pools.

    Raises:
        BadSetting: AR is no ratio, or a pool has too few films.
    """
    if not 0 <= anomaly_ratio <= 1:
        raise BadSetting(f"The anomaly ratio AR must lie in 0…1; it is {anomaly_ratio}.")
    abnormal = round(unlabeled * anomaly_ratio)
    for truth, count in ((0, unlabeled - abnormal), (1, abnormal)):
        if count > len(pools[truth]):
            kind = "abnormal" if truth else "normal"
            raise BadSetting(
                f"{where}: AR {anomaly_ratio} of M = {unlabeled} needs {count} {kind} films, but "
                f"the unlabeled pool has {len(pools[truth])}; choose another M or AR."
            )
    return {0: pools[0][: unlabeled - abnormal], 1: pools[1][:abnormal]}


def patients_of(manifest: Path, file: str = "file", patient: str = "patient") -> dict[str, str]:
    """Patient of each file name in a CSV manifest.

    Raises:
        BadInput: The manifest cannot be read or lacks a column.
    """
    rows = from_csv(
        manifest, CsvColumns(file=file, role="", truth="", patient=patient), role="test"
    )
    return {row.path.name: row.patient for row in rows}


def parse_truth(text: str, where: str) -> int | None:
    """A table's truth: 0/1, normal/abnormal; "" is unknown.

    Raises:
        BadInput: The text is none of these.
    """
    if not text:
        return None
    if text.lower() not in _TRUTHS:
        raise BadInput(f"{where}: truth must be 0, 1, normal or abnormal; it is '{text}'.")
    return _TRUTHS[text.lower()]


def missing(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files that are not there."""
    return [file for file in files if not file.path.is_file()]


def _from_place(file: Path, folder: Path, role: str) -> SourceFile:
    names = [part.lower() for part in (folder.name, *file.relative_to(folder).parts[:-1])]
    in_pool = "unlabeled" in names
    in_test = "test" in names
    truth = next((_TRUTHS[n] for n in reversed(names) if n in _TRUTHS), None)
    if in_pool:
        return SourceFile(file, "unlabeled", truth)
    if in_test:
        return SourceFile(file, "test", truth)
    if "normal" in names or ("train" in names and truth == 0):
        return SourceFile(file, "normal", 0)
    own = _required_role(role, file)
    return SourceFile(file, own, 0 if own == "normal" else truth)


def _required_role(role: str, path: Path, where: str = "") -> str:
    if role in ROLES:
        return role
    named = f"'{role}' is no role" if role else "nothing says which role it has"
    raise BadInput(
        f"{where or path.name}: {named}; choose {', '.join(ROLES)}, or sort the films into "
        f"folders of these names."
    )
