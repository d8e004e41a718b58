"""Modality LUT, VOI LUT, windows, padding, polarity, bits: PS3.3 C.7.5, C.7.6, C.11."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import HTJ2K, demo_image, manifest, write_dicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from amae_engine.images.decode import read_image
from amae_engine.images.decoded_image import DecodedImage, Refusal, Spacing


@pytest.fixture
def grey() -> np.ndarray:
    return demo_image()


@pytest.fixture
def deep(grey: np.ndarray) -> np.ndarray:
    """12 bits of real image, uint16."""
    return grey.astype(np.uint16) * 16


def _image(folder: Path, stored: np.ndarray, **header: Any) -> DecodedImage:
    return read_image(write_dicom(folder / "image.dcm", stored, **header))


def _lut(entries: np.ndarray, first: int, bits: int) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


@pytest.mark.parametrize("line", manifest(), ids=lambda line: line["file"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_dicom_sample_ends_as_its_manifest_expects(shared: Path, line: dict[str, str]):
    path = shared / "data" / "dicom" / "more" / line["file"]
    if "refuse" in line["expect"] or "not a chest" in line["expect"]:
        with pytest.raises(Refusal, match=r"\w.*\."):
            read_image(path)
        return
    image = read_image(path)
    assert f"{image.pixels.shape[0]}x{image.pixels.shape[1]}" == line["rows_x_cols"]
    assert image.photometric == line["photometric"]


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
    ids=lambda syntax: syntax.name,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32])
def test_every_allocation_and_byte_order_gives_the_same_image(
    tmp_path: Path, grey: np.ndarray, syntax: Any, dtype: type
):
    stored = grey.astype(dtype)
    path = write_dicom(tmp_path / "image.dcm", stored, syntax, WindowCenter=128, WindowWidth=256)
    if np.dtype(dtype).itemsize == 4:
        path = write_dicom(path, stored, syntax, WindowCenter=128, WindowWidth=256, BitsStored=16)
    assert np.abs(read_image(path).pixels.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("bits", range(9, 17))
def test_every_depth_is_seen_through_its_window(tmp_path: Path, grey: np.ndarray, bits: int):
    stored = grey.astype(np.uint16) << (bits - 8)
    window = {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    image = _image(tmp_path, stored, BitsStored=bits, **window)
    assert image.bits_stored == bits
    assert np.abs(image.pixels.astype(int) - grey).max() <= 1


def test_signed_values_are_signed(tmp_path: Path, deep: np.ndarray):
    stored = deep.astype(np.int16) - 2048
    image = _image(tmp_path, stored, BitsStored=12, WindowCenter=0, WindowWidth=4096)
    assert np.abs(image.pixels.astype(int) - deep // 16).max() <= 1


def test_an_overlay_in_the_high_bits_is_not_seen(tmp_path: Path, deep: np.ndarray):
    overlaid = deep | np.uint16(0x8000) * (np.indices(deep.shape)[1] % 7 == 0)
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = _image(tmp_path, deep, BitsStored=12, **window)
    assert np.array_equal(
        _image(tmp_path, overlaid.astype(np.uint16), BitsStored=12, **window).pixels, plain.pixels
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (None, lambda x: ((x - 1999.5) / 999 + 0.5) * 255),
        ("LINEAR", lambda x: ((x - 1999.5) / 999 + 0.5) * 255),
        ("LINEAR_EXACT", lambda x: ((x - 2000) / 1000 + 0.5) * 255),
        ("SIGMOID", lambda x: 255 / (1 + np.exp(-4 * (x - 2000) / 1000))),
    ],
)
def test_a_window_follows_the_standard_s_formula(
    tmp_path: Path, deep: np.ndarray, function: str | None, expected: Any
):
    header = {"VOILUTFunction": function} if function else {}
    window = {"WindowCenter": [2000, 100], "WindowWidth": [1000, 50]}  # the first one counts
    image = _image(tmp_path, deep, BitsStored=12, **window, **header)
    wanted = np.clip(expected(deep.astype(float)), 0, 255)
    assert np.abs(image.pixels - wanted).max() <= 0.51


def test_the_window_is_in_rescaled_units(tmp_path: Path, deep: np.ndarray):
    scale = {"RescaleSlope": "0.5", "RescaleIntercept": "-1000"}
    image = _image(tmp_path, deep, BitsStored=12, WindowCenter=24, WindowWidth=2048, **scale)
    assert np.abs(image.pixels.astype(int) - deep // 16).max() <= 1


def test_a_modality_table_comes_before_the_window(tmp_path: Path, deep: np.ndarray):
    turned = _lut(4095 - np.arange(4096), 0, 16)
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    image = _image(tmp_path, deep, BitsStored=12, ModalityLUTSequence=turned, **window)
    assert np.abs(255 - image.pixels.astype(int) - deep // 16).max() <= 1


@pytest.mark.parametrize(("bits", "scale"), [(16, 16), (12, 1), (16, 1), (10, 0.25)])
def test_a_voi_table_wins_over_the_window_whatever_bits_it_claims(
    tmp_path: Path, deep: np.ndarray, bits: int, scale: float
):
    table = _lut((np.arange(4096) * scale).astype(np.uint16), 0, bits)
    window = {"WindowCenter": 10, "WindowWidth": 5}
    image = _image(tmp_path, deep, BitsStored=12, VOILUTSequence=table, **window)
    assert np.abs(image.pixels.astype(int) - deep // 16).max() <= 1


def test_a_table_s_first_entry_is_of_the_value_its_descriptor_names(
    tmp_path: Path, deep: np.ndarray
):
    table = _lut(np.arange(0, 4096, 2, dtype=np.uint16), 1024, 12)
    image = _image(tmp_path, deep, BitsStored=12, VOILUTSequence=table)
    expected = np.clip(deep.astype(float) - 1024, 0, 2047) / 2047 * 255
    assert np.abs(image.pixels - expected).max() <= 1


def test_a_table_of_8_bit_entries_in_words_is_unpacked(tmp_path: Path, deep: np.ndarray):
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 8]
    item.LUTData = (np.arange(4096) // 16).astype(np.uint8).tobytes()
    item["LUTData"].VR = "OW"
    image = _image(tmp_path, deep, BitsStored=12, VOILUTSequence=[item])
    assert np.array_equal(image.pixels, deep // 16)


def test_without_a_window_the_contrast_is_that_of_the_image_inside_its_borders(
    tmp_path: Path, grey: np.ndarray
):
    stored = grey.astype(np.uint16) * 8 + 900
    bare = _image(tmp_path, stored, BitsStored=14)
    assert bare.flags == ("no-window",)
    assert bare.pixels.std() > 30
    noise = np.random.default_rng(0).integers(0, 40, (stored.shape[0] + 300, stored.shape[1] + 200))
    collimated = (16000 + noise).astype(np.uint16)
    collimated[100:-200, 80:-120] = stored
    inside = _image(tmp_path, collimated, BitsStored=14).pixels[100:-200, 80:-120]
    assert np.abs(inside.astype(int) - bare.pixels).max() <= 8


def test_a_window_that_shows_nothing_is_replaced_and_flagged(tmp_path: Path, deep: np.ndarray):
    image = _image(tmp_path, deep, BitsStored=12, WindowCenter=60000, WindowWidth=10)
    assert set(image.flags) == {"no-window", "bad-window"}
    assert image.pixels.std() > 30


@pytest.mark.parametrize(("center", "width"), [(2048, 0), (2048, -5)])
def test_an_impossible_window_is_as_good_as_none(
    tmp_path: Path, deep: np.ndarray, center: int, width: int
):
    image = _image(tmp_path, deep, BitsStored=12, WindowCenter=center, WindowWidth=width)
    assert image.flags == ("no-window",)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_outside_the_contrast(
    tmp_path: Path, grey: np.ndarray, photometric: str
):
    stored = grey.astype(np.uint16) * 8 + 100
    plain = _image(tmp_path, stored, BitsStored=12, PhotometricInterpretation=photometric)
    padded = stored.copy()
    padded[:, :60] = 4095
    padded[:, 60:80] = 4000
    header = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000}
    image = _image(tmp_path, padded, BitsStored=12, PhotometricInterpretation=photometric, **header)
    assert "padding" in image.flags
    assert (image.pixels[:, :80] == 0).all()
    assert np.abs(image.pixels[:, 80:].astype(int) - plain.pixels[:, 80:]).max() <= 12


def test_a_image_of_nothing_but_padding_is_refused(tmp_path: Path):
    stored = np.full((80, 80), 7, dtype=np.uint16)
    with pytest.raises(Refusal, match="all of it is padding"):
        _image(tmp_path, stored, BitsStored=12, PixelPaddingValue=7)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_polarity_is_applied_once(
    tmp_path: Path, grey: np.ndarray, photometric: str, shape: str, inverse: bool
):
    header = {"PhotometricInterpretation": photometric, "PresentationLUTShape": shape}
    image = _image(tmp_path, grey, **header)
    assert np.array_equal(image.pixels, 255 - grey if inverse else grey)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_image_in_colour_is_the_grey_image(tmp_path: Path, grey: np.ndarray, dtype: type):
    depth = 257 if dtype is np.uint16 else 1
    image = _image(tmp_path, np.repeat(grey[..., None], 3, axis=2).astype(dtype) * dtype(depth))
    assert image.flags == ("colour",)
    assert np.abs(image.pixels.astype(int) - grey).max() <= 1


def test_a_palette_is_looked_up(tmp_path: Path, grey: np.ndarray):
    header = {"PhotometricInterpretation": "PALETTE COLOR", "Modality": "OT"}
    for colour in ("Red", "Green", "Blue"):
        header[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        table = ((255 - np.arange(256)) * 257).astype("<u2").tobytes()
        header[f"{colour}PaletteColorLookupTableData"] = table
    image = _image(tmp_path, grey, **header)
    assert np.abs(image.pixels.astype(int) - (255 - grey)).max() <= 1


def test_several_frames_are_refused_with_their_number(tmp_path: Path, grey: np.ndarray):
    with pytest.raises(Refusal, match="holds 4 frames; export the image"):
        _image(tmp_path, grey, NumberOfFrames=4, PixelData=grey.tobytes() * 4)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("kept", ["preamble gone", "meta header gone too"])
def test_files_without_preamble_or_meta_header_are_read(
    tmp_path: Path, grey: np.ndarray, syntax: Any, kept: str
):
    path = write_dicom(tmp_path / "image.dcm", grey, syntax)
    content = path.read_bytes()
    meta_length = int.from_bytes(content[140:144], "little")
    path.write_bytes(content[132:] if kept == "preamble gone" else content[144 + meta_length :])
    assert np.array_equal(read_image(path).pixels, grey)


@pytest.mark.parametrize(
    ("name", "most"), [("lossless.dcm", 1), ("lossless_rpcl.dcm", 1), ("lossy.dcm", 4)]
)
def test_high_throughput_jpeg_2000_is_read(name: str, most: int):
    wanted = np.asarray(Image.open(HTJ2K / "image.png")) / 4095 * 255
    assert np.abs(read_image(HTJ2K / name).pixels - wanted).max() <= most


def test_rle_is_read(tmp_path: Path, deep: np.ndarray):
    import pydicom

    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    dataset = pydicom.dcmread(write_dicom(tmp_path / "image.dcm", deep, BitsStored=12, **window))
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "rle.dcm")
    image = read_image(tmp_path / "rle.dcm")
    assert image.transfer_syntax == "RLE Lossless"
    assert np.array_equal(image.pixels, read_image(tmp_path / "image.dcm").pixels)


def test_a_spacing_of_nothing_is_none(tmp_path: Path, grey: np.ndarray):
    spacing = {"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.3]}
    found = _image(tmp_path, grey, **spacing).spacing
    assert found == Spacing(pytest.approx(0.2), pytest.approx(0.3), "ImagerPixelSpacing")
    assert _image(tmp_path, grey, PixelSpacing=[0, 0]).spacing is None
    assert _image(tmp_path, grey).sides == ("", "")
    assert _image(tmp_path, grey, PatientOrientation=["L", "F"]).sides == ("R", "L")
    assert _image(tmp_path, grey, PatientOrientation=["R", "F"]).sides == ("L", "R")
