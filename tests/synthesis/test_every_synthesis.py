"""CutPaste, FPI, PII, NSA and DRAEM's textures: sizes, places and labels by their definitions."""

import math

import numpy as np
import pytest
import torch
from demo_images import stored_images
from scipy import ndimage
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from amae_engine.config import Synthesis
from amae_engine.synthesis import cutpaste, interpolation, nsa
from amae_engine.synthesis.lung_mask import standard_lungs
from amae_engine.synthesis.perlin_texture import perlin_noise
from amae_engine.synthesis.poisson import blend, gradient, stronger
from amae_engine.synthesis.synthesis import synthesise


@pytest.fixture(scope="module")
def stored() -> torch.Tensor:
    return torch.from_numpy(stored_images(16)).float() / 255


def _lungs(stored: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(standard_lungs(stored.shape[-1])).expand(len(stored), -1, -1)


def _boxes(masks: torch.Tensor) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of each mask."""
    found = [ndimage.find_objects(mask.numpy().astype(int))[0] for mask in masks]
    return [(r.start, c.start, r.stop - r.start, c.stop - c.start) for r, c in found]


@pytest.mark.parametrize("kind", list(Synthesis))
def test_every_synthesis_changes_labelled_pixels_only(kind: Synthesis, stored: torch.Tensor):
    made = synthesise(kind, stored, _lungs(stored), torch.Generator().manual_seed(3))
    assert made.images.shape == made.labels.shape == stored.shape
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    assert ((made.labels >= 0) & (made.labels <= 1)).all()
    change = (made.images - stored).abs()
    assert (change.amax(dim=(1, 2)) > 0).float().mean() > 0.8
    # what no label names is less than three grey values: grain that NSA's median removes
    assert (change[made.labels == 0] < 0.02).float().mean() > 0.99


@pytest.mark.parametrize("kind", list(Synthesis))
def test_every_synthesis_repeats_by_its_seed(kind: Synthesis, stored: torch.Tensor):
    small = stored[:4, ::4, ::4].contiguous()
    one, two, other = (
        synthesise(kind, small, _lungs(small), torch.Generator().manual_seed(seed)).images
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_one_image_alone_can_be_made_anomalous(stored: torch.Tensor):
    made = synthesise(Synthesis.FPI, stored[:1], None, torch.Generator().manual_seed(0))
    assert (made.images - stored[:1]).abs().max() > 0


def test_anatpaste_needs_lungs(stored: torch.Tensor):
    with pytest.raises(ValueError, match="give their masks"):
        synthesise(Synthesis.ANATPASTE, stored, None, torch.Generator())


def test_cutpaste_s_patches_have_the_paper_s_area_and_aspect():
    blank = torch.zeros(1500, 128, 128)
    _, masks = cutpaste.cutpaste(blank, torch.Generator().manual_seed(0))
    boxes = np.array(_boxes(masks))
    area, aspect = boxes[:, 2] * boxes[:, 3] / 128**2, boxes[:, 3] / boxes[:, 2]
    assert np.array_equal(masks.sum(dim=(1, 2)).numpy(), boxes[:, 2] * boxes[:, 3])
    assert 0.018 < area.min() < 0.03
    assert 0.13 < area.max() < 0.156
    assert area.mean() == pytest.approx(0.085, rel=0.05)
    assert 0.27 < aspect.min() < 0.4
    assert 2.5 < aspect.max() < 3.6
    assert np.log(aspect).mean() == pytest.approx(0, abs=0.06)
    assert boxes[:, :2].min() == 0  # every place of the image is reached


def test_scars_are_thin_and_turned_by_up_to_45_degrees():
    _, masks = cutpaste.cutpaste_scar(torch.zeros(400, 256, 256), torch.Generator().manual_seed(0))
    area = masks.sum(dim=(1, 2)).numpy()
    assert area.min() >= 2 * 10 * 0.6
    assert area.max() <= 16 * 25 * 1.1
    assert area.mean() == pytest.approx(9 * 17.5, rel=0.12)
    longest = math.hypot(16, 25)
    assert all(max(h, w) <= longest + 2 for _, _, h, w in _boxes(masks))


def test_a_pasted_patch_is_the_image_s_own(stored: torch.Tensor):
    made, masks = cutpaste.cutpaste(stored, torch.Generator().manual_seed(2))
    (top, left, height, width), stored = _boxes(masks[:1])[0], stored[0].numpy()
    patch = made[0, top : top + height, left : left + width].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(stored, patch.shape)
    corner = windows[:, :, :: height // 4, :: width // 4]
    wanted = patch[:: height // 4, :: width // 4]
    best = _best_fit(corner, wanted)
    assert best > 0.98


def _best_fit(windows: np.ndarray, wanted: np.ndarray) -> float:
    """The best correlation of a patch with a window: jitter is affine in grey value."""
    flat = windows.reshape(*windows.shape[:2], -1)
    flat = flat - flat.mean(axis=2, keepdims=True)
    target = wanted.ravel() - wanted.mean()
    norms = np.linalg.norm(flat, axis=2) * np.linalg.norm(target)
    return float((flat @ target / np.maximum(norms, 1e-9)).max())


def test_fpi_mixes_a_square_with_its_label_alpha(stored: torch.Tensor):
    others = stored.roll(1, 0)
    made, labels = interpolation.fpi(stored, others, torch.Generator().manual_seed(1))
    assert torch.allclose(made, stored + labels * (others - stored))
    for label in labels:
        values = label[label > 0].unique()
        assert len(values) == 1
        assert 0.05 <= values.item() <= 0.95


def test_fpi_s_squares_have_the_paper_s_size_and_place():
    blank = torch.zeros(1000, 200, 200)
    others = torch.ones_like(blank)
    _, labels = interpolation.fpi(blank, others, torch.Generator().manual_seed(0))
    boxes = np.array(_boxes(labels > 0))
    whole = (boxes[:, :2] > 1).all(axis=1) & ((boxes[:, :2] + boxes[:, 2:]) < 199).all(axis=1)
    assert np.array_equal(boxes[whole, 2], boxes[whole, 3])
    assert boxes[whole, 2].min() >= 2 * 0.05 * 200
    assert boxes[whole, 2].max() <= 2 * 0.20 * 200
    centre = (boxes[whole, :2] + boxes[whole, 2:] / 2) / 200
    assert centre.min() >= 0.1
    assert centre.max() <= 0.9


def test_poisson_blending_agrees_with_a_sparse_solver(stored: torch.Tensor):
    small = stored[:3, ::8, ::8].contiguous()  # (3, 32, 32)
    guide = stronger(gradient(small.roll(1, 0)), gradient(small))
    corner, size = (
        torch.tensor([[1, 1], [5, 9], [12, 3]]),
        torch.tensor([[30, 30], [7, 11], [4, 9]]),
    )
    blended = blend(small, guide, corner, size)
    for number in range(3):
        (top, left), (rows, columns) = corner[number].tolist(), size[number].tolist()
        expected = _sparse_blend(
            small[number].double().numpy(),
            [part[number].double().numpy() for part in guide],
            (top, left, rows, columns),
        )
        assert np.abs(blended[number].numpy() - expected).max() < 1e-4


def _sparse_blend(image: np.ndarray, guide: list[np.ndarray], box: tuple) -> np.ndarray:
    top, left, rows, columns = box
    places = [(r, c) for r in range(top, top + rows) for c in range(left, left + columns)]
    number = {place: i for i, place in enumerate(places)}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros(len(places))
    for (r, c), i in number.items():
        matrix[i, i] = 4
        right[i] = guide[0][r - 1, c] - guide[0][r, c] + guide[1][r, c - 1] - guide[1][r, c]
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if near in number:
                matrix[i, number[near]] = -1
            else:
                right[i] += image[near]
    result = image.copy()
    solved = spsolve(matrix.tocsr(), right)
    for (r, c), i in number.items():
        result[r, c] = solved[i]
    return result


def test_pii_leaves_no_seam_where_fpi_does(stored: torch.Tensor):
    others = stored.roll(3, 0)
    edges = {}
    for name, method in (("fpi", interpolation.fpi), ("pii", interpolation.pii)):
        made, labels = method(stored, others, torch.Generator().manual_seed(7))
        inside = labels > 0
        border = inside & ~torch.from_numpy(
            np.stack([ndimage.binary_erosion(mask.numpy()) for mask in inside])
        )
        edges[name] = float((made - stored).abs()[border].mean())
    assert edges["pii"] < 0.6 * edges["fpi"]


def test_nsa_s_label_is_logistic_in_the_change_of_grey_value():
    change = torch.zeros(1, 256, 256)
    change[:, 60:120, 60:120] = 4 / 255  # x0: one half
    change[:, 140:200, 140:200] = 10 / 255
    change[:, 5, 5] = 1.0  # grain that the median removes
    label = nsa.logistic_label(change)[0]
    assert label[90, 90].item() == pytest.approx(0.5, abs=1 / 16)
    assert label[170, 170].item() == pytest.approx(1 / (1 + math.exp(-0.5 * 6)), abs=1 / 16)
    assert label[5, 5] == 0
    assert label[30, 30] == 0


def test_nsa_s_patches_lie_on_the_body_and_have_the_paper_s_size(stored: torch.Tensor):
    shapes = nsa._half_widths(4000, torch.Generator().manual_seed(0)).numpy()
    assert shapes.min() >= 0.05
    assert shapes.max() <= 0.4
    assert shapes.mean() == pytest.approx(0.05 + 2 * 0.03, rel=0.05)
    dark = stored.clone()
    dark[:, :, :128] = 0  # no body on the left
    made = synthesise(Synthesis.NSA, dark, None, torch.Generator().manual_seed(0))
    left = (made.labels[:, :, :100] > 0).float().mean()
    right = (made.labels[:, :, 128:] > 0).float().mean()
    assert left < 0.1 * right


def test_images_without_any_body_stay_as_they_are():
    black = torch.zeros(3, 64, 64)
    made = synthesise(Synthesis.NSA, black, None, torch.Generator().manual_seed(0))
    assert torch.equal(made.images, black)
    assert (made.labels == 0).all()


def test_perlin_noise_is_centred_and_smooth():
    noise = perlin_noise(64, 64, torch.Generator().manual_seed(0))
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert noise.abs().max() < 1.5
    share = (noise > 0.5).float().mean()
    assert 0.02 < share < 0.25
