"""Every measure against scikit-learn, brute force or a published example."""

import math

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import cohens_kappa, share_of, wilson_interval
from amae_engine.evaluation.delong import auc_interval, auc_within, compare_aucs, mean_auc
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
    t = stats.t.ppf(0.975, min((truth == 0).sum(), (truth == 1).sum()) - 1)
    assert found.high - found.difference == pytest.approx(t * np.sqrt(variance), rel=1e-5)
    single = auc_interval(truth, two)
    half = special.logit(single.high) - special.logit(single.value)
    assert half == pytest.approx(
        t * covariance[1, 1] ** 0.5 / (single.value * (1 - single.value)), rel=1e-6
    )


def _obuchowski(truth, scores, patients) -> float:
    """The variance of an AUC of clustered images, pair by pair (Obuchowski, Biometrics 1997, eq. 3–5)."""
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    wins = np.array([[(scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for j in negative]
                     for i in positive])  # fmt: skip
    area, m, n = wins.mean(), len(positive), len(negative)
    sums = {}
    for patient in set(patients.tolist()):
        mine = patients[positive] == patient, patients[negative] == patient
        sums[patient] = (
            (wins.mean(axis=1)[mine[0]] - area).sum(), (wins.mean(axis=0)[mine[1]] - area).sum(),
            mine[0].any(), mine[1].any(),
        )  # fmt: skip
    i10, i01 = (sum(each[k] for each in sums.values()) for k in (2, 3))
    s10 = i10 / ((i10 - 1) * m) * sum(a**2 for a, *_ in sums.values())
    s01 = i01 / ((i01 - 1) * n) * sum(b**2 for _, b, *_ in sums.values())
    s11 = len(sums) / (len(sums) - 1) * sum(a * b for a, b, *_ in sums.values())
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_patients_with_several_images_are_obuchowski_s():
    random = np.random.default_rng(3)
    patients = np.repeat(np.arange(40), random.integers(1, 7, size=40))
    truth = (random.random(len(patients)) < 0.4).astype(int)
    scores = np.round(truth + random.normal(size=40)[patients] + random.normal(size=len(truth)), 1)
    found = auc_interval(truth, scores, patients)
    fewest = min(len(set(patients[truth == k].tolist())) for k in (0, 1))
    half = special.logit(found.high) - special.logit(found.value)
    variance = (half * found.value * (1 - found.value) / stats.t.ppf(0.975, fewest - 1)) ** 2
    assert variance == pytest.approx(_obuchowski(truth, scores, patients), rel=1e-9)
    alone = np.arange(len(truth))
    assert auc_interval(truth, scores, alone) == auc_interval(truth, scores)
    difference = compare_aucs(truth, scores, -scores, patients)
    assert difference.difference == pytest.approx(2 * found.value - 1)


def test_a_mean_over_seeds_varies_with_the_seeds_and_with_the_images():
    random = np.random.default_rng(6)
    truth = np.repeat((0, 1), (60, 40))
    shared = truth * 1.2 + random.normal(size=100)
    alone = auc_interval(truth, shared)
    same = mean_auc(truth, [shared, shared, shared])
    assert (same.value, same.low, same.high) == pytest.approx((alone.value, alone.low, alone.high))
    seeds = [shared + 2 * random.normal(size=100) for _ in range(3)]
    found = mean_auc(truth, seeds)
    each = [auc_interval(truth, values) for values in seeds]
    assert found.value == pytest.approx(np.mean([one.value for one in each]))
    averaged = np.mean([one.high - one.low for one in each])
    assert found.high - found.low != pytest.approx(averaged, rel=0.01)  # no mean of bounds


def test_within_strata_patients_are_kept_together():
    random = np.random.default_rng(4)
    patients = np.repeat(np.arange(60), 2)
    strata = np.tile([0, 1], 60)
    truth = np.repeat((random.random(60) < 0.5).astype(int), 2)
    scores = truth + np.repeat(random.normal(size=60), 2)  # both views of a patient say the same
    wide = auc_within(truth, scores, strata, patients)
    one_view = auc_interval(truth[::2], scores[::2])
    assert (wide.low, wide.high) == pytest.approx((one_view.low, one_view.high), abs=0.01)
    narrow = auc_within(truth, scores, strata)
    assert narrow.high - narrow.low < 0.8 * (wide.high - wide.low)


def test_few_patients_have_no_interval_and_no_test():
    truth = np.array([0] * 100 + [1] * 4)
    scores = np.arange(104.0)
    found = auc_interval(truth, scores)
    assert math.isnan(found.low)
    assert found.numbers == [1.0, None, None]
    assert found.text() == "1.00 (too few for an interval)"
    assert math.isnan(compare_aucs(truth, scores, -scores).p_value)
    more = np.array([0] * 100 + [1] * 8)
    same_patient = np.concatenate((np.arange(100), np.full(8, 200)))
    assert math.isnan(auc_interval(more, np.arange(108.0), same_patient).low)
    assert 0 < compare_aucs(more, np.arange(108.0), np.zeros(108)).p_value < 1e-6


def test_a_share_by_patients_varies_as_its_patients_do():
    random = np.random.default_rng(5)
    by_patient = random.random(40) < 0.7
    twice = np.repeat(by_patient, 5)  # five images that say the same
    found = share_of(twice, np.repeat(np.arange(40), 5))
    alone = wilson_interval(int(by_patient.sum()), 40)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.01)
    assert share_of(by_patient) == alone
    assert share_of(by_patient, np.arange(40)) == alone
    assert math.isnan(share_of(twice[:5], np.zeros(5, dtype=int)).low)
    sure = share_of(np.ones(200, dtype=bool), np.repeat(np.arange(40), 5))
    assert sure.low == pytest.approx(wilson_interval(40, 40).low, abs=0.01)


def test_three_readings_alike_are_not_certain():
    found = cohens_kappa(list("NAN"), list("NAN"))
    assert found.value == 1.0
    assert found.low < 0.2
    assert math.isnan(cohens_kappa(list("NNN"), list("NNN")).low)


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
    found = average_precision_interval(truth, scores, patients)
    narrow = average_precision_interval(truth, scores, np.arange(120))
    assert found.value == average_precision(truth, scores)
    assert found.low < found.value < found.high
    assert found.high - found.low > 0.9 * (narrow.high - narrow.low)
    few = average_precision_interval(truth, scores, np.where(truth == 1, 0, patients + 1))
    assert math.isnan(few.low)


def test_ap_interval_agrees_with_drawing_patients_one_by_one(sample):
    truth, scores = sample
    random = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        chosen = random.integers(0, len(truth), len(truth))
        if 0 < truth[chosen].sum() < len(truth):
            found.append(metrics.average_precision_score(truth[chosen], scores[chosen]))
    area = average_precision_interval(truth, scores, np.arange(len(truth)), repeats=2000)
    assert (area.low, area.high) == pytest.approx(np.percentile(found, (2.5, 97.5)), abs=0.03)


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
