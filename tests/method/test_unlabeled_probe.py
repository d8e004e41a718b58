"""The probe of normal against unlabeled images, on features whose truth is known."""

import numpy as np
import pytest
import torch
from demo_images import TINY, stored_images
from sklearn.metrics import roc_auc_score

from amae_engine.config import Precision
from amae_engine.method.features import extract_features
from amae_engine.method.pseudo_labels import fit_mixture, probability_of, ratio_interval
from amae_engine.method.stored_images import StoredImages
from amae_engine.method.unlabeled_probe import ProbeMaps, fit_probe
from amae_engine.models.masked_autoencoder import MaskedAutoencoder
from amae_engine.models.token_groups import TokenGroup

ONE = (TokenGroup(20, is_small=True),)
TWO = (TokenGroup(20, 0.5), TokenGroup(30, 1.0, is_small=True))


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
    probe, scores = fit_probe(np.concatenate((normal, unlabeled)), side, np.arange(400), 0, ONE)
    assert roc_auc_score(truth, scores[200:]) > 0.95
    assert scores[:200].mean() < scores[200:][truth == 1].mean()
    fresh, more, _ = _features(3.0, seed=1)
    assert probe(more[100:]).mean() > probe(fresh).mean() + 1


def test_what_a_reader_knows_helps():
    normal, unlabeled, truth = _features(1.0, width=60)
    both, numbers = np.concatenate((normal, unlabeled)), np.arange(400)
    side = np.repeat((0, 1), 200)
    _, before = fit_probe(both, side, numbers, 0, ONE)
    side[200:260] = 0  # a reader called these normal images of U normal
    _, after = fit_probe(both, side, numbers, 0, ONE)
    rest = slice(260, 400)
    assert roc_auc_score(truth[60:], after[rest]) > roc_auc_score(truth[60:], before[rest])


def test_a_image_that_is_only_rated_changes_nothing_for_others():
    normal, unlabeled, _ = _features(3.0)
    both, numbers = np.concatenate((normal, unlabeled)), np.arange(400)
    side = np.repeat((0, 1), 200).astype(np.int8)
    side[399] = -1
    probe, scores = fit_probe(both, side, numbers, 0, ONE)
    moved = both.copy()
    moved[399] += 50
    other, others = fit_probe(moved, side, numbers, 0, ONE)
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
    probe, scores = fit_probe(stored, side.astype(np.int8), patients, 0, ONE)
    assert 0.3 < roc_auc_score(side, scores) < 0.7
    assert roc_auc_score(side, probe(stored)) > 0.95


@pytest.mark.parametrize("share", [0.2, 0.6])
@pytest.mark.parametrize("wide", [1.0, 1.8])
def test_the_mixture_finds_the_anomaly_ratio(share: float, wide: float):
    random = np.random.default_rng(0)
    normal = random.normal(1.0, 2.0, 2000).astype(np.float32)
    abnormal = random.random(2000) < share
    unlabeled = 1.0 + np.where(abnormal, wide, 1.0) * random.normal(0, 2.0, 2000) + 6.0 * abnormal
    found = fit_mixture(normal, unlabeled)
    assert found.share == pytest.approx(share, abs=0.05)
    assert found.spread == pytest.approx(wide, rel=0.15)
    log_odds = found.log_odds(unlabeled)
    order = np.argsort(unlabeled)
    assert (np.diff(log_odds[order]) > 0).all()
    assert ((log_odds > 0) == abnormal).mean() > 0.83


def test_the_mixture_does_not_invent_anomalies():
    random = np.random.default_rng(0)
    normal, unlabeled = random.normal(size=(2, 3000)).astype(np.float32)
    found = fit_mixture(normal, unlabeled)
    assert found.share < 0.25
    assert (found.log_odds(unlabeled) > 0).mean() < 0.1


