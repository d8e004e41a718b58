"""Images inside a zip archive or behind a DICOMDIR."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pydicom

from amae_engine.images.decoded_image import Refusal, cause

ZIP_SUFFIX = ".zip"
DICOMDIR = "DICOMDIR"
MOST_MEMBERS = 1_000_000
MOST_EXPANSION = 100  # bytes out of one byte in; DICOM and TIFF stay below 30
_SMALL = 100_000_000  # bytes that may expand as they like
_SPARE = 1_000_000_000  # bytes that unpacking leaves free on the disk


def unpack(archive: Path, folder: Path) -> Path:
    """Put an archive's files, under their own names, into a folder inside `folder`.

    Archives in the archive are left packed. An archive that was unpacked
    there before is not unpacked again.

    Args:
        archive: A zip file.
        folder: Where the new folder is made.

    Returns:
        The folder with the files.

    Raises:
        Refusal: The archive is damaged, encrypted, names files outside itself, or is too large.
    """
    facts = archive.stat()
    whole = folder / f"{archive.stem}-{facts.st_size}-{facts.st_mtime_ns}"
    if whole.is_dir():
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="amae-", dir=folder) as name:
        half = Path(name) / "files"
        half.mkdir()
        try:
            with zipfile.ZipFile(archive) as source:
                members = [info for info in source.infolist() if _is_wanted(info)]
                _require_harmless(members, shutil.disk_usage(folder).free)
                for member in members:
                    member.filename = member.filename.replace("\\", "/")  # packed on Windows
                    source.extract(member, half)
        except Refusal:
            raise
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError) as error:
            raise Refusal(f"the zip archive is damaged ({cause(error)}).") from error
        except NotImplementedError as error:  # zipfile's word for a packing that it cannot undo
            raise Refusal(
                "the zip archive is packed in a way that cannot be read here; pack it again with "
                "the usual compression (Deflate)."
            ) from error
        except (OSError, ValueError, RuntimeError, zlib.error) as error:
            raise Refusal(
                f"the zip archive cannot be unpacked ({type(error).__name__})."
            ) from error
        half.replace(whole)
    return whole


def dicomdir_files(path: Path) -> list[Path]:
    """The image files that a DICOMDIR (PS3.10 section 8) names, in its order, there or not.

    Raises:
        Refusal: It is no DICOMDIR, or names files outside its folder.
    """
    try:
        dataset = pydicom.dcmread(path)
        records = [
            record.ReferencedFileID
            for record in dataset.get("DirectoryRecordSequence") or []
            if record.get("DirectoryRecordType") == "IMAGE" and "ReferencedFileID" in record
        ]
    except OSError as error:
        raise Refusal(f"it cannot be read ({error.strerror or type(error).__name__}).") from error
    except Exception as error:  # pydicom raises what a damaged file makes it meet
        raise Refusal(f"the DICOMDIR is damaged ({type(error).__name__}).") from error
    if not records:
        raise Refusal("the DICOMDIR names no image.")
    return [
        _on_disk(path.parent, [file_id] if isinstance(file_id, str) else list(file_id))
        for file_id in records
    ]


def _on_disk(folder: Path, components: list[str]) -> Path:
    """A File ID's place; its capitals are often small letters on disk."""
    place = folder
    for component in components:
        if component in ("", ".", "..") or "/" in component or "\\" in component:
            raise Refusal("the DICOMDIR names a file outside its folder.")
        exact = place / component
        if not _exists(exact) and _exists(place) and place.is_dir():
            same = (p for p in place.iterdir() if p.name.lower() == component.lower())
            exact = next(same, exact)
        place = exact
    return place


def _exists(path: Path) -> bool:
    """Whether there is such a path; one that no system can have is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that somebody packed, not what macOS notes about one."""
    name = PurePosixPath(info.filename)
    is_note = name.parts[:1] == ("__MACOSX",) or name.name.startswith("._")
    return not info.is_dir() and not is_note


def _require_harmless(members: list[zipfile.ZipInfo], free: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise Refusal(f"the zip archive has {len(members)} files; at most {MOST_MEMBERS}.")
    for info in members:
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in info.filename:
            raise Refusal("the zip archive names a file outside itself; pack it again.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Refusal("the zip archive holds a link; pack the files themselves.")
        if info.flag_bits & 1:
            raise Refusal("the zip archive is encrypted; unpack it and import the folder.")
    size = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if size > max(_SMALL, MOST_EXPANSION * packed):
        raise Refusal(
            f"the zip archive would become {size // 1_000_000} MB from {packed // 1_000_000} MB, "
            f"more than images do; unpack it yourself if you trust it."
        )
    if size + _SPARE > free:
        raise Refusal(
            f"the zip archive needs {size // 1_000_000} MB, but {free // 1_000_000} MB are free; "
            f"make room or unpack it on another disk."
        )
