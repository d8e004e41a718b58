"""Masks, crops, losses, schedule, pseudo-labels and scores."""

import math

import numpy as np
import pytest
import torch
from demo_images import TINY
from torch.nn import functional

from amae_engine.config import (
    KeepRule,
    MaskPlan,
    Precision,
    PseudoLabelConfig,
    TrainingConfig,
)
from amae_engine.evaluation.delong import auc_interval
from amae_engine.method.discrepancy import compare_modules, reconstructions
from amae_engine.method.features import normal_density, normal_folds, unseen_distances
from amae_engine.method.image_batches import crop_and_resize, to_grey, whole_box
from amae_engine.method.masking import masks_from_noise, random_masks, scoring_masks
from amae_engine.method.pseudo_labels import (
    PseudoLabel,
    assign,
    density_log_odds,
    fit_mixture,
    log_odds_of,
    probability_of,
)
from amae_engine.method.reconstruction import masked_loss
from amae_engine.method.training_loop import learning_rate_at
from amae_engine.method.validation_split import validation_split
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

NONE = np.full(10, PseudoLabel.UNUSED, dtype=np.int8)


def test_a_quarter_of_the_patches_stays_visible():
    masks = random_masks(3, 2, 196, 0.75, torch.Generator().manual_seed(0))
    assert masks.kept.shape == (6, 49)
    both = torch.cat((masks.kept, masks.removed), dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(196).expand(6, -1))


def test_complementary_masks_show_every_patch_once():
    random = torch.Generator().manual_seed(0)
    masks = scoring_masks(4, 64, 0.75, MaskPlan.COMPLEMENTARY, random)
    assert torch.equal(masks.kept.flatten().sort().values, torch.arange(64))


def test_complementary_masks_beyond_one_round_keep_distinct_patches():
    masks = scoring_masks(6, 64, 0.75, MaskPlan.COMPLEMENTARY, torch.Generator().manual_seed(0))
    assert all(len(set(row.tolist())) == 16 for row in masks.kept)


def test_whole_image_resize_agrees_with_an_independent_one():
    stored = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    ours = to_grey(crop_and_resize(stored, whole_box(64, stored.device), 32, None)) * 255
    theirs = functional.interpolate(
        stored[:, None].float(), size=32, mode="bilinear", antialias=True, align_corners=False
    )
    assert torch.allclose(ours, theirs, atol=0.01)


def test_flipping_mirrors_left_and_right():
    stored = torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8)
    box = whole_box(64, stored.device)
    plain = crop_and_resize(stored, box, 32, None)
    flipped = crop_and_resize(stored, box, 32, torch.tensor([True]))
    assert torch.allclose(flipped, plain.flip(3), atol=1e-5)


