"""PNG, JPEG and TIFF beyond the plain ones."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dicom_files import demo_image, write_dicom
from PIL import Image, PngImagePlugin

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


def _png(path: Path, values: np.ndarray, colour: int) -> Path:
    """A PNG of 16 bits (rows, columns, channels), which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows, columns = values.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.reshape(rows, -1))
    head = struct.pack(">IIBBBBB", columns, rows, 16, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )  # fmt: skip
    return path


DEEP = demo_image().astype(np.uint16) * 16  # 12 bits
FULL = np.full_like(DEEP, 65535)


@pytest.mark.parametrize(
    ("channels", "colour"), [((DEEP, FULL), 4), ((DEEP,) * 3, 2), ((DEEP,) * 3 + (FULL,), 6)]
)
def test_sixteen_bits_in_several_channels_are_the_grey_picture(tmp_path, channels, colour):
    wanted = read_image(_png(tmp_path / "grey.png", DEEP[..., None], 0)).pixels.astype(float)
    found = read_image(_png(tmp_path / "a.png", np.stack(channels, -1), colour))
    assert np.abs(found.pixels - wanted).mean() < 1
    assert found.flags == ("no-window",)


@pytest.mark.parametrize("how", [
    {"photometric": "rgb"},
    {"photometric": "rgb", "planarconfig": "separate"},
    {"photometric": "rgb", "compression": "lzw"},
    {"photometric": "rgb", "compression": "zlib", "predictor": True},
])  # fmt: skip
def test_deep_colour_tiffs_are_the_grey_picture(tmp_path: Path, how: dict):
    tifffile.imwrite(tmp_path / "grey.tif", DEEP)
    wanted = read_image(tmp_path / "grey.tif").pixels.astype(float)
    apart = how.get("planarconfig") == "separate"
    tifffile.imwrite(tmp_path / "a.tif", np.stack([DEEP] * 3, 0 if apart else -1), **how)
    assert np.abs(read_image(tmp_path / "a.tif").pixels - wanted).mean() < 1


def test_tiffs_that_pillow_does_not_know_are_read(tmp_path: Path):
    tifffile.imwrite(tmp_path / "grey.tif", DEEP)
    wanted = read_image(tmp_path / "grey.tif").pixels.astype(float)
    with_alpha = {"photometric": "minisblack", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "alpha.tif", np.stack([DEEP, FULL], -1), **with_alpha)
    tifffile.imwrite(tmp_path / "float64.tif", DEEP.astype(np.float64) / 4095)
    tifffile.imwrite(tmp_path / "big.tif", DEEP, bigtiff=True)
    tifffile.imwrite(tmp_path / "tiled.tif", DEEP, tile=(64, 64))
    for name in ("alpha", "float64", "big", "tiled"):
        found = read_image(tmp_path / f"{name}.tif").pixels.astype(float)
        assert np.abs(found - wanted).mean() < 1.5, name
    whole = (tmp_path / "alpha.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refusal, match="damaged or cut short|unknown format"):
        read_image(tmp_path / "cut.tif")
    tifffile.imwrite(tmp_path / "five.tif", np.stack([DEEP] * 5, -1), photometric="minisblack",
                     planarconfig="contig")  # fmt: skip
    with pytest.raises(Refusal, match="5 channels"):
        read_image(tmp_path / "five.tif")


def test_a_camera_s_second_picture_and_a_reduced_page_do_not_count(tmp_path: Path):
    grey = demo_image()
    colours = Image.fromarray(np.stack([grey] * 3, -1))
    small = colours.resize((96, 96))
    colours.save(tmp_path / "mpf.jpg", "MPO", save_all=True, append_images=[small], quality=95)
    with tifffile.TiffWriter(tmp_path / "thumb.tif") as pages:
        pages.write(grey[::4, ::4].copy(), subfiletype=1)
        pages.write(grey)
    for name in ("mpf.jpg", "thumb.tif"):
        assert np.abs(read_image(tmp_path / name).pixels.astype(float) - grey).mean() < 4
    with tifffile.TiffWriter(tmp_path / "two.tif") as pages:
        pages.write(grey)
        pages.write(grey[::-1].copy())
    colours.save(tmp_path / "stereo.jpg", "MPO", save_all=True, append_images=[colours])
    for name in ("two.tif", "stereo.jpg"):
        with pytest.raises(Refusal, match="2 pages"):
            read_image(tmp_path / name)


def test_notes_in_a_png_and_inks_in_a_jpeg_change_no_grey(tmp_path: Path):
    """imageio #366: a gamma; Pillow #1380: CMYK."""
    grey = demo_image()
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 100_000))
    Image.fromarray(grey).save(tmp_path / "gamma.png", pnginfo=info)
    assert np.array_equal(read_image(tmp_path / "gamma.png").pixels, grey)
    ink, none = Image.fromarray(255 - grey), Image.fromarray(np.zeros_like(grey))
    Image.merge("CMYK", [ink, ink, ink, none]).save(tmp_path / "inks.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "inks.jpg").pixels.astype(float) - grey).mean() < 3
