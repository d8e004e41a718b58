"""Where images come from: files and folders → path, role, truth; what every source shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from amae_engine.errors import BadInput, BadSetting
from amae_engine.images.archive import DICOMDIR, dicomdir_files
from amae_engine.images.decode import is_image_file
from amae_engine.images.file_index import files_in, is_there
from amae_engine.images.subject_facts import NOTHING_KNOWN, SubjectFacts

ROLES = ("normal", "unlabeled", "test")
NO_IMAGE = "no image, by its name and its first bytes"  # why a folder's file is passed over
FOLDER_WORDS = ("normal", "abnormal", "unlabeled", "test", "train")
_TRUTHS = {
    "0": 0, "normal": 0, "no finding": 0, "negative": 0,
    "1": 1, "abnormal": 1, "anomaly": 1, "pneumonia": 1, "positive": 1,
}  # fmt: skip


class TruthWord(StrEnum):
    """What a value of a table's truth column means."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNKNOWN = "unknown"
    SKIP = "skip"  # the image is left out

    @property
    def number(self) -> int | None:
        """0 normal, 1 abnormal, None unknown."""
        return {TruthWord.NORMAL: 0, TruthWord.ABNORMAL: 1}.get(self)


TruthValues = Mapping[str, TruthWord]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to import.

    Attributes:
        role: "normal", "unlabeled" or "test".
        truth: 0 normal, 1 abnormal, None unknown.
        patient: The source's own patient name, "" to take it from the file.
        facts: What the source says for subgroups; the file fills what is unknown.
        refused: Why it may not come in; "" where it may.
    """

    path: Path
    role: str
    truth: int | None = None
    patient: str = ""
    facts: SubjectFacts = NOTHING_KNOWN
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a source means.

    Attributes:
        kind: What the source was taken for, for the reader: "folders", "VinDr-CXR train.csv".
        files: To import, in the source's order.
        left_out: Reasons for which images that the source names are not taken, with counts.
    """

    kind: str
    files: tuple[SourceFile, ...]
    left_out: tuple[tuple[str, int], ...] = ()


def from_paths(
    paths: Sequence[Path],
    role: str = "",
    folder_words: Mapping[str, str] | None = None,
    with_others: bool = False,
) -> list[SourceFile]:
    """Images in files and folders.

    A subfolder's name gives role and truth: normal/, unlabeled/, test/normal/, test/abnormal/,
    also DDAD's train/0, train/unlabeled/1, test/0. `role` decides where no folder does.

    Args:
        paths: Files, folders and DICOMDIRs.
        role: "normal", "unlabeled" or "test".
        folder_words: What other folder names mean: {"controls": "normal", "ward 3": "unlabeled"}.
        with_others: Files that are no images too, refused with this reason.

    Raises:
        BadInput: A path is missing, holds no image, or nothing says which role an image has.
        BadSetting: A folder name is said to mean something unknown.
    """
    words = _checked(folder_words or {})
    found: list[SourceFile] = []
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path.name}: there is no such file or folder.")
        if path.name.upper() == DICOMDIR:
            found += [_with_role(file, role, None) for file in dicomdir_files(path)]
            continue
        if path.is_file():
            found.append(_with_role(path, role, None))
            continue
        every = [file for file in files_in(path) if is_there(file)]
        files = [file for file in every if not file.name.startswith(".") and is_image_file(file)]
        if not files:
            raise BadInput(
                f"{path.name} holds no DICOM, PNG, JPEG or TIFF file; choose the folder with the "
                f"images."
            )
        found += [_from_place(file, path, role, words) for file in files]
        if with_others:
            images = set(files)
            others = [file for file in every if file not in images]
            found += [SourceFile(file, role, refused=NO_IMAGE) for file in others]
    return found


def parse_truth(text: str, where: str, values: TruthValues | None = None) -> TruthWord:
    """A table's truth: 0/1, normal/abnormal, or as `values` say; "" is unknown.

    Raises:
        BadInput: The text is none of these.
    """
    said = {name.lower(): word for name, word in (values or {}).items()}.get(text.lower())
    if said is not None:
        return said
    if not text:
        return TruthWord.UNKNOWN
    if text.lower() not in _TRUTHS:
        raise BadInput(
            f"{where}: truth must be 0, 1, normal or abnormal; it is '{text}'. Say what it means: "
            f"'{text}' = normal, abnormal, unknown or skip."
        )
    return TruthWord.ABNORMAL if _TRUTHS[text.lower()] else TruthWord.NORMAL


def parse_truth_values(pairs: Iterable[tuple[str, str]]) -> dict[str, TruthWord]:
    """What a reader says that truth values mean.

    Raises:
        BadSetting: A meaning is none of normal, abnormal, unknown, skip.
    """
    found = {}
    for text, meaning in pairs:
        if meaning not in list(TruthWord):
            raise BadSetting(
                f"The truth value '{text}' must mean {', '.join(TruthWord)}; it is '{meaning}'."
            )
        found[text] = TruthWord(meaning)
    return found


def required_role(role: str, where: str) -> str:
    """`role`, if it is one.

    Raises:
        BadInput: It is none, or there is none.
    """
    if role in ROLES:
        return role
    named = f"'{role}' is no role" if role else "nothing says which role it has"
    raise BadInput(
        f"{where}: {named}; choose {', '.join(ROLES)}, or sort the images into folders of these "
        f"names."
    )


def missing(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files that are not there."""
    return [file for file in files if not is_there(file.path)]


def _from_place(file: Path, folder: Path, role: str, words: Mapping[str, str]) -> SourceFile:
    parts = [part.lower() for part in (folder.name, *file.relative_to(folder).parts[:-1])]
    names = [words.get(part, part) for part in parts]
    truth = next((_TRUTHS[n] for n in reversed(names) if n in _TRUTHS), None)
    if "unlabeled" in names:
        return SourceFile(file, "unlabeled", truth)
    if "test" in names:
        return SourceFile(file, "test", truth)
    if "normal" in names or ("train" in names and truth == 0):
        return SourceFile(file, "normal", 0)
    return _with_role(file, role, truth)


def _with_role(file: Path, role: str, truth: int | None) -> SourceFile:
    own = required_role(role, file.name)
    return SourceFile(file, own, 0 if own == "normal" else truth)


def _checked(folder_words: Mapping[str, str]) -> dict[str, str]:
    for name, word in folder_words.items():
        if word not in FOLDER_WORDS:
            raise BadSetting(
                f"The folder name '{name}' must mean {', '.join(FOLDER_WORDS)}; it is '{word}'."
            )
    return {name.lower(): word for name, word in folder_words.items()}