def test_loss_is_the_mean_of_the_masks_errors_on_removed_patches():
    network = MaskedAutoencoder(TINY).eval()
    images = torch.rand(2, 1, 64, 64)
    masks = masks_from_noise(torch.rand(4, 16), 0.75)  # L = 2
    with torch.no_grad():
        together = masked_loss(network, images, masks)
        one_by_one = []
        for number in range(4):
            patches = network.patchify(images[number // 2 : number // 2 + 1])
            kept = masks.kept[number : number + 1]
            predicted = network.decode(network.encode(patches, kept), kept)
            removed = masks.removed[number]
            one_by_one.append((predicted[0, removed] - patches[0, removed]).square().mean())
    assert together.item() == pytest.approx(torch.stack(one_by_one).mean().item(), rel=1e-5)


def test_schedule_warms_up_linearly_and_ends_at_zero():
    config = TrainingConfig()  # the paper's: 150 epochs, 20 of warm-up, 2.5e-4
    assert learning_rate_at(10, config) == pytest.approx(1.25e-4)
    assert learning_rate_at(20, config) == pytest.approx(2.5e-4)
    assert learning_rate_at(85, config) == pytest.approx(2.5e-4 / 2)
    assert learning_rate_at(150, config) == pytest.approx(0)


def test_score_is_the_distance_of_the_mean_reconstructions():
    a, b = MaskedAutoencoder(TINY).eval(), MaskedAutoencoder(TINY).eval()
    images = torch.rand(2, 1, 64, 64)
    masks = masks_from_noise(torch.rand(4, 16), 0.75)
    maps = compare_modules(a, b, images, masks, Precision.FLOAT32)
    seen = reconstructions(a, a.patchify(images), masks, Precision.FLOAT32)
    mean_a = a.unpatchify(seen.mean(1))[:, 0]
    seen = reconstructions(b, b.patchify(images), masks, Precision.FLOAT32)
    mean_b = b.unpatchify(seen.mean(1))[:, 0]
    assert torch.allclose(maps.mean_a, mean_a, atol=1e-6)
    assert torch.allclose(maps.discrepancy, (mean_a - mean_b).abs(), atol=1e-6)
    ratio = (images[:, 0] - mean_a).square() - (images[:, 0] - mean_b).square()
    assert torch.allclose(maps.likelihood_ratio, ratio, atol=1e-5)
    assert (maps.spread >= 0).all()


def test_masked_only_ignores_predictions_of_visible_patches():
    a = MaskedAutoencoder(TINY).eval()
    images = torch.rand(1, 1, 64, 64)
    masks = scoring_masks(4, 16, 0.75, MaskPlan.COMPLEMENTARY, torch.Generator().manual_seed(0))
    patches = a.patchify(images)
    seen = reconstructions(a, patches, masks, Precision.FLOAT32)  # (1, 4, 16, 256)
    maps = compare_modules(a, a, images, masks, Precision.FLOAT32, masked_only=True)
    removed = torch.ones(4, 16)
    removed.scatter_(1, masks.kept, 0)
    expected = (seen[0] * removed[:, :, None]).sum(0) / 3
    assert torch.allclose(maps.mean_a, a.unpatchify(expected[None])[:, 0], atol=1e-6)


def test_top_half_of_each_predicted_class_is_reliable():
    p = np.array([0.05, 0.1, 0.2, 0.4, 0.45, 0.55, 0.6, 0.7, 0.9, 0.95], dtype=np.float32)
    found = assign(log_odds_of(p), NONE, PseudoLabelConfig(keep_percent=40))
    assert found.labels.tolist() == [0, 0, -1, -1, -1, -1, -1, -1, 1, 1]
    assert probability_of(found.cut_normal) == pytest.approx(0.1)
    assert probability_of(found.cut_abnormal) == pytest.approx(0.9)


def test_rule_over_all_images_is_offered_too():
    p = np.array([0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.42, 0.45, 0.9, 0.95], dtype=np.float32)
    within = assign(log_odds_of(p), NONE, PseudoLabelConfig(keep_percent=50))
    over = assign(log_odds_of(p), NONE, PseudoLabelConfig(keep_percent=50, rule=KeepRule.OVER_ALL))
    assert (within.labels == 1).sum() == 1
    assert (over.labels == 1).sum() == 2
    assert (over.labels == 0).sum() == 5


def test_the_abnormal_class_may_have_its_own_k():
    p = np.array([0.05, 0.1, 0.2, 0.4, 0.45, 0.55, 0.6, 0.7, 0.9, 0.95], dtype=np.float32)
    k = {"keep_percent": 40, "keep_abnormal_percent": 20}
    within = assign(log_odds_of(p), NONE, PseudoLabelConfig(**k))
    assert within.labels.tolist() == [0, 0, -1, -1, -1, -1, -1, -1, -1, 1]
    over = assign(log_odds_of(p), NONE, PseudoLabelConfig(**k, rule=KeepRule.OVER_ALL))
    assert over.labels.tolist() == [0, 0, 0, 0, -1, -1, -1, -1, 1, 1]


def test_a_readers_decision_wins_over_any_confidence():
    p = np.array([0.01, 0.99, 0.5, 0.01, 0.99, 0.3, 0.3, 0.7, 0.7, 0.6], dtype=np.float32)
    decided = NONE.copy()
    decided[0], decided[1], decided[2] = 1, -2, 0
    found = assign(log_odds_of(p), decided, PseudoLabelConfig())
    assert found.labels[:3].tolist() == [1, -2, 0]
    assert found.by_reader.tolist() == [True] * 3 + [False] * 7


def test_one_predicted_class_leaves_the_other_empty():
    found = assign(log_odds_of(np.full(10, 0.2)), NONE, PseudoLabelConfig())
    assert (found.labels == 1).sum() == 0
    assert found.cut_abnormal == np.inf


@pytest.mark.parametrize("keep", [5, 50])
def test_k_is_kept_where_probabilities_run_together(keep: int):
    random = np.random.default_rng(0)
    normal = random.normal(0, 1, 400).astype(np.float32)
    # so far apart that float32 tells no two posteriors of a class apart
    unlabeled = np.concatenate((random.normal(-30, 1, 100), random.normal(60, 1, 100)))
    odds = fit_mixture(normal, unlabeled).log_odds(unlabeled)
    posterior = probability_of(odds).astype(np.float32)
    assert len(np.unique(posterior[100:])) == 1
    found = assign(odds, np.full(200, -1, dtype=np.int8), PseudoLabelConfig(keep_percent=keep))
    assert (found.labels == 1).sum() == keep
    assert (found.labels == 0).sum() == keep
    assert set(np.flatnonzero(found.labels == 1)) == set(100 + np.argsort(-unlabeled[100:])[:keep])


def test_density_log_odds_are_those_of_scikit_learn_s_posterior():
    from sklearn.mixture import GaussianMixture

    random = np.random.default_rng(1)
    normals = random.normal(10, 1, 200).astype(np.float32)
    others = np.concatenate((random.normal(10, 1, 40), random.normal(16, 2, 60))).astype(np.float32)
    both = np.log(np.concatenate((normals, others)))[:, None].astype(np.float64)
    ends = np.percentile(both, [25, 90])[:, None]
    mixture = GaussianMixture(2, covariance_type="tied", means_init=ends, random_state=0).fit(both)
    posterior = mixture.predict_proba(np.log(others.astype(np.float64))[:, None])
    far = posterior[:, int(np.argmax(mixture.means_[:, 0]))]
    assert probability_of(density_log_odds(others, normals)) == pytest.approx(far, abs=1e-9)


def test_density_probability_rises_with_the_distance():
    random = np.random.default_rng(0)
    normals = random.normal(10, 1, 200).astype(np.float32)
    unlabeled = np.concatenate((random.normal(10, 1, 40), random.normal(20, 2, 60)))
    p = probability_of(density_log_odds(unlabeled.astype(np.float32), normals))
    order = np.argsort(unlabeled)
    assert (np.diff(p[order]) >= -1e-6).all()
    assert (p[:40] < 0.5).mean() > 0.9
    assert (p[40:] > 0.5).mean() > 0.9


def test_mahalanobis_of_a_seen_point_is_below_that_of_an_outlier():
    random = np.random.default_rng(0)
    normals = random.normal(size=(100, 5)).astype(np.float32)
    whole = normal_density(normals)
    assert whole.distance(normals[:1])[0] < whole.distance(normals[:1] + 10)[0]
    folds = normal_folds(np.arange(len(normals)) // 2)
    assert (folds[::2] == folds[1::2]).all()  # of one patient
    held_out = unseen_distances(normal_density(normals, folds), normals, folds)
    assert held_out.mean() > whole.distance(normals).mean()
    assert math.isfinite(held_out.sum())


def test_normal_images_and_fresh_ones_are_rated_alike():
    """By construction: a normal image by four fifths of the others, a new one by as many."""
    random = np.random.default_rng(0)
    mixed = random.normal(size=(200, 200)) * np.linspace(0.1, 3, 200)
    drawn = (random.normal(size=(800, 200)) @ mixed).astype(np.float32)
    normals, fresh = drawn[:400], drawn[400:]
    folds = normal_folds(np.arange(400))
    density = normal_density(normals, folds)
    own = unseen_distances(density, normals, folds)
    truth = np.repeat((0, 1), 400)
    alike = auc_interval(truth, np.concatenate((own, density.distance(fresh))))
    assert alike.low < 0.5 < alike.high
    by_all = auc_interval(truth, np.concatenate((own, normal_density(normals).distance(fresh))))
    assert by_all.value < alike.value - 0.03  # as it was: fresh ones seemed nearer


def test_a_patient_s_images_are_held_out_together():
    patients = np.repeat(np.arange(40), 3)
    rows = validation_split(patients, 10, 0)
    assert rows.sum() == 12
    assert set(patients[rows]).isdisjoint(patients[~rows])
    assert not (validation_split(patients, 10, 1) == rows).all()
    assert validation_split(patients, 0, 0).sum() == 0
    assert validation_split(np.zeros(30, dtype=np.int64), 10, 0).sum() == 0  # one patient: none
