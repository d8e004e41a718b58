"""Images in which every attribute, comment, name and folder names a patient, and where that comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from amae_engine.images.sources import SourceFile
from amae_engine.jobs.importing.import_plan import ImportPlan
from amae_engine.resources import required_resource
from tests.benchmarks.importing import write_uncompressed

NEEDLES = ("secretperson", "quentin", "77120415", "19610203", "acc-99133", "王祕密", "secret~1")
_BIG5 = "Secretperson 王祕密".encode("big5")
_CODES = ("utf-8", "utf-16-le", "big5")
_TEXT = {
    **dict.fromkeys(("PN",), "Secretperson^Quentin=王祕密"),
    **dict.fromkeys(("LO", "LT", "ST", "UC", "UT"), "Secretperson Quentin ACC-99133 SECRET~1"),
    **dict.fromkeys(("SH", "CS", "AE"), "SECRETPERSON"),
    **dict.fromkeys(("DS", "IS"), "77120415"),
    "DA": "19610203",
    "DT": "19610203101112",
    "UI": "1.2.826.77120415.1",
    "UR": "urn:secretperson",
}
# what says that the file is an image that AMAE reads, and how
_KEPT = (
    "SpecificCharacterSet", "SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition",
    "ImageType", "PatientSpeciesDescription", "NumberOfFrames", "PresentationLUTShape",
)  # fmt: skip


def _planted(path: Path, image: np.ndarray, number: int) -> int:
    """Write an image whose every attribute of the standard names a patient; how many there are."""
    write_uncompressed(path, Image.fromarray(image), number)
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    count = 0
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        usable = keyword and not retired and Tag(tag).group not in (0x0000, 0x0002, 0x0004, 0x0028)
        if not usable or vr not in _TEXT or keyword in _KEPT or Tag(tag).group > 0x5000:
            continue
        dataset.add_new(tag, vr, _TEXT[vr])
        count += 1
    item = Dataset()
    item.PatientName, item.PatientID = _TEXT["PN"], "MRN-77120415"
    dataset.OtherPatientIDsSequence = dataset.RequestAttributesSequence = [item]
    dataset.private_block(0x0099, "SECRETPERSON", create=True).add_new(1, "LO", _TEXT["LO"])
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST QUENTIN", "SECRETPERSON"
    dataset.PatientID = f"MRN-77120415-{number}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77120415.{number}"
    dataset.file_meta.SourceApplicationEntityTitle = "SECRETPERSON"
    dataset.preamble = b"Secretperson Quentin".ljust(128, b"\0")
    dataset.save_as(path, enforce_file_format=True)
    return count


def planted_files(folder: Path) -> tuple[list[SourceFile], int]:
    """Images, a copy and a broken file in which every name names a patient; attributes planted."""
    folder.mkdir()
    demo = sorted(required_resource("demo/images").glob("*.jpeg"))[-4:]
    images = [np.asarray(Image.open(path).convert("L")) for path in demo]
    count = _planted(folder / "Secretperson_77120415.dcm", images[0], 1)
    _planted(folder / "Secretperson_77120415_copy.dcm", images[0], 1)
    _planted(folder / "Quentin.dcm", images[1], 2)
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "Secretperson Quentin 19610203")
    Image.fromarray(images[2]).save(folder / "Quentin 19610203.png", pnginfo=text)
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Secretperson 77120415", "Quentin"
    Image.fromarray(images[3]).save(folder / "acc-99133.jpg", exif=exif, comment=_BIG5)
    (folder / "SECRET~1.DCM").write_bytes(b"Secretperson Quentin SECRET~1" * 40)  # broken
    bad = pydicom.dcmread(folder / "Quentin.dcm")
    bad.BodyPartExamined = "SECRETPERSON KNEE"
    bad.save_as(folder / "Quentin_other_part.dcm")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [SourceFile(path, "test", 1, "Secretperson^Quentin") for path in paths], count


def planted_tables(folder: Path) -> tuple[list[ImportPlan], int]:
    """A table in UTF-16 and a zip archive whose names, columns and notes name a patient, and 8.3 names;
    how many of them there are.
    """
    images = folder / "Secretperson"
    images.mkdir(parents=True)
    demo = sorted(required_resource("demo/images").glob("*.jpeg"))[:4]
    names = ("SECRET~1.PNG", "Quentin_2.png", "acc-99133.png", "王祕密.png")
    for path, name in zip(demo, names, strict=True):
        Image.open(path).convert("L").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(images / name)
    note = "Quentin Secretperson, born 19610203, ACC-99133, 王祕密"
    rows = [f"{name},test,{n % 2},MRN-77120415-{n},{note!r}" for n, name in enumerate(names[:2])]
    table = images / "Secretperson 77120415.csv"
    lines = ["file,role,truth,patient,note of Quentin", *rows]
    table.write_text("\n".join(lines), encoding="utf-16")
    packed = folder / "SECRET~1.ZIP"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.comment = b"Secretperson"
        for name in names[2:]:
            archive.write(images / name, f"Quentin 19610203/test/abnormal/{name}")
    columns = ("file", "role", "truth", "patient")
    plans = [ImportPlan((table,), columns=columns), ImportPlan((packed,), role="test")]
    return plans, len(names) + 5 * len(rows) + 6


def leaks(content: bytes) -> list[str]:
    """The planted identities that are in some bytes, in UTF-8, UTF-16 or Big5."""
    lowered = content.lower()
    sought = [(needle, needle.encode(code).lower()) for needle in NEEDLES for code in _CODES]
    return sorted({needle for needle, each in sought if each in lowered})


def leaking_files(folder: Path) -> dict[str, list[str]]:
    """Files outside `private/` whose name or content, unpacked, names the patient."""
    files = [p for p in folder.rglob("*") if p.is_file() and "private" not in p.parts]
    places = {p.relative_to(folder).as_posix(): p for p in files}
    found = {name: leaks(name.encode() + _unpacked(p)) for name, p in places.items()}
    return {name: needles for name, needles in found.items() if needles}


def _unpacked(path: Path) -> bytes:
    """A file's bytes, and what is compressed in it."""
    content = path.read_bytes()
    if path.suffix in (".zip", ".npz"):
        with zipfile.ZipFile(path) as packed:
            content += b"".join(name.encode() + packed.read(name) for name in packed.namelist())
    if path.suffix == ".parquet":
        content += repr(parquet.read_table(path).to_pydict()).encode()
    return content
