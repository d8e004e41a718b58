"""Files that are legal but odd: bits that lie high, signed bytes, deep colours, white frames."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import demo_image, write_dicom
from PIL import Image

from amae_engine.images.decode import read_for_store, read_image
from amae_engine.images.plausibility import INVERTED, NOT_FRONTAL_CHEST, likeness, look_at

needs_dcmtk = pytest.mark.skipif(
    shutil.which("dcm2pnm") is None, reason="needs dcm2pnm (Debian dcmtk), absent here"
)


def _high_bit(path: Path, stored: np.ndarray, shift: int, bits: int = 12) -> Path:
    """The values, moved up in their words, as the header says."""
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    if stored.dtype.kind == "i":
        window = {"WindowCenter": 0, "WindowWidth": 4096}
    write_dicom(path, stored << shift, BitsStored=bits, **window)
    dataset = pydicom.dcmread(path)
    dataset.HighBit = bits - 1 + shift
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(("dtype", "lowest"), [(np.uint16, 0), (np.int16, -2048)])
@pytest.mark.parametrize("shift", [2, 4])
def test_bits_that_lie_high_give_the_same_image(tmp_path: Path, dtype, lowest: int, shift: int):
    values = (demo_image().astype(np.int32) * 16 + lowest).astype(dtype)
    low = read_image(_high_bit(tmp_path / "low.dcm", values, 0))
    high = read_image(_high_bit(tmp_path / "high.dcm", values, shift))
    assert np.array_equal(high.pixels, low.pixels)


@needs_dcmtk
def test_bits_that_lie_high_are_shown_as_dcmtk_shows_them(tmp_path: Path):
    path = _high_bit(tmp_path / "high.dcm", demo_image().astype(np.uint16) * 16, 4)
    picture = tmp_path / "dcmtk.pgm"
    subprocess.run(
        ["dcm2pnm", "+Wi", "1", str(path), str(picture)], check=True, capture_output=True
    )
    shown = np.asarray(Image.open(picture)).astype(int)
    assert np.abs(read_image(path).pixels.astype(int) - shown).max() <= 1


def test_bits_above_the_high_bit_are_no_grey_values(tmp_path: Path):
    values = demo_image().astype(np.uint16) * 16
    overlaid = values | 0x8000  # an overlay in the word's highest bit
    path = write_dicom(tmp_path / "o.dcm", overlaid, BitsStored=12, WindowCenter=2048,
                       WindowWidth=4096)  # fmt: skip
    plain = write_dicom(tmp_path / "p.dcm", values, BitsStored=12, WindowCenter=2048,
                        WindowWidth=4096)  # fmt: skip
    assert np.array_equal(read_image(path).pixels, read_image(plain).pixels)


def test_signed_bytes_are_read(tmp_path: Path):
    chest = demo_image()
    signed = (chest.astype(np.int16) - 128).astype(np.int8)
    path = write_dicom(tmp_path / "s.dcm", signed, WindowCenter=0, WindowWidth=256)
    pixels = read_image(path).pixels.astype(int)
    assert np.abs(pixels - chest).max() <= 2


def test_deep_colours_are_as_bright_as_they_are_meant(tmp_path: Path):
    chest = demo_image()
    deep = np.stack([chest.astype(np.uint16) * 16] * 3, axis=-1)
    image = read_image(write_dicom(tmp_path / "c.dcm", deep, BitsStored=12))
    assert np.abs(image.pixels.astype(int) - chest).max() <= 1
    assert "colour" in image.flags


@pytest.mark.parametrize("width", [8, 24, 40])
def test_a_white_frame_is_no_inverted_chest(width: int):
    chest = Image.fromarray(demo_image()).resize((256, 256))
    framed = Image.new("L", (256, 256), 255)
    framed.paste(chest.resize((256 - 2 * width, 256 - 2 * width)), (width, width))
    assert look_at(np.asarray(framed)) == look_at(np.asarray(chest)) == ()
    inverted = 255 - np.asarray(chest)
    assert INVERTED in look_at(inverted)  # what is inverted still is


def test_a_file_that_does_not_say_what_it_shows_and_is_no_chest_waits(tmp_path: Path):
    silent = {"Modality": "", "BodyPartExamined": ""}
    y, x = np.mgrid[0:512, 0:512]
    hand = (np.hypot(x - 256, y - 300) < 120) | ((abs(x - 150) < 25) & (y < 300))
    stored = (hand * 150 + 30 + 20 * np.sin(x / 40)).astype(np.uint8)
    path = write_dicom(tmp_path / "h.dcm", stored, Modality="", BodyPartExamined="")
    assert NOT_FRONTAL_CHEST in read_for_store(path, 256).image.flags
    # half a chest: enough where the file says that it is one, too little where it says nothing
    own = np.asarray(Image.fromarray(demo_image()).resize((512, 512))).astype(float)
    mixes = ((1 - share) * own + share * stored for share in np.linspace(0, 1, 41))
    halves = (mix.astype(np.uint8) for mix in mixes)
    half = next(each for each in halves if 0.38 < likeness(each[::2, ::2])[0] < 0.48)
    for number, (said, waits) in enumerate((({}, False), (silent, True))):
        path = write_dicom(tmp_path / f"half{number}.dcm", half, WindowCenter=128, WindowWidth=256,
                           **said)  # fmt: skip
        assert (NOT_FRONTAL_CHEST in read_for_store(path, 256).image.flags) is waits
    chest = write_dicom(tmp_path / "c.dcm", demo_image(), Modality="", BodyPartExamined="")
    assert NOT_FRONTAL_CHEST not in read_for_store(chest, 256).image.flags
