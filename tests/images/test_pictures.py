"""PNG, JPEG and TIFF beyond the plain ones."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from dicom_files import demo_image, write_dicom
from PIL import Image

from amae_engine.images.decode import is_image_file, read_image
from amae_engine.images.decoded_image import Refusal


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_stretched_inside_a_flat_border(tmp_path: Path, suffix: str):
    grey = demo_image()
    deep = np.zeros((grey.shape[0] + 100, grey.shape[1] + 100), dtype=np.uint16)
    deep[50:-50, 50:-50] = grey.astype(np.uint16) * 40 + 3000
    Image.fromarray(deep).save(tmp_path / f"deep{suffix}")
    image = read_image(tmp_path / f"deep{suffix}")
    assert image.flags == ("no-window",)
    assert np.corrcoef(image.pixels[50:-50, 50:-50].ravel(), grey.ravel())[0, 1] > 0.98
    assert image.pixels[50:-50, 50:-50].std() > 0.9 * grey.std()


def test_a_tiff_that_counts_from_white_is_turned(tmp_path: Path):
    deep = demo_image().astype(np.uint16) * 100
    white_is_zero = {262: 0}
    Image.fromarray(deep).save(tmp_path / "black.tiff")
    Image.fromarray(deep).save(tmp_path / "white.tiff", tiffinfo=white_is_zero)
    black, white = read_image(tmp_path / "black.tiff"), read_image(tmp_path / "white.tiff")
    assert np.array_equal(white.pixels, 255 - black.pixels)


def test_a_floating_point_tiff_with_holes_is_read(tmp_path: Path):
    values = demo_image().astype(np.float32) / 255
    values[10, 10] = np.nan
    Image.fromarray(values).save(tmp_path / "image.tiff")
    assert np.corrcoef(read_image(tmp_path / "image.tiff").pixels.ravel(), demo_image().ravel())[
        0, 1
    ] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_upright(tmp_path: Path, orientation: int):
    upright = demo_image()
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "image.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "image.png").pixels, upright)


def test_a_tiff_of_several_pages_is_refused(tmp_path: Path):
    page = Image.fromarray(demo_image())
    page.save(tmp_path / "pages.tiff", save_all=True, append_images=[page])
    with pytest.raises(Refusal, match="has 2 pages"):
        read_image(tmp_path / "pages.tiff")


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path):
    path = tmp_path / "huge.png"
    Image.fromarray(demo_image()).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2  # IHDR's width and height
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(Refusal, match="larger than any image"):
        read_image(path)


def test_a_dicom_file_is_known_by_its_content_whatever_its_name(tmp_path: Path):
    image = write_dicom(tmp_path / "image.dcm", demo_image())
    for name in ("1.2.840.113619.2.5", "IM_0001", "image.png"):
        path = image.rename(tmp_path / name)
        assert is_image_file(path)
        assert read_image(path).modality == "DX"
        image = path


def test_a_note_is_no_image(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("not an image " * 40)
    assert not is_image_file(tmp_path / "notes.txt")


def test_no_reason_names_the_path(tmp_path: Path):
    folder = tmp_path / "Secretperson"
    folder.mkdir()
    for name in ("a.png", "a.dcm", "b.dcm"):
        (folder / name).write_bytes(b"broken" * 100 if name != "b.dcm" else b"")
        with pytest.raises(Refusal) as caught:
            read_image(folder / name)
        assert "Secretperson" not in str(caught.value)
