"""Originals at full depth: every window by name, values under the cursor, the stored shades alike."""

from pathlib import Path

import numpy as np
import pytest
from dicom_files import demo_image, write_dicom
from PIL import Image
from pydicom.dataset import Dataset

from amae_engine.images.decode import read_full_depth, read_image


@pytest.fixture
def deep() -> np.ndarray:
    """A real image spread over 12 bits."""
    return (demo_image().astype(np.uint16) * 16 + 5).clip(0, 4095)


def test_every_value_of_a_12_bit_file_is_there(tmp_path: Path, deep: np.ndarray):
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    path = write_dicom(tmp_path / "image.dcm", deep, BitsStored=12, **window)
    image, grey = read_full_depth(path)
    assert np.array_equal(grey.values[grey.codes], deep)
    assert np.array_equal(grey.picture(), read_image(path).pixels)
    assert np.array_equal(image.pixels, read_image(path).pixels)
    assert [w.name for w in grey.windows] == ["window 1", "robust percentiles", "all values"]


def test_windows_have_the_files_usual_names_and_no_free_text(tmp_path: Path, deep: np.ndarray):
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.LUTData = np.arange(4096)[::-1].astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    table.LUTExplanation = "LUNG harder"
    path = write_dicom(
        tmp_path / "image.dcm",
        deep,
        BitsStored=12,
        VOILUTSequence=[table],
        WindowCenter=[2000, 1000],
        WindowWidth=[3000, 500],
        WindowCenterWidthExplanation=["NORMAL", "MUELLER^HANS"],
    )
    _, grey = read_full_depth(path)
    names = [window.name for window in grey.windows]
    assert names[:3] == ["look-up table 1: lung, harder", "window 1: normal", "window 2"]
    assert not any("mueller" in name.lower() for name in names)
    shades = grey.windows[2].shades
    assert shades[np.searchsorted(grey.values, 999.5 - 250)] == pytest.approx(0, abs=0.005)
    assert shades[-1] > 1  # values beyond the window keep their distance


def test_an_inverse_image_is_shown_bone_bright(tmp_path: Path, deep: np.ndarray):
    path = write_dicom(
        tmp_path / "image.dcm", deep, BitsStored=12, PhotometricInterpretation="MONOCHROME1"
    )
    _, grey = read_full_depth(path)
    assert grey.is_inverse
    assert np.array_equal(grey.picture(), read_image(path).pixels)
    assert np.corrcoef(grey.picture().ravel(), deep.ravel())[0, 1] < -0.9


@pytest.mark.parametrize("bits", [8, 16])
def test_pictures_keep_their_depth(tmp_path: Path, bits: int):
    values = demo_image() if bits == 8 else demo_image().astype(np.uint16) * 200 + 1000
    path = tmp_path / "image.png"
    Image.fromarray(values).save(path)
    _, grey = read_full_depth(path)
    assert np.array_equal(grey.values[grey.codes], values)
    assert np.abs(grey.picture().astype(int) - read_image(path).pixels).max() == 0


def test_a_colour_image_is_grey(tmp_path: Path):
    path = tmp_path / "image.png"
    Image.fromarray(np.stack([demo_image()] * 3, axis=-1)).save(path)
    _, grey = read_full_depth(path)
    assert grey.codes.ndim == 2
    assert np.abs(grey.picture().astype(int) - demo_image()).max() <= 1
