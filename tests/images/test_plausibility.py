"""What a quick look at an image flags, and how rarely it is wrong on real chests."""

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
from demo_images import DEMO
from dicom_files import as_chest, write_dicom
from PIL import Image, ImageDraw, ImageFont

from amae_engine.images import plausibility
from amae_engine.images.decode import read_for_store
from amae_engine.images.pixel_store import SIDE
from amae_engine.images.plausibility import (
    INVERTED,
    NEAR_EMPTY,
    NOT_FRONTAL_CHEST,
    TEXT,
    TURNED,
    likeness,
    look_at,
)
from amae_engine.resources import required_resource


def _grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def demo() -> np.ndarray:
    return np.stack([_grey(path) for path in sorted((DEMO / "images").glob("*.jpeg"))])


@pytest.fixture(scope="module")
def adults(shared: Path) -> np.ndarray:
    """All 900 adult chests of the development set."""
    folder = shared / "data" / "rsna"
    with (folder / "manifest.csv").open(newline="") as file:
        return np.stack([_grey(folder / line["file"]) for line in csv.DictReader(file)])


@pytest.fixture(scope="module")
def children(shared: Path) -> np.ndarray:
    """Every eighth child's chest of the development set, 691 images."""
    folder = shared / "data" / "zhanglab"
    with (folder / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))[::8]
    return np.stack([_grey(folder / line["file"]) for line in lines])


def _share(images: np.ndarray, *flags: str) -> float:
    """The share of images with at least one of `flags`."""
    return float(np.mean([bool({*flags} & {*look_at(image)}) for image in images]))


def test_the_template_is_the_mean_of_the_demo_images(demo: np.ndarray):
    kept = np.asarray(Image.open(required_resource("plausibility/mean_chest.png")))
    mean = np.mean([plausibility._ranks(plausibility._grid(image)) for image in demo], axis=0)
    assert np.abs(np.rint(mean * 255).astype(int) - kept).max() <= 1


def test_real_chests_are_rarely_flagged(demo: np.ndarray, adults: np.ndarray, children: np.ndarray):
    doubts = (NOT_FRONTAL_CHEST, INVERTED, TURNED, NEAR_EMPTY)
    assert _share(demo, *doubts, TEXT) == 0
    assert _share(adults, *doubts) <= 0.01
    assert _share(adults, TEXT) <= 0.01
    assert _share(children, *doubts, TEXT) <= 0.005


def test_inverted_chests_are_flagged(adults: np.ndarray, children: np.ndarray):
    assert _share(255 - adults, INVERTED) >= 0.98
    assert _share(255 - children, INVERTED) >= 0.98


def test_chests_on_their_side_or_head_are_flagged(adults: np.ndarray, children: np.ndarray):
    for images in (adults[::3], children[::3]):
        for quarter in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(images, quarter, axes=(1, 2)))
            assert _share(turned, TURNED, NOT_FRONTAL_CHEST, INVERTED) >= 0.92


def test_a_window_or_gamma_changes_no_likeness(demo: np.ndarray):
    image = demo[0]
    darker = (255 * (image / 255.0) ** 1.4).astype(np.uint8)
    assert likeness(darker)[0] == pytest.approx(likeness(image)[0], abs=0.02)


def test_lines_of_text_are_flagged(demo: np.ndarray):
    found = []
    for image in demo[:40]:
        picture = Image.fromarray(image).resize((1024, 1024), Image.Resampling.BICUBIC)
        ImageDraw.Draw(picture).text(
            (40, 30), "DOE JOHN 1961-02-03", fill=255, font=ImageFont.load_default(36)
        )
        small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        found.append(TEXT in look_at(np.asarray(small)))
    assert np.mean(found) >= 0.9


def test_an_almost_empty_image_is_flagged(demo: np.ndarray):
    image = np.full((SIDE, SIDE), 40, dtype=np.uint8)
    image[:64, :64] = demo[0][:64, :64]
    assert look_at(image) == (NEAR_EMPTY,)


@pytest.mark.parametrize("name", ["camera", "coins", "brick", "text", "page", "moon"])
def test_other_pictures_are_no_chests(name: str):
    from skimage import data

    picture = Image.fromarray(getattr(data, name)())
    assert NOT_FRONTAL_CHEST in look_at(np.asarray(picture.resize((SIDE, SIDE))))


def test_a_dog_and_a_leg_that_claim_to_be_chests_are_flagged(shared: Path, tmp_path: Path):
    more = shared / "data" / "dicom" / "more"
    dog = read_for_store(more / "other_dog_thorax_mono1.dcm", SIDE)
    leg = as_chest(shared / "data" / "dicom" / "RG3_J2KI.dcm", tmp_path / "leg.dcm")
    assert NOT_FRONTAL_CHEST in dog.image.flags
    assert NOT_FRONTAL_CHEST in read_for_store(leg, SIDE).image.flags


def test_a_chest_whose_header_inverts_it_is_flagged(shared: Path):
    more = shared / "data" / "dicom" / "more"
    assert INVERTED in read_for_store(more / "chest_rsna_flagged_mono1.dcm", SIDE).image.flags


def test_every_real_chest_of_the_dicom_samples_has_no_doubt(shared: Path):
    folder = shared / "data" / "dicom"
    chests = [
        folder / "RG1_J2KI.dcm",
        folder / "nih_cxr.dcm",
        *sorted((folder / "more").glob("chest_[rdn]*_[01nidr]*.dcm")),
    ]
    chests = [path for path in chests if "flagged" not in path.name]
    flagged = {path.name: read_for_store(path, SIDE).image.flags for path in chests}
    doubts = {NOT_FRONTAL_CHEST, INVERTED, TURNED, NEAR_EMPTY, TEXT}
    assert len(flagged) >= 12
    assert {name: flags for name, flags in flagged.items() if doubts & {*flags}} == {}


def test_a_header_that_admits_text_is_believed(tmp_path: Path, demo: np.ndarray):
    path = write_dicom(tmp_path / "image.dcm", demo[0], BurnedInAnnotation="YES")
    assert "burnt-in-text" in read_for_store(path, SIDE).image.flags
    assert pydicom.dcmread(path).BurnedInAnnotation == "YES"
