"""Decoding real DICOM files and pictures, good and broken."""

import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from demo_images import DEMO
from dicom_files import demo_image, write_dicom
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

from amae_engine.errors import ProjectError
from amae_engine.images.decode import read_image
from amae_engine.images.decoded_image import Refusal
from amae_engine.images.pixel_store import PixelStore
from tests.benchmarks.importing import write_jpeg2000


@pytest.fixture(scope="module")
def dicom(shared: Path) -> Path:
    return shared / "data" / "dicom"


def _manifest(dicom: Path) -> list[dict[str, str]]:
    import csv

    with (dicom / "more" / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_dicom_ends_as_its_manifest_expects(dicom: Path):
    wrong = []
    for line in _manifest(dicom):
        try:
            image = read_image(dicom / "more" / line["file"])
            ending = "decode"
        except Refusal:
            image, ending = None, "refuse"
        wanted = line["expect"]
        is_chest = wanted in ("decode", "decode; header oddity", "decode; out of distribution")
        if is_chest and image is None:
            wrong.append((line["file"], "must decode"))
        if is_chest and image is not None and line["rows_x_cols"]:
            rows, columns = map(int, line["rows_x_cols"].split("x"))
            if image.pixels.shape != (rows, columns):
                wrong.append((line["file"], image.pixels.shape))
        if ("refuse" in wanted or "not a chest" in wanted) and ending == "decode":
            wrong.append((line["file"], "must be refused"))
    assert wrong == []


def test_re_encoded_images_have_the_pixels_of_the_original(dicom: Path):
    more = dicom / "more"
    for derived, original in (
        ("chest_derived_rle.dcm", "chest_rsna_01.dcm"),
        ("chest_derived_deflated.dcm", "chest_rsna_02.dcm"),
        ("chest_derived_jpegls_lossless.dcm", "chest_rsna_04.dcm"),
    ):
        assert np.array_equal(read_image(more / derived).pixels, read_image(more / original).pixels)


def test_monochrome1_chest_comes_in_with_bone_bright(dicom: Path):
    image = read_image(dicom / "RG1_J2KI.dcm")
    rows, columns = image.pixels.shape
    spine = image.pixels[rows // 3 : rows // 2, columns // 2 - 60 : columns // 2 + 60].mean()
    lung = image.pixels[rows // 3 : rows // 2, columns // 4 - 60 : columns // 4 + 60].mean()
    assert image.photometric == "MONOCHROME1"
    assert image.bits_stored == 15
    assert spine > lung


def test_an_extremity_is_refused_by_name(dicom: Path):
    with pytest.raises(Refusal, match="body part EXTREMITY is not a chest"):
        read_image(dicom / "RG3_J2KI.dcm")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"patient notes\n" * 80, "not a DICOM file")],
)
def test_text_and_empty_files_named_dcm_are_refused(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "image.dcm"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=reason):
        read_image(path)


def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path: Path):
    image = write_dicom(tmp_path / "image.dcm", demo_image(), DeflatedExplicitVRLittleEndian)
    assert np.array_equal(read_image(image).pixels, demo_image())
    content = image.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = b"".join(packer.compress(bytes(1 << 24)) for _ in range(64)) + packer.flush()
    image.write_bytes(content[:start] + zeros)
    with pytest.raises(Refusal, match="inflates to more than any image"):
        read_image(image)


def test_a_truncated_png_is_refused_not_half_read(tmp_path: Path):
    whole = tmp_path / "whole.png"
    Image.open(DEMO / "images" / "normal_001.jpeg").save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(Refusal, match="damaged or cut short"):
        read_image(cut)


def test_a_jpeg_2000_of_impossible_bits_is_refused_before_its_decoder_ends_the_process(
    tmp_path: Path,
):
    image = tmp_path / "image.dcm"
    write_jpeg2000(image, Image.open(DEMO / "images" / "normal_001.jpeg").convert("L"), 0)
    content = bytearray(image.read_bytes())
    precision = content.find(b"\xff\x4f\xff\x51") + 42  # Ssiz (ISO/IEC 15444-1 A.5.1)
    content[precision] = 31
    image.write_bytes(content)
    with pytest.raises(Refusal, match="its compressed picture has 32 bits; an image has 8 to 16"):
        read_image(image)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_eight_bit_pictures_of_every_mode_give_the_same_image(tmp_path: Path, mode: str):
    grey = Image.open(DEMO / "images" / "normal_001.jpeg").convert("L")
    grey.convert(mode).save(tmp_path / "image.png")
    assert (
        np.abs(read_image(tmp_path / "image.png").pixels - np.asarray(grey).astype(int)).max() <= 1
    )


def test_sixteen_bit_pictures_are_windowed(tmp_path: Path):
    grey = np.asarray(Image.open(DEMO / "images" / "normal_001.jpeg").convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 100).save(tmp_path / "deep.tiff")
    image = read_image(tmp_path / "deep.tiff")
    assert image.bits_stored == 16
    assert np.corrcoef(image.pixels.ravel(), grey.ravel())[0, 1] > 0.99


def test_one_bit_pictures_become_black_and_white(tmp_path: Path):
    Image.fromarray(np.eye(128, dtype=bool)).save(tmp_path / "bits.png")
    assert set(np.unique(read_image(tmp_path / "bits.png").pixels)) == {0, 255}


def test_exif_rotation_is_applied(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90° when shown
    Image.fromarray(np.zeros((80, 120), dtype=np.uint8)).save(tmp_path / "r.jpg", exif=exif)
    assert read_image(tmp_path / "r.jpg").pixels.shape == (120, 80)


def test_full_size_images_of_the_nih_set_are_read(shared: Path):
    for path in sorted((shared / "data" / "nih_full").glob("*.png")):
        assert read_image(path).pixels.shape == (1024, 1024)


def test_the_store_overwrites_a_half_written_image(tmp_path: Path):
    store = PixelStore(tmp_path, side=4)
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert store.append([image, image]) == 0
    with (tmp_path / "images.u8").open("ab") as file:
        file.write(b"half")
    assert len(store) == 2
    assert store.append([image + 1]) == 2
    assert np.array_equal(store.read(np.array([2, 0])), np.stack((image + 1, image)))


def test_a_store_that_is_cut_while_it_is_read_is_an_error_and_no_crash(tmp_path: Path):
    store = PixelStore(tmp_path, side=64)
    images = [np.full((64, 64), value, dtype=np.uint8) for value in range(32)]
    store.append(images)
    stop, errors = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                found = store.read(np.arange(31, -1, -1))
                assert (found[:, 0, 0] == np.arange(31, -1, -1)).all()
            except ProjectError as error:
                errors.append(str(error))
                return

    reader = threading.Thread(target=read)
    reader.start()
    with (tmp_path / "images.u8").open("r+b") as file:
        file.truncate(64 * 64 * 3 + 7)
    reader.join(timeout=20)
    stop.set()
    assert len(errors) == 1
    assert "holds 3 images, but the catalog names image" in errors[0]
    assert (store.read(np.array([2]))[0] == images[2]).all()
