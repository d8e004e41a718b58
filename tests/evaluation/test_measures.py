"""Every measure against scikit-learn, brute force or a published example."""

import numpy as np
import pytest
from sklearn import metrics

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import cohens_kappa, wilson_interval
from amae_engine.evaluation.delong import auc_interval, compare_aucs
from amae_engine.evaluation.grey_statistics import grey_density, grey_features
from amae_engine.evaluation.histograms import chi_square_by_chance, chi_square_distance
from amae_engine.evaluation.roc import (
    average_precision,
    average_precision_interval,
    operating_point,
    precision_recall_curve,
    roc_curve,
)


@pytest.fixture(params=[7, 60])
def sample(request):
    random = np.random.default_rng(request.param)
    truth = np.array([0, 1] * request.param)
    scores = np.round(random.normal(size=len(truth)) + truth, 1)  # with ties
    return truth, scores


def test_curves_agree_with_scikit_learn(sample):
    truth, scores = sample
    ours = roc_curve(truth, scores)
    x, y, thresholds = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert np.allclose(ours.x, x)
    assert np.allclose(ours.y, y)
    assert np.allclose(ours.thresholds[1:], thresholds[1:])
    pr = precision_recall_curve(truth, scores)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    assert np.allclose(pr.x, recall)
    assert np.allclose(pr.y, precision)


def test_areas_agree_with_scikit_learn(sample):
    truth, scores = sample
    assert auc_interval(truth, scores).value == pytest.approx(metrics.roc_auc_score(truth, scores))
    expected = metrics.average_precision_score(truth, scores)
    assert average_precision(truth, scores) == pytest.approx(expected)


def test_delong_agrees_with_the_definition(sample):
    """DeLong (1988), eq. 3–6, by comparing every pair."""
    truth, scores = sample
    one, two = scores, np.round(scores**2, 1)
    s10, s01 = [], []
    for values in (one, two):
        positive, negative = values[truth == 1], values[truth == 0]
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        s10.append(wins.mean(axis=1))
        s01.append(wins.mean(axis=0))
    covariance = np.cov(s10) / len(s10[0]) + np.cov(s01) / len(s01[0])
    found = compare_aucs(truth, one, two)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.high - found.difference == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)
    single = auc_interval(truth, two)
    if single.low > 0 and single.high < 1:
        assert single.high - single.value == pytest.approx(1.959964 * covariance[1, 1] ** 0.5)


def test_a_score_does_not_differ_from_itself(sample):
    truth, scores = sample
    assert compare_aucs(truth, scores, scores).p_value == 1.0


def test_perfect_separation_of_few_images_is_not_certain():
    truth = np.array([0] * 6 + [1] * 6)
    found = auc_interval(truth, truth.astype(float))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson_interval(6, 6).low)
    assert found.low < 0.7


def test_one_class_alone_has_no_auc():
    with pytest.raises(BadInput, match="there are 3 normal and 0 abnormal"):
        auc_interval(np.zeros(3, dtype=int), np.arange(3.0))


def test_ap_interval_holds_the_ap_and_keeps_patients_together():
    random = np.random.default_rng(0)
    truth = np.repeat(random.integers(0, 2, 60), 2)
    scores = truth + random.normal(size=120)
    patients = np.repeat(np.arange(60), 2)
    low, high = average_precision_interval(truth, scores, patients)
    narrow = average_precision_interval(truth, scores, np.arange(120))
    assert low < average_precision(truth, scores) < high
    assert high - low > 0.9 * (narrow[1] - narrow[0])


def test_ap_interval_agrees_with_drawing_patients_one_by_one(sample):
    truth, scores = sample
    random = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        chosen = random.integers(0, len(truth), len(truth))
        if 0 < truth[chosen].sum() < len(truth):
            found.append(metrics.average_precision_score(truth[chosen], scores[chosen]))
    low, high = average_precision_interval(truth, scores, np.arange(len(truth)), repeats=2000)
    assert (low, high) == pytest.approx(np.percentile(found, (2.5, 97.5)), abs=0.03)


def test_operating_point_counts_every_image(sample):
    truth, scores = sample
    point = operating_point(truth, scores, 0.5)
    assert point.true_positives + point.false_negatives == (truth == 1).sum()
    assert point.false_positives + point.true_negatives == (truth == 0).sum()
    assert point.true_positives / (truth == 1).sum() == pytest.approx(
        (scores[truth == 1] >= 0.5).mean()
    )
    assert point.true_negatives / (truth == 0).sum() == pytest.approx(
        (scores[truth == 0] < 0.5).mean()
    )


def test_wilson_interval_of_a_published_example():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263
    found = wilson_interval(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 20).low == pytest.approx(0, abs=1e-12)


def test_kappa_agrees_with_scikit_learn():
    first = list("NNNAAXXNNA")
    second = list("NNAAAXNNNA")
    expected = metrics.cohen_kappa_score(first, second)
    found = cohens_kappa(first, second)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high


def test_chi_square_distance_is_zero_for_equal_and_largest_for_separate_scores():
    same = np.tile(np.linspace(0, 1, 50), 2)
    truth = np.repeat([0, 1], 50)
    assert chi_square_distance(truth, same) == pytest.approx(0)
    apart = np.repeat([0.0, 1.0], 50)
    # two single bins of density 100: ½ (100²/100 + 100²/100)
    assert chi_square_distance(truth, apart) == pytest.approx(100)
    assert chi_square_distance(truth, np.ones(100)) == 0


def test_chi_square_by_chance_is_the_mean_over_shuffled_truth():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], (30, 70))
    scores = rng.normal(size=100).round(1)  # several images in some bins, none in others
    shuffled = [chi_square_distance(rng.permutation(truth), scores) for _ in range(4000)]
    exact = chi_square_by_chance(truth, scores)
    assert exact == pytest.approx(np.mean(shuffled), abs=4 * np.std(shuffled) / 4000**0.5)
    assert 10 < exact < 90  # what so few images give with nothing to be told apart
    assert chi_square_by_chance(truth, np.ones(100)) == pytest.approx(0)
    many = np.tile(np.linspace(0, 1, 50_000), 2)
    assert chi_square_by_chance(np.repeat([0, 1], 50_000), many) < 0.1


def test_grey_statistics_reproduce_the_published_baseline(shared):
    """data/SOURCES.md: 0.74 on zhanglab's development test without labels."""
    import csv

    from amae_engine.images.decode import read_for_store

    folder = shared / "data" / "zhanglab"
    with (folder / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    normals = [line for line in lines if line["split"] == "normal"][::4]
    test = [line for line in lines if line["split"] == "test"]

    def images(chosen):
        return np.stack([read_for_store(folder / x["file"], 256).image.pixels for x in chosen])

    distance = grey_density(grey_features(images(normals))).distance(grey_features(images(test)))
    truth = np.array([int(line["label"]) for line in test])
    assert metrics.roc_auc_score(truth, distance) == pytest.approx(0.74, abs=0.04)
