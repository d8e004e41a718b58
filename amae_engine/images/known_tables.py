"""Ready mappings of the public sets' own tables, recognised by their header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from amae_engine.errors import BadInput
from amae_engine.images.csv_table import lines
from amae_engine.images.file_index import FileIndex
from amae_engine.images.sources import (
    Selection,
    SourceFile,
    TruthValues,
    TruthWord,
    parse_truth,
    required_role,
)
from amae_engine.images.subject_facts import NOTHING_KNOWN, SubjectFacts, facts_of_line

# CheXpert's findings (Irvin 2019, Table 1) but "No Finding" and the devices, which a normal chest
# may have too
_FINDINGS = (
    "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Lesion", "Lung Opacity", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture",
)  # fmt: skip
_RSNA_CLASSES: TruthValues = {
    "Normal": TruthWord.NORMAL,
    "Lung Opacity": TruthWord.ABNORMAL,
    "No Lung Opacity / Not Normal": TruthWord.ABNORMAL,
}
_RSNA_TARGETS: TruthValues = {  # 0 holds normal images and images with another finding
    "0": TruthWord.UNKNOWN,
    "1": TruthWord.ABNORMAL,
}
_RSNA_CLASS_TABLE = "stage_2_detailed_class_info.csv"


@dataclass(frozen=True, slots=True)
class KnownImage:
    """One image of a known table.

    Attributes:
        name: Its path or name; the suffix may be missing.
        role: The set's own, "" where it has none.
        facts: For subgroups.
    """

    name: str
    truth: TruthWord
    patient: str = ""
    role: str = ""
    facts: SubjectFacts = NOTHING_KNOWN


Reader = Callable[[Path, TruthValues], Iterator["KnownImage | str"]]


@dataclass(frozen=True, slots=True)
class KnownTable:
    """A public set's table.

    Attributes:
        columns: Its header has at least these.
        read: Its images; a text is the reason why an image is left out.
    """

    title: str
    columns: frozenset[str]
    read: Reader


def recognise(names: Sequence[str]) -> KnownTable | None:
    """The public table that has these columns."""
    return next((known for known in KNOWN if known.columns <= set(names)), None)


def from_known_table(
    table: Path,
    known: KnownTable,
    root: Path,
    role: str = "",
    truth_values: TruthValues | None = None,
    outside: bool = False,
) -> Selection:
    """Images of a public set's table.

    Args:
        table: The table.
        known: What it was recognised as.
        root: Where the images lie, in subfolders of any depth.
        role: For all images; "normal" takes those that are known to be normal. "" takes the set's
            own parts: its test and validation images are tested on, the others are unlabeled.
        truth_values: What values of the truth column mean, in place of the usual meaning.
        outside: Whether files outside the root may come in.

    Raises:
        BadInput: The table is damaged, or neither it nor the reader gives a role.
    """
    files, found = FileIndex(root, outside), []
    left_out: Counter[str] = Counter()
    for image in known.read(table, truth_values or {}):
        if isinstance(image, str):
            left_out[image] += 1
            continue
        own_role = required_role(role or image.role, f"{table.name} ({known.title})")
        if image.truth is TruthWord.SKIP:
            left_out["left out by its truth value"] += 1
        elif own_role == "normal" and image.truth is not TruthWord.NORMAL:
            left_out["not known to be normal"] += 1
        else:
            path = files.find(image.name)
            refused, truth = files.refusal(path), image.truth.number
            found.append(SourceFile(path, own_role, truth, image.patient, image.facts, refused))
    if not found and not left_out:
        raise BadInput(f"{table.name} names no image.")
    return Selection(known.title, tuple(found), tuple(left_out.most_common()))


def _rsna_labels(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    """One row a box; the classes in the same table tell normal images from other findings."""
    unfinished = table.with_name(_RSNA_CLASS_TABLE)
    if unfinished.is_file():
        yield from _rsna_classes(unfinished, values)
        return
    yield from _rsna_rows(table, "Target", {**_RSNA_TARGETS, **values})


def _rsna_classes(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    yield from _rsna_rows(table, "class", {**_RSNA_CLASSES, **values})


def _rsna_rows(table: Path, column: str, values: TruthValues) -> Iterator[KnownImage | str]:
    """One image a patient; its rows agree."""
    seen = set()
    for number, line in lines(table):
        patient = line["patientId"]
        if patient not in seen:
            seen.add(patient)
            truth = parse_truth(line[column], f"{table.name}, line {number}", values)
            yield KnownImage(patient, truth, patient, facts=facts_of_line(line))


def _vindr(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    """Normal when more than half of an image's readers said "No finding"."""
    normal_readers: dict[str, set[str]] = {}
    readers: dict[str, set[str]] = {}
    for _, line in lines(table):
        image, reader = line["image_id"], line["rad_id"]
        readers.setdefault(image, set()).add(reader)
        said_normal = normal_readers.setdefault(image, set())
        if line["class_name"].lower() == "no finding":
            said_normal.add(reader)
    for image, everyone in readers.items():
        is_normal = 2 * len(normal_readers[image]) > len(everyone)
        yield KnownImage(image, TruthWord.NORMAL if is_normal else TruthWord.ABNORMAL)


