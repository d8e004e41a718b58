"""Published choices of images: DDAD's `data.json` and NSA's curated lists of NIH images."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from amae_engine.errors import BadInput, BadSetting
from amae_engine.images.file_index import FileIndex
from amae_engine.images.sources import SourceFile

_LIST_NAME = re.compile(r"(norm|anomaly)_.*(train|test)_curated_list")
_NIH_PATIENT = re.compile(r"(\d{8})_\d{3}\.png")


def from_repartition(
    table: Path,
    root: Path,
    unlabeled: int | None = None,
    anomaly_ratio: float | None = None,
    patients: dict[str, str] | None = None,
    outside: bool = False,
) -> list[SourceFile]:
    """DDAD's `data.json`: U is the first M·(1 − AR) normals and the first M·AR abnormals.

    Args:
        table: The JSON file.
        root: Searched, with its subfolders, for the file names; `x.dcm` serves for `x.png`.
        unlabeled: M; with `anomaly_ratio` None as well, the whole pool is taken.
        anomaly_ratio: AR, 0…1.
        patients: Patient of each file name, where it is known.
        outside: Whether files outside the root may come in.

    Raises:
        BadInput: The table is not a repartition.
        BadSetting: The pool is too small for M and AR.
    """
    train, pools, test = _read(table)
    if (unlabeled is None) != (anomaly_ratio is None):
        raise BadSetting("Give both the number of unlabeled images M and the anomaly ratio AR.")
    if unlabeled is not None and anomaly_ratio is not None:
        pools = choose_unlabeled(pools, unlabeled, anomaly_ratio, table.name)
    wanted = [(name, "normal", 0) for name in train]
    wanted += [(name, "unlabeled", truth) for truth in (0, 1) for name in pools[truth]]
    wanted += [(name, "test", truth) for truth in (0, 1) for name in test[truth]]
    files = FileIndex(root, outside)
    known = patients or {}
    return [
        SourceFile(path, role, truth, known.get(Path(name).name, ""), refused=files.refusal(path))
        for name, role, truth in wanted
        for path in [files.find(name)]
    ]


def choose_unlabeled(
    pools: dict[int, list[str]], unlabeled: int, anomaly_ratio: float, where: str
) -> dict[int, list[str]]:
    """The first M·(1 − AR) normals and M·AR abnormals of the unlabeled pools.

    M·AR is cut, not rounded, as `int(extra_data * ar)` in DDAD does.

    Raises:
        BadSetting: M or AR cannot be, or a pool has too few images.
    """
    if not 0 <= anomaly_ratio <= 1:
        raise BadSetting(f"The anomaly ratio AR must lie in 0…1; it is {anomaly_ratio}.")
    if unlabeled < 1:
        raise BadSetting(f"The number of unlabeled images M must be at least 1; it is {unlabeled}.")
    abnormal = int(unlabeled * anomaly_ratio)
    for truth, count in ((0, unlabeled - abnormal), (1, abnormal)):
        if count > len(pools[truth]):
            kind = "abnormal" if truth else "normal"
            raise BadSetting(
                f"{where}: AR {anomaly_ratio} of M = {unlabeled} needs {count} {kind} images, but "
                f"the unlabeled pool has {len(pools[truth])}; {_possible(pools, unlabeled)}"
            )
    return {0: pools[0][: unlabeled - abnormal], 1: pools[1][:abnormal]}


def curated_lists(path: Path) -> list[Path]:
    """NSA's curated lists: `path` itself or those in the folder `path`; [] where there is none."""
    found = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    return [p for p in found if p.suffix.lower() == ".txt" and _LIST_NAME.match(p.name)]


def from_curated_lists(path: Path, root: Path, outside: bool = False) -> list[SourceFile]:
    """NSA's curated lists of NIH images: normals to train on, normals and anomalies to test on.

    An image's patient is the first eight digits of its name, as NIH names them.

    Args:
        path: One list, or the folder of all of them.
        root: Searched, with its subfolders, for the file names.
        outside: Whether files outside the root may come in.

    Raises:
        BadInput: There is no such list, or one cannot be read.
    """
    lists = curated_lists(path)
    if not lists:
        raise BadInput(
            f"{path.name} is not a curated list; its name must be like "
            f"norm_MaleAdultPA_train_curated_list.txt."
        )
    files = FileIndex(root, outside)
    return [
        SourceFile(found, role, truth, _nih_patient(name), refused=files.refusal(found))
        for name, role, truth in _listed(lists)
        for found in [files.find(name)]
    ]


def _listed(lists: list[Path]) -> Iterator[tuple[str, str, int]]:
    for table in lists:
        named = _LIST_NAME.match(table.name)
        kind, part = named.groups() if named else ("", "")
        role = "normal" if part == "train" else "test"
        if role == "normal" and kind == "anomaly":
            raise BadInput(f"{table.name}: anomalies are for the test set; training has none.")
        try:
            names = table.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{table.name} cannot be read as a list of names: {error}.") from error
        for name in names:
            yield name, role, int(kind == "anomaly")


def _nih_patient(name: str) -> str:
    found = _NIH_PATIENT.fullmatch(name)
    return found.group(1) if found else ""


def _read(table: Path) -> tuple[list[str], dict[int, list[str]], dict[int, list[str]]]:
    try:
        content = json.loads(table.read_text(encoding="utf-8"))
        train, test = content["train"], content["test"]
        pools = {truth: _names(train["unlabeled"][str(truth)]) for truth in (0, 1)}
        tests = {truth: _names(test[str(truth)]) for truth in (0, 1)}
        return _names(train["0"]), pools, tests
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            f"{table.name} is not a DDAD repartition (train/0, train/unlabeled/0|1, test/0|1)."
        ) from error


def _names(content: object) -> list[str]:
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise TypeError("A repartition's entries are lists of file names.")
    return content


def _possible(pools: dict[int, list[str]], unlabeled: int) -> str:
    lowest = max(0.0, 1 - len(pools[0]) / unlabeled)
    highest = min(1.0, len(pools[1]) / unlabeled)
    if lowest > highest:
        return f"choose M of at most {len(pools[0]) + len(pools[1])}."
    # rounded inwards, so that the ratios named are possible
    low, high = math.ceil(lowest * 1000) / 1000, math.floor(highest * 1000) / 1000
    return f"M = {unlabeled} allows AR from {low:g} to {high:g}."
