"""The probe of normal against unlabeled images, on features whose truth is known."""

import numpy as np
import pytest
import torch
from demo_images import TINY, stored_images
from sklearn.metrics import roc_auc_score

from amae_engine.config import Precision
from amae_engine.method.features import extract_features, whole_images
from amae_engine.method.pseudo_labels import mixture_log_odds
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.unlabeled_probe import fit_probe, probe_maps, token_scores
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


def _features(shift: float, seed: int = 0, width: int = 16) -> tuple[np.ndarray, ...]:
    """200 normal images, 200 unlabeled ones of which the last 100 lie `shift` away; 2 views."""
    random = np.random.default_rng(seed)
    stored = random.normal(size=(400, width)).astype(np.float32)
    stored[300:, 0] += shift
    views = stored[:, None] + random.normal(scale=0.1, size=(400, 2, width)).astype(np.float32)
    return views[:200], views[200:], np.repeat((0, 1), 100)


def test_abnormal_images_among_the_unlabeled_score_higher():
    normal, unlabeled, truth = _features(3.0)
    side = np.repeat((0, 1), 200)
    probe, scores = fit_probe(np.concatenate((normal, unlabeled)), side, np.arange(400), seed=0)
    assert roc_auc_score(truth, scores[200:]) > 0.95
    assert scores[:200].mean() < scores[200:][truth == 1].mean()
    fresh, more, _ = _features(3.0, seed=1)
    assert probe(more[100:]).mean() > probe(fresh).mean() + 1


def test_what_a_reader_knows_helps():
    normal, unlabeled, truth = _features(1.0, width=60)
    both, numbers = np.concatenate((normal, unlabeled)), np.arange(400)
    side = np.repeat((0, 1), 200)
    _, before = fit_probe(both, side, numbers, seed=0)
    side[200:260] = 0  # a reader called these normal images of U normal
    _, after = fit_probe(both, side, numbers, seed=0)
    rest = slice(260, 400)
    assert roc_auc_score(truth[60:], after[rest]) > roc_auc_score(truth[60:], before[rest])


def test_a_image_that_is_only_rated_changes_nothing_for_others():
    normal, unlabeled, _ = _features(3.0)
    both, numbers = np.concatenate((normal, unlabeled)), np.arange(400)
    side = np.repeat((0, 1), 200).astype(np.int8)
    side[399] = -1
    probe, scores = fit_probe(both, side, numbers, seed=0)
    moved = both.copy()
    moved[399] += 50
    other, others = fit_probe(moved, side, numbers, seed=0)
    assert np.array_equal(probe.direction, other.direction)
    assert np.array_equal(scores[:399], others[:399])
    assert scores[399] != others[399]


@pytest.mark.parametrize("images_a_patient", [1, 4])
def test_no_image_rates_itself_nor_its_patient(images_a_patient: int):
    random = np.random.default_rng(0)
    people = random.normal(size=(100, 300)).astype(np.float32)  # more features than images
    stored = np.repeat(people, images_a_patient, axis=0)[:, None].repeat(2, axis=1)
    patients = np.repeat(np.arange(100), images_a_patient)
    side = np.arange(len(stored)) >= len(stored) // 2
    probe, scores = fit_probe(stored, side.astype(np.int8), patients, seed=0)
    assert 0.3 < roc_auc_score(side, scores) < 0.7
    assert roc_auc_score(side, probe(stored)) > 0.95


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_mixture_finds_the_anomaly_ratio(share: float):
    random = np.random.default_rng(0)
    normal = random.normal(1.0, 2.0, 2000).astype(np.float32)
    abnormal = random.random(2000) < share
    unlabeled = random.normal(1.0, 2.0, 2000) + 6.0 * abnormal
    log_odds, found = mixture_log_odds(normal, unlabeled.astype(np.float32))
    assert found == pytest.approx(share, abs=0.05)
    order = np.argsort(unlabeled)
    assert (np.diff(log_odds[order]) >= 0).all()
    assert ((log_odds > 0) == abnormal).mean() > 0.9


def test_the_mixture_does_not_invent_anomalies():
    random = np.random.default_rng(0)
    normal, unlabeled = random.normal(size=(2, 3000)).astype(np.float32)
    log_odds, share = mixture_log_odds(normal, unlabeled)
    assert share < 0.25
    assert (log_odds > 0).mean() < 0.1


def test_a_map_s_mean_is_the_score_against_that_of_normal_images():
    torch.manual_seed(0)
    network = MaskedAutoencoder(TINY).eval()
    stored = torch.from_numpy(stored_images(12))
    job = extract_features(network, StoredImages.of(stored), Precision.FLOAT32, random_views=1)
    while True:
        try:
            next(job)
        except StopIteration as stop:
            features = stop.value.numpy()
            break
    assert features.shape == (12, 3, TINY.encoder_width)
    assert not np.allclose(features[:, 0], features[:, 2], atol=1e-3)
    probe, _ = fit_probe(features, np.repeat((0, 1), 6), np.arange(12), seed=0)
    images = whole_images(stored, TINY.image_size)
    tokens = token_scores(network, probe, images, Precision.FLOAT32)
    assert tokens.mean(dim=(1, 2)).numpy() == pytest.approx(probe(features[:, :1]), abs=1e-4)
    normal_shares = tokens[:6].mean(dim=0)
    maps = probe_maps(tokens, normal_shares, TINY.image_size)
    assert maps.shape == (12, TINY.image_size, TINY.image_size)
    assert maps[:6].mean(dim=0).abs().max() < 1e-4
    assert maps.mean(dim=(1, 2)).numpy() == pytest.approx(
        (tokens - normal_shares).mean(dim=(1, 2)).numpy(), abs=0.05 * float(tokens.std())
    )