def _nih(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    """The paper's subset: postero-anterior images of adults over 18."""
    for number, line in lines(table):
        where = f"{table.name}, line {number}"
        if line["View Position"].upper() != "PA":
            yield f"view {line['View Position'] or 'unknown'}, not PA"
        elif _years(line["Patient Age"], where) <= 18:
            yield "age 18 or younger"
        else:
            findings = line["Finding Labels"]
            is_normal = findings.lower() == "no finding"
            by_default = TruthWord.NORMAL if is_normal else TruthWord.ABNORMAL
            truth = values.get(findings, by_default)
            patient = line["Patient ID"].zfill(8)
            yield KnownImage(line["Image Index"], truth, patient, facts=facts_of_line(line))


def _chexpert(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    for _, line in lines(table):
        if line["Frontal/Lateral"].lower() != "frontal":
            yield "not frontal"
            continue
        parts = PurePosixPath(line["Path"]).parts
        patient = next((part for part in parts if part.startswith("patient")), "")
        role = "test" if {"valid", "test"} & set(parts) else "unlabeled"
        named = " | ".join(name for name in _FINDINGS if _is_one(line.get(name, "")))
        facts = facts_of_line({**line, "finding": named})
        yield KnownImage(line["Path"], _finding_truth(line), patient, role, facts)


def _mimic(table: Path, values: TruthValues) -> Iterator[KnownImage | str]:
    """Labels are the study's, views and official parts the image's: three tables in one folder."""
    truths = {line["study_id"]: _finding_truth(line) for _, line in lines(table)}
    parts = {
        line["dicom_id"]: "unlabeled" if line["split"] == "train" else "test"
        for _, line in lines(_mimic_table(table, "split"))
    }
    for _, line in lines(_mimic_table(table, "metadata")):
        if line["ViewPosition"] not in ("PA", "AP"):
            yield f"view {line['ViewPosition'] or 'unknown'}, not frontal"
            continue
        image, subject, study = line["dicom_id"], line["subject_id"], line["study_id"]
        name = f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"
        truth = truths.get(study, TruthWord.UNKNOWN)
        facts = SubjectFacts(view=line["ViewPosition"])
        yield KnownImage(name, truth, subject, parts.get(image, "unlabeled"), facts)


def _mimic_table(table: Path, kind: str) -> Path:
    found = sorted(table.parent.glob(f"mimic-cxr-*-{kind}.csv*"))
    if not found:
        raise BadInput(
            f"{table.name} needs MIMIC-CXR-JPG's mimic-cxr-…-{kind}.csv (or .csv.gz) next to it."
        )
    return found[0]


def _finding_truth(line: dict[str, str]) -> TruthWord:
    """Normal: "No Finding"; abnormal: any finding is sure (1); unsure (−1) or nothing: unknown."""
    if any(_is_one(line.get(name, "")) for name in _FINDINGS):
        return TruthWord.ABNORMAL
    return TruthWord.NORMAL if _is_one(line["No Finding"]) else TruthWord.UNKNOWN


def _is_one(text: str) -> bool:
    return text in ("1", "1.0")


def _years(text: str, where: str) -> float:
    """NIH's ages: "058Y", "011M", "005D", in the later release "58"."""
    number, unit = (text[:-1], text[-1:]) if text[-1:].isalpha() else (text, "Y")
    per_year = {"Y": 1, "M": 12, "W": 52, "D": 365}.get(unit.upper())
    if per_year is None or not number.isdecimal():
        raise BadInput(f"{where}: 'Patient Age' must be like 58 or 058Y; it is '{text}'.")
    return int(number) / per_year


KNOWN = (
    KnownTable(
        "RSNA Pneumonia labels",
        frozenset({"patientId", "x", "y", "width", "height", "Target"}),
        _rsna_labels,
    ),
    KnownTable("RSNA Pneumonia classes", frozenset({"patientId", "class"}), _rsna_classes),
    KnownTable("VinDr-CXR", frozenset({"image_id", "class_name", "rad_id"}), _vindr),
    KnownTable(
        "NIH ChestX-ray14",
        frozenset({"Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position"}),
        _nih,
    ),
    KnownTable("CheXpert", frozenset({"Path", "Frontal/Lateral", "No Finding"}), _chexpert),
    KnownTable("MIMIC-CXR-JPG", frozenset({"subject_id", "study_id", "No Finding"}), _mimic),
)
