"""What AMAE reads against what dcmtk and GDCM's own tools show of the same files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import DICOM, PYDICOM, as_chest
from PIL import Image

from amae_engine.images.decode import read_image

_TOOLS = ("dcm2pnm", "dcmconv", "dcmdjpeg", "dcmdjpls", "dcmdrle", "gdcmconv")
_MISSING = [tool for tool in _TOOLS if shutil.which(tool) is None]
_DECOMPRESSORS = {"RLE": ("dcmdrle",), "JPEG-LS": ("dcmdjpls",), "JPEG": ("dcmdjpeg",)}
_NATIVE, _OTHER = ("dcmconv", "+te"), ("gdcmconv", "--raw")
_NOT_COMPARED = ("SC_rgb_jpeg.dcm", "JPEG2000-embedded-sequence-delimiter.dcm")  # made to mislead


def _may_be_image(path: Path) -> bool:
    header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    frames, sides = (
        header.get("NumberOfFrames", 1),
        (header.get("Rows", 0), header.get("Columns", 0)),
    )
    bits = header.get("BitsStored", 0)
    return frames == 1 and min(sides) >= 64 and 8 <= bits <= 16 and "broken" not in path.name


_SAME_AS_ANOTHER = ("RG3_J2KI.dcm", "chest_rg1_j2k_lossy_mono1_15bit.dcm", "vlut_04.dcm")
_FILES = [
    path
    for folder in (DICOM, DICOM / "more", PYDICOM)
    for path in sorted(folder.glob("*.dcm"))
    if path.name not in (*_NOT_COMPARED, *_SAME_AS_ANOTHER, "MR_truncated.dcm")
    and _may_be_image(path)
]

pytestmark = [
    pytest.mark.skipif(
        bool(_MISSING),
        reason=f"needs {', '.join(_MISSING)} (Debian dcmtk and libgdcm-tools), absent here",
    ),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_image_has_the_shades_that_dcmtk_shows(path: Path, tmp_path: Path):
    chest = as_chest(path, tmp_path / "chest.dcm")
    image = read_image(chest)
    native = _decompressed(chest, tmp_path)
    if "no-window" in image.flags:
        # the contrast is AMAE's choice; the order of the shades is the file's
        order = np.argsort(_stored(native), axis=None, kind="stable")
        steps = np.diff(image.pixels.ravel()[order].astype(int))
        assert (-steps if image.photometric == "MONOCHROME1" else steps).min() >= 0
        return
    header = pydicom.dcmread(native, stop_before_pixels=True)
    window = "+Wl" if "VOILUTSequence" in header else "+Wi" if "WindowWidth" in header else ""
    shown = _shown(native, [window, "1"] if window else ["-W"])
    assert shown.shape == image.pixels.shape
    assert np.abs(shown.astype(int) - image.pixels).max() <= 1


def _decompressed(path: Path, folder: Path) -> Path:
    """The file in an uncompressed transfer syntax, by a tool that shares no code with pydicom."""
    syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
    usual = next((c for kind, c in _DECOMPRESSORS.items() if syntax.name.startswith(kind)), _NATIVE)
    for number, command in enumerate((usual, _OTHER) if syntax.is_compressed else (_NATIVE,)):
        native = folder / f"native{number}.dcm"
        subprocess.run([*command, str(path), str(native)], capture_output=True, check=False)
        if native.is_file():
            written = pydicom.filereader.read_file_meta_info(native).TransferSyntaxUID
            if not written.is_encapsulated:
                return native
    pytest.fail(f"no independent decoder reads {path.name}")


def _shown(native: Path, window: list[str]) -> np.ndarray:
    picture = native.with_suffix(".pnm")
    options = ["--no-overlays", "--write-8-bit-pnm", *window]
    subprocess.run(
        ["dcm2pnm", *options, str(native), str(picture)], capture_output=True, check=True
    )
    return np.asarray(Image.open(picture).convert("L"))


def _stored(native: Path) -> np.ndarray:
    """The stored values of an uncompressed file, straight from its bytes."""
    dataset = pydicom.dcmread(native)
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    words = np.frombuffer(dataset.PixelData, dtype=f"{order}u{dataset.BitsAllocated // 8}")
    values = words[: dataset.Rows * dataset.Columns].astype(int) & ((1 << dataset.BitsStored) - 1)
    if dataset.PixelRepresentation:
        values -= (values >> (dataset.BitsStored - 1)) << dataset.BitsStored
    return values.reshape(dataset.Rows, dataset.Columns)
