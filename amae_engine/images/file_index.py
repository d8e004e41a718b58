"""Which files lie in a folder, and which of them a table's names mean."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from amae_engine.images.decode import DICOM_SUFFIXES, is_image_file
from amae_engine.images.picture import SUFFIXES

_IMAGE_SUFFIXES = (*SUFFIXES, *DICOM_SUFFIXES)


def files_in(folder: Path) -> Iterator[Path]:
    """Every file of a folder and of those in it, also of linked ones, each folder once; in order."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder around it
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


class FileIndex:
    """Finds the files that a table names below one folder; the folder is listed at most once.

    A name that two files share is not guessed: such a file counts as missing.

    Args:
        root: The folder with the images, in subfolders of any depth.
        outside: Whether files that lie elsewhere may be named too.
    """

    def __init__(self, root: Path, outside: bool = False) -> None:
        self._root, self._outside = root, outside
        self._real_root = os.path.realpath(root)
        self._real: dict[Path, str] = {}
        self._listed: tuple[dict[str, list[Path]], dict[str, list[Path]]] | None = None

    def find(self, name: str) -> Path:
        """The file of a name: by its path, by a shorter end of it, by its name, by its stem.

        So `CheXpert-v1.0/train/…` is found in a folder that starts at `train`, and a repartition's
        `x.png` in a folder that holds `x.dcm`. A table made on Windows may write other slashes, a
        drive and other letter cases, and one made on macOS may take letters and accents apart.

        Returns:
            A path that does not exist where there is no such file.
        """
        direct = self._root / name
        if is_there(direct):
            return direct
        parts = _parts(name)
        for start in range(len(parts) - 1):
            shorter = self._root.joinpath(*parts[start:])
            if is_there(shorter):
                return shorter
        by_name, by_stem = self._listed = self._listed or self._list()
        last = parts[-1] if parts else ""
        alike = by_name.get(_folded(last)) or by_stem.get(_folded(_stem(last))) or []
        return _likest(alike, parts, self._root) or direct

    def refusal(self, path: Path) -> str:
        """Why a file that was found may not come in: by `..`, by its path or by a link it lies
        outside the folder; "" where it may, and where there is no such file.
        """
        if self._outside:
            return ""
        try:
            is_link = stat.S_ISLNK(path.lstat().st_mode)
        except (OSError, ValueError):
            return ""
        if is_link:
            if not is_there(path):
                return ""
            real = os.path.realpath(path)
        else:
            folder = path.parent
            if folder not in self._real:
                self._real[folder] = os.path.realpath(folder)
            real = self._real[folder] + os.sep
        if real.startswith(self._real_root.rstrip(os.sep) + os.sep):
            return ""
        return (
            "the table names a file outside the folder with the images; let such files in with "
            "--outside, if that is meant"
        )

    def _list(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        by_name: dict[str, list[Path]] = {}
        by_stem: dict[str, list[Path]] = {}
        for path in files_in(self._root):
            if is_image_file(path):
                by_name.setdefault(_folded(path.name), []).append(path)
                by_stem.setdefault(_folded(_stem(path.name)), []).append(path)
        return by_name, by_stem


def is_there(path: Path) -> bool:
    """Whether a path is a file; one that no system can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name of 5,000 characters, or with a zero in it
        return False


def _parts(name: str) -> list[str]:
    """A name's folders and file, as any system writes them; without a drive."""
    plain = name.replace("\\", "/")
    if plain[1:2] == ":":
        plain = plain[2:]
    return [part for part in PurePosixPath(plain).parts if part != "/"]


def _likest(alike: list[Path], parts: list[str], root: Path) -> Path | None:
    """The one path that ends most as a name does, letters of one case before those of another."""

    def likeness(path: Path) -> tuple[int, bool]:
        own = path.relative_to(root).parts[::-1][1:]
        wanted = parts[::-1][1:]
        same = 0
        for one, other in zip(own, wanted, strict=False):
            if _folded(one) != _folded(other):
                break
            same += 1
        return same, path.name == parts[-1]

    if len(alike) < 2:
        return alike[0] if alike else None
    first, second = sorted(alike, key=likeness, reverse=True)[:2]
    return first if likeness(first) > likeness(second) else None


def _folded(text: str) -> str:
    """A name without differences of letter case, and with letters and accents together."""
    return unicodedata.normalize("NFC", text).casefold()


def _stem(name: str) -> str:
    """A name without folders and without the suffix of an image ("1.2.840.7" keeps its dots)."""
    path = Path(name)
    return path.stem if path.suffix.lower() in _IMAGE_SUFFIXES else path.name
