"""Modules over tokens: whitened axes, Eq. 3 and 4 with tokens for pixels, finer maps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from amae_engine.config import Precision, Stage2Config, TrainingConfig
from amae_engine.events import EpochEnd
from amae_engine.method.discrepancy import compare_modules, compare_patches
from amae_engine.method.masking import random_masks
from amae_engine.method.reconstruction import masked_loss, masked_patch_loss
from amae_engine.method.stage2 import Module
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.token_maps import (
    at_half_places,
    half_patch_views,
    overlapped,
    place_weights,
    smooth_map,
)
from amae_engine.method.token_modules import TokenBasis, adapt_token_module, token_network


def _tokens(count: int, seed: int) -> np.ndarray:
    """Correlated tokens (n, 16, 24) of unequal variance."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(24, 24)) * np.linspace(0.1, 5, 24)
    place = np.random.default_rng(1).normal(size=(16, 24))
    return (place + random.normal(size=(count, 16, 24)) @ mixing + 7).astype(np.float16)


def test_the_basis_makes_the_largest_axes_equally_large(tmp_path: Path):
    basis = TokenBasis.fit(_tokens(200, 0))
    assert basis.axes.shape == (24, 16)  # the largest square of numbers that 24 hold
    seen = basis.project(_tokens(200, 0)).astype(np.float64).reshape(-1, 16)
    assert seen.mean(axis=0) == pytest.approx(np.zeros(16), abs=0.01)
    assert np.cov(seen.T) == pytest.approx(np.eye(16), abs=0.02)
    basis.save(tmp_path / "basis.npz")
    again = TokenBasis.load(tmp_path / "basis.npz")
    assert (again.axes == basis.axes).all()


def test_the_loss_and_the_maps_of_tokens_are_those_of_pixels_in_their_place():
    a, b = token_network(4, 16, 0).eval(), token_network(4, 16, 1).eval()
    patches = torch.randn(3, 16, 16)
    images = a.unpatchify(patches)
    masks = random_masks(3, 1, 16, 0.75, torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = masked_patch_loss(a, patches, masks)
        assert loss.item() == pytest.approx(masked_loss(a, images, masks).item())
    shared = random_masks(1, 4, 16, 0.75, torch.Generator().manual_seed(0))
    by_token = compare_patches(a, b, patches, shared, Precision.FLOAT32)
    by_pixel = compare_modules(a, b, images, shared, Precision.FLOAT32)
    cells = by_token.discrepancy.mean(dim=2)
    assert torch.allclose(cells.mean(dim=1), by_pixel.discrepancy.mean(dim=(1, 2)), atol=1e-6)


def test_both_modules_start_alike_and_learn(tmp_path: Path):
    one, other = token_network(4, 16, 3), token_network(4, 16, 3)
    assert all((p == q).all() for p, q in zip(one.parameters(), other.parameters(), strict=True))
    basis = TokenBasis.fit(_tokens(64, 0))
    stored = StoredImages.of(torch.from_numpy(basis.project(_tokens(64, 0))))
    training = TrainingConfig(epochs=8, warmup_epochs=1, batch_size=16, learning_rate=2e-3)
    config = Stage2Config(training=training, masks_per_image=1)
    job = adapt_token_module(one, stored, Module("A", config, 1, tmp_path / "c.pt"))
    losses = [event.train_loss for event in job if isinstance(event, EpochEnd)]
    assert len(losses) == 8
    assert losses[-1] < 0.9 * losses[0]


def test_four_shifted_views_weave_into_a_grid_twice_as_fine():
    # a picture whose patches' means grow to the right and downwards
    ramp = torch.arange(32.0)
    images = (ramp[None, :] + 10 * ramp[:, None])[None, None]  # (1, 1, 32, 32), patches of 8
    views = half_patch_views(images, 8)
    assert (views[:, 0] == images).all()
    assert (views[0, 1, 0, :, :-4] == images[0, 0, :, 4:]).all()
    assert (views[0, 2, 0, :-4] == images[0, 0, 4:]).all()
    means = torch.nn.functional.avg_pool2d(views[0], 8)[:, 0]  # (4, 4, 4)
    fine = overlapped(means[None])[0]
    wanted = torch.nn.functional.avg_pool2d(images, 4)[0, 0]  # the quarters' own means
    assert fine.shape == (8, 8)
    # inside, where no edge is repeated, a linear picture gives each quarter's own mean
    assert torch.allclose(fine[1:-1, 1:-1], wanted[1:-1, 1:-1], atol=1e-4)
    inner = at_half_places(means[0])[:, :-1, :-1]
    assert torch.allclose(inner, means[:, :-1, :-1], atol=1e-4)


def test_a_place_counts_by_how_much_unlabeled_images_differ_there():
    normal, unlabeled = torch.zeros(6, 6), torch.zeros(6, 6)
    unlabeled[2, 2] = 1
    unlabeled[5, 5] = -1
    weights = place_weights(normal, unlabeled)
    assert weights.argmax() == 2 * 6 + 2
    assert weights.max() == 1
    assert weights.min() == pytest.approx(0.1)
    assert (place_weights(normal, normal) == 1).all()  # nothing known: every place counts alike


def test_smoothing_keeps_a_constant_and_the_peak_s_place():
    assert torch.allclose(smooth_map(torch.full((1, 8, 8), 3.0), 64, 4), torch.full((64, 64), 3.0))
    peak = torch.zeros(1, 8, 8)
    peak[0, 2, 5] = 1
    drawn = smooth_map(peak, 64, 4)[0]
    row, column = divmod(int(drawn.argmax()), 64)
    assert abs(row - 20) <= 1
    assert abs(column - 44) <= 1
