"""Lung masks against AnatPaste's own, and AnatPaste's definitions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import DEMO
from PIL import Image

from amae_engine.synthesis import lung_mask
from amae_engine.synthesis.anatpaste import AREA, OPACITY, anatpaste, draw_pastes, paste_mask
from amae_engine.synthesis.lung_mask import (
    LungStep,
    lungs_alone,
    segment_lungs,
    standard_lungs,
    together,
)


def _images(count: int, side: int = 256) -> np.ndarray:
    paths = sorted((DEMO / "images").glob("normal_*.jpeg"))[:count]
    return np.stack([np.asarray(Image.open(p).convert("L").resize((side, side))) for p in paths])


def test_lung_masks_agree_with_the_original_code(shared: Path):
    with np.load(shared / "reference" / "anatpaste_lungs.npz") as stored:
        files, masks = stored["files"], np.unpackbits(stored["masks"], axis=-1).astype(bool)
    scores = []
    for file, mask in zip(files, masks, strict=True):
        path = shared / "data" / "rsna" / str(file)
        found = segment_lungs(np.asarray(Image.open(path).convert("L")))
        total = found.sum() + mask.sum()
        scores.append(1.0 if total == 0 else 2 * (found & mask).sum() / total)
    assert np.mean(scores) >= 0.95


def _masks(found):
    return np.unpackbits(found.packed, axis=-1).astype(bool)


def test_no_image_is_left_without_lungs():
    stored = _images(10)
    stored[3] = 128  # an image without any structure
    found = together([lungs_alone(stored[:4]), lungs_alone(stored[4:])], stored.shape[-1])
    assert (_masks(found).mean(axis=(1, 2)) > 0.03).all()
    assert found.steps[3] == LungStep.MEAN_OF_OTHERS
    assert found.count(LungStep.SEGMENTED) + found.count(LungStep.SOFTER) == 9


def test_the_mean_lung_is_that_of_all_images_in_pieces_or_at_once(monkeypatch):
    stored = _images(10)
    stored[3] = 128
    whole = together([lungs_alone(stored)], stored.shape[-1])
    monkeypatch.setattr(lung_mask, "_AT_ONCE", 4)
    found = together([lungs_alone(stored[i : i + 1]) for i in range(10)], stored.shape[-1])
    assert np.array_equal(found.packed, whole.packed)
    assert np.array_equal(found.steps, whole.steps)


def test_standard_lungs_serve_when_no_image_could_be_segmented():
    found = together([lungs_alone(np.full((2, 64, 64), 128, dtype=np.uint8))], 64)
    assert (found.steps == LungStep.STANDARD).all()
    assert np.array_equal(_masks(found)[0], standard_lungs(64))


@pytest.fixture(scope="module")
def pasted():
    images = torch.from_numpy(_images(16, 128).copy()).float() / 255
    lungs = torch.from_numpy(standard_lungs(128)).expand(16, -1, -1)
    result, mask, draw = anatpaste(images, lungs, torch.Generator().manual_seed(0))
    return images, lungs, result, mask, draw


def test_pastes_change_lung_pixels_only(pasted):
    images, lungs, result, mask, _ = pasted
    assert torch.equal(result[~lungs], images[~lungs])
    assert (mask[~lungs] == 0).all()
    assert ((result - images).abs().amax(dim=(1, 2)) > 0).all()
    assert result.min() >= 0
    assert result.max() <= 1


def test_equation_1_holds_where_the_mask_is_zero(pasted):
    images, _, result, mask, _ = pasted
    untouched = mask == 0
    assert torch.equal(result[untouched], images[untouched])


def test_patch_sizes_opacity_and_place_follow_the_definition():
    lungs = torch.from_numpy(standard_lungs(256)).expand(2000, -1, -1)
    draw = draw_pastes(lungs, torch.Generator().manual_seed(1))
    area = draw.width * draw.height / 256**2
    # a patch wider than the image is cut to it, so that the smallest areas only grow rarer
    assert area.min() >= AREA[0] * 0.8
    assert area.max() <= AREA[1] * 1.05
    assert float(area.mean()) == pytest.approx(sum(AREA) / 2, rel=0.05)
    assert (draw.opacity >= OPACITY[0]).all()
    assert (draw.opacity <= OPACITY[1]).all()
    assert lungs[torch.arange(2000), draw.to_row, draw.to_column].all()
    assert float(draw.is_ellipse.float().mean()) == pytest.approx(0.5, abs=0.05)
    assert (draw.from_left + draw.width <= 256).all()


def test_same_seed_gives_the_same_anomalies():
    lungs = torch.from_numpy(standard_lungs(64)).expand(4, -1, -1)
    one = draw_pastes(lungs, torch.Generator().manual_seed(5))
    two = draw_pastes(lungs, torch.Generator().manual_seed(5))
    assert torch.equal(paste_mask(64, one), paste_mask(64, two))