def test_the_anomaly_ratio_s_interval_is_by_patients():
    random = np.random.default_rng(0)
    normal = random.normal(size=200)
    sick = random.random(60) < 0.5
    unlabeled = np.repeat(random.normal(size=60) + 4 * sick, 4)  # four images that say the same
    owners = np.arange(200), np.repeat(np.arange(60), 4)
    wide = ratio_interval(normal, unlabeled, owners, repeats=60)
    narrow = ratio_interval(normal, unlabeled, (owners[0], np.arange(240)), repeats=60)
    assert wide.low < sick.mean() < wide.high
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_below_all_normal_images_nothing_looks_abnormal_again():
    random = np.random.default_rng(0)
    unlabeled = np.concatenate((random.normal(size=500), random.normal(3, 2, 500), [-9.0, -20.0]))
    found = fit_mixture(random.normal(size=2000), unlabeled)
    assert found.spread > 1.5
    assert probability_of(found.log_odds(np.array([-20.0, -9.0, -1.0]))).max() < 0.2
    assert (np.diff(found.log_odds(np.linspace(-30, 10, 500))) > 0).all()


def test_a_map_shows_where_an_image_lies_above_normal_ones():
    torch.manual_seed(0)
    network = MaskedAutoencoder(TINY).eval()
    stored = torch.from_numpy(stored_images(12))
    kept = []
    job = extract_features(
        network, StoredImages.of(stored), Precision.FLOAT32, random_views=1, keep=kept.append
    )
    while True:
        try:
            next(job)
        except StopIteration as stop:
            features = stop.value.numpy()
            break
    tokens = np.concatenate(kept).astype(np.float32)  # (12, 16, 48)
    assert features.shape == (12, 3, TINY.encoder_width)
    assert not np.allclose(features[:, 0], features[:, 2], atol=1e-3)
    assert tokens.mean(axis=1) == pytest.approx(features[:, 0], abs=2e-3)
    probe, _ = fit_probe(features, np.repeat((0, 1), 6), np.arange(12), 0, network.groups)
    shares = (tokens @ probe.map_direction).reshape(12, 4, 4)
    assert shares.mean(axis=(1, 2)) + probe.offset == pytest.approx(
        probe(features[:, :1]), abs=2e-3
    )
    maps = ProbeMaps.fit(probe.map_direction, shares[:6], shares[6:])
    assert maps.normal_shares == pytest.approx(shares[:6].mean(axis=0))
    flat = np.zeros((4, 4), dtype=np.float32)
    maps = ProbeMaps(probe.map_direction, flat, flat + 1)
    same = torch.zeros(1, 4, 16, 48)
    assert maps.of(same, 64).max() == 0  # as in normal images: nothing to show
    assert maps.of(same - torch.from_numpy(probe.map_direction), 64).max() == 0
    marked = same.clone()
    marked[:, :, 5] += torch.from_numpy(probe.map_direction)
    drawn = maps.of(marked, 64)[0]
    assert drawn.shape == (64, 64)
    assert (drawn >= 0).all()
    # patch 5 of 4 x 4, in four views half a patch apart: its centre is about (24 + 4, 24 + 4)
    peak = np.unravel_index(int(drawn.argmax()), (64, 64))
    assert np.abs(np.array(peak) - 28).max() <= 8


def test_several_blocks_have_a_probe_each_and_one_direction_for_maps():
    random = np.random.default_rng(0)
    normal, unlabeled = random.normal(size=(2, 200, 2, 50)).astype(np.float32)
    unlabeled[:120, :, 3] += 2  # in the first block
    unlabeled[:120, :, 40] += 2  # in the second one
    both = np.concatenate((normal, unlabeled))
    side = np.repeat((0, 1), 200).astype(np.int8)
    probe, scores = fit_probe(both, side, np.arange(400), 0, TWO, map_group=1)
    abnormal = np.arange(200) < 120
    assert roc_auc_score(abnormal, scores[200:]) > 0.9
    assert probe.direction.shape == (50,)
    assert probe.map_direction.shape == (30,)  # maps come from one block alone
    assert {3, 40} == set(np.argsort(-np.abs(probe.direction))[:2].tolist())
    assert np.argmax(probe.map_direction) == 20


def test_a_block_counts_by_its_weight_whatever_its_scale():
    random = np.random.default_rng(1)
    normal, unlabeled = random.normal(size=(2, 300, 2, 50)).astype(np.float32)
    unlabeled[:, :, 3] += 1
    unlabeled[:, :, 40] += 1
    side = np.repeat((0, 1), 300).astype(np.int8)
    both = np.concatenate((normal, unlabeled))
    louder = both.copy()
    louder[:, :, 20:] *= 1000
    _, scores = fit_probe(both, side, np.arange(600), 0, TWO)
    _, others = fit_probe(louder, side, np.arange(600), 0, TWO)
    assert np.corrcoef(scores, others)[0, 1] > 0.999
