"""Zip archives, honest and hostile, and DICOMDIR."""

import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import DEMO
from dicom_files import PYDICOM, demo_image, write_dicom

from amae_engine.images.archive import dicomdir_files, unpack
from amae_engine.images.decode import is_image_file, read_image
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.file_index import is_there


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two images in folders, a note, a Mac's leftovers and an archive in the archive."""
    image = write_dicom(tmp_path / "image.dcm", demo_image())
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(image, "normal/1.2.840.1")
        target.write(DEMO / "images" / "normal_001.jpeg", "test/abnormal/image.jpeg")
        target.writestr("notes.txt", "two images")
        target.writestr("__MACOSX/._image.jpeg", "resource fork")
        target.writestr("inner.zip", "never looked at")
    return path


def test_an_archive_becomes_a_folder_with_its_images(archive: Path, tmp_path: Path):
    folder = unpack(archive, tmp_path / "here")
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    images = [p for p in sorted(folder.rglob("*")) if p.is_file() and is_image_file(p)]
    pixels = [read_image(path).pixels for path in images]
    assert names == {"normal/1.2.840.1", "test/abnormal/image.jpeg", "notes.txt", "inner.zip"}
    assert len(pixels) == 2
    assert np.array_equal(pixels[0], demo_image())


def test_an_archive_is_unpacked_once_and_a_changed_one_anew(archive: Path, tmp_path: Path):
    first = unpack(archive, tmp_path / "here")
    assert unpack(archive, tmp_path / "here") == first
    with zipfile.ZipFile(archive, "a") as target:
        target.writestr("more.txt", "later")
    again = unpack(archive, tmp_path / "here")
    assert again != first
    assert (again / "more.txt").is_file()


def test_nothing_half_unpacked_stays(archive: Path, tmp_path: Path):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(Refusal):
        unpack(cut, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("name", ["../escaped.dcm", "/etc/escaped.dcm", "a/../../escaped.dcm"])
def test_a_name_outside_the_archive_is_refused(tmp_path: Path, name: str):
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(name, "x")
    with pytest.raises(Refusal, match="names a file outside itself"):
        unpack(path, tmp_path / "here")
    assert not list(tmp_path.rglob("escaped.dcm"))


def test_a_link_in_an_archive_is_refused(tmp_path: Path):
    path = tmp_path / "link.zip"
    link = zipfile.ZipInfo("image.dcm")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as target:
        target.writestr(link, "/etc/passwd")
    with pytest.raises(Refusal, match="holds a link"):
        unpack(path, tmp_path / "here")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("zeros.dcm", bytes(200_000_000))
    with pytest.raises(Refusal, match="would become 200 MB from 0 MB"):
        unpack(path, tmp_path / "here")


def test_a_size_that_lies_ends_in_a_refusal(tmp_path: Path):
    path = tmp_path / "lies.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("image.dcm", bytes(5_000_000))
    honest = struct.pack("<I", 5_000_000)
    path.write_bytes(path.read_bytes().replace(honest, struct.pack("<I", 1000)))
    with pytest.raises(Refusal, match="damaged"):
        unpack(path, tmp_path / "here")


@pytest.mark.parametrize("kept", [0.2, 0.7, 0.99])
def test_a_truncated_archive_is_refused(archive: Path, tmp_path: Path, kept: float):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    with pytest.raises(Refusal, match="zip archive is damaged"):
        unpack(cut, tmp_path / "here")


def test_an_unknown_compression_says_what_to_do(archive: Path, tmp_path: Path):
    packed = bytearray(archive.read_bytes())
    for header, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # APPNOTE 4.3.7, 4.3.12
        place = packed.find(header)
        while place >= 0:
            packed[place + method : place + method + 2] = (97).to_bytes(2, "little")  # WavPack
            place = packed.find(header, place + 4)
    archive.write_bytes(packed)
    with pytest.raises(Refusal, match="pack it again"):
        unpack(archive, tmp_path / "here")


def test_an_encrypted_archive_says_what_to_do(archive: Path, tmp_path: Path):
    content = bytearray(archive.read_bytes())
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        content[place + 8] |= 1  # general purpose flag: encrypted
        place = content.find(b"PK\x01\x02", place + 4)
    locked = tmp_path / "locked.zip"
    locked.write_bytes(content)
    with pytest.raises(Refusal, match="encrypted; unpack it"):
        unpack(locked, tmp_path / "here")


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit"])
def test_a_dicomdir_names_its_images_in_order(name: str):
    files = dicomdir_files(PYDICOM / "dicomdirtests" / name)
    assert len(files) == len(set(files)) == 31
    assert all(path.is_file() for path in files)
    assert {pydicom.dcmread(path, stop_before_pixels=True).Modality for path in files} <= {
        "CR", "CT", "MR",
    }  # fmt: skip


def test_a_dicomdir_finds_files_in_small_letters(tmp_path: Path):
    directory = pydicom.dcmread(PYDICOM / "dicomdirtests" / "DICOMDIR")
    directory.save_as(tmp_path / "DICOMDIR")
    first = next(
        r.ReferencedFileID for r in directory.DirectoryRecordSequence if "ReferencedFileID" in r
    )
    place = tmp_path.joinpath(*(part.lower() for part in first))
    place.parent.mkdir(parents=True)
    place.write_bytes(b"image")
    files = dicomdir_files(tmp_path / "DICOMDIR")
    assert files[0] == place
    assert not files[1].exists()


def test_a_dicomdir_that_names_what_no_disk_can_hold_is_read(tmp_path: Path):
    directory = pydicom.dcmread(PYDICOM / "dicomdirtests" / "DICOMDIR")
    first = next(r for r in directory.DirectoryRecordSequence if "ReferencedFileID" in r)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pydicom, on the length
        first.ReferencedFileID = ["A" * 300, "IM1"]
        directory.save_as(tmp_path / "DICOMDIR")
    assert not is_there(dicomdir_files(tmp_path / "DICOMDIR")[0])


def test_a_dicomdir_that_points_outside_is_refused(tmp_path: Path):
    directory = pydicom.dcmread(PYDICOM / "dicomdirtests" / "DICOMDIR")
    for record in directory.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "..", "SECRET"]
    directory.save_as(tmp_path / "DICOMDIR")
    with pytest.raises(Refusal, match="outside its folder"):
        dicomdir_files(tmp_path / "DICOMDIR")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "damaged"), (b"no directory" * 50, "damaged")]
)
def test_what_is_no_dicomdir_is_refused(tmp_path: Path, content: bytes, reason: str):
    (tmp_path / "DICOMDIR").write_bytes(content)
    with pytest.raises(Refusal, match=reason):
        dicomdir_files(tmp_path / "DICOMDIR")


def test_a_dicomdir_is_no_image(tmp_path: Path):
    copy = tmp_path / "DICOMDIR"
    copy.write_bytes((PYDICOM / "dicomdirtests" / "DICOMDIR").read_bytes())
    assert not is_image_file(copy)
