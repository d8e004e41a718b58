"""Thresholds, predictive values, calibration, Holm, replicates: against R, SciPy and by hand."""

import math
import shutil
import subprocess

import numpy as np
import pytest
from scipy import stats
from scipy.stats import ttest_ind
from sklearn.calibration import calibration_curve as reference_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, confusion_matrix

from amae_engine.errors import BadInput
from amae_engine.evaluation.agreement import cohens_kappa, wilson_interval
from amae_engine.evaluation.calibration import brier_score, calibration_curve, fit_logistic
from amae_engine.evaluation.multiple_testing import holm, replicates, stars, welch
from amae_engine.evaluation.operating_rules import (
    Rule,
    RuleChoice,
    choose_threshold,
    predictive_values,
)
from amae_engine.evaluation.roc import operating_point

R_MISSING = shutil.which("Rscript") is None


def _data(normal: int, abnormal: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = np.repeat((0, 1), (normal, abnormal)).astype(np.int8)
    return truth, np.round(draw.normal(size=len(truth)) + 1.3 * truth, 1)  # with ties


def _rates(truth, scores, threshold) -> tuple[float, float]:
    tn, fp, fn, tp = confusion_matrix(truth, scores >= threshold, labels=[0, 1]).ravel()
    return tp / (tp + fn), tn / (tn + fp)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("target", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_a_rule_meets_its_target_and_gives_nothing_away(seed: int, target: float):
    truth, scores = _data(80, 60, seed)
    every = np.unique(np.append(scores, scores.max() + 1))
    by_hand = {t: _rates(truth, scores, t) for t in every}
    found = choose_threshold(truth, scores, RuleChoice(Rule.SENSITIVITY, target))
    fits = [t for t, (sensitivity, _) in by_hand.items() if sensitivity >= target]
    assert found == max(fits)  # the most specific of those that find enough
    found = choose_threshold(truth, scores, RuleChoice(Rule.SPECIFICITY, target))
    fits = [t for t, (_, specificity) in by_hand.items() if specificity >= target]
    assert found == min(fits)
    normal = scores[truth == 0]
    found = choose_threshold(np.zeros(80, dtype=np.int8), normal, RuleChoice(Rule.NORMALS, target))
    assert (normal < found).mean() >= target
    lower = [t for t in np.unique(normal) if t < found]
    assert all((normal < t).mean() < target for t in lower)


def test_youden_and_cost_are_the_best_of_every_threshold():
    truth, scores = _data(90, 40, 3)
    every = np.unique(np.append(scores, scores.max() + 1))
    rates = {t: _rates(truth, scores, t) for t in every}
    found = choose_threshold(truth, scores, RuleChoice(Rule.YOUDEN))
    assert sum(rates[found]) == pytest.approx(max(sum(pair) for pair in rates.values()))

    def cost(pair: tuple[float, float]) -> float:
        return 0.1 * 8 * (1 - pair[0]) + 0.9 * (1 - pair[1])

    found = choose_threshold(truth, scores, RuleChoice(Rule.COST, 8.0, 0.1))
    assert cost(_rates(truth, scores, found)) == pytest.approx(min(map(cost, rates.values())))
    never = choose_threshold(truth, scores, RuleChoice(Rule.COST, 1e-6, 0.5))
    assert not (scores[truth == 0] >= never).any()  # a false alarm costs everything


@pytest.mark.parametrize("rule", [Rule.YOUDEN, Rule.SENSITIVITY, Rule.SPECIFICITY, Rule.COST])
def test_ties_everywhere_and_three_images(rule: Rule):
    truth, scores = np.array([0, 1, 1], dtype=np.int8), np.array([0.5, 0.5, 0.5])
    threshold = choose_threshold(truth, scores, RuleChoice(rule))
    assert math.isfinite(threshold)
    point = operating_point(truth, scores, threshold)
    assert point.true_positives in (0, 2)


def test_what_cannot_be_chosen_is_reported():
    ones, scores = np.ones(4, dtype=np.int8), np.arange(4.0)
    with pytest.raises(BadInput, match="0 normal and 4 abnormal"):
        choose_threshold(ones, scores, RuleChoice(Rule.YOUDEN))
    with pytest.raises(BadInput, match="there are none"):
        choose_threshold(ones[:0], scores[:0], RuleChoice(Rule.NORMALS))
    with pytest.raises(BadInput, match="between 0 and 1"):
        RuleChoice(Rule.SENSITIVITY, 1.0)
    with pytest.raises(BadInput, match="above 0"):
        RuleChoice(Rule.COST, 0.0)
    with pytest.raises(BadInput, match="prevalence"):
        RuleChoice(Rule.YOUDEN, prevalence=0.0)


def test_predictive_values_are_bayes_rule():
    # Altman and Bland, BMJ 1994;309:102: sensitivity 231/258, specificity 54/86, prevalence 0.25
    shares = wilson_interval(231, 258), wilson_interval(54, 86)
    found = predictive_values(*shares, 0.25)
    sensitivity, specificity = 231 / 258, 54 / 86
    ppv = sensitivity * 0.25 / (sensitivity * 0.25 + (1 - specificity) * 0.75)
    assert found.ppv.value == pytest.approx(ppv)
    assert found.ppv.value == pytest.approx(0.45, abs=0.005)  # as printed there
    assert found.npv.value == pytest.approx(0.95, abs=0.005)
    share = 258 / (258 + 86)  # at the data's own share they are the plain shares
    own = predictive_values(*shares, share)
    assert own.ppv.value == pytest.approx(231 / 263)
    assert own.npv.value == pytest.approx(54 / 81)
    # about as wide as Wilson's of the plain shares: 0.83 to 0.91 and 0.56 to 0.76
    assert (own.ppv.low, own.ppv.high) == pytest.approx((0.84, 0.91), abs=0.015)
    assert (own.npv.low, own.npv.high) == pytest.approx((0.56, 0.76), abs=0.03)
    certain = predictive_values(wilson_interval(3, 3), wilson_interval(3, 3), 0.5)
    assert certain.ppv.value == 1.0
    assert certain.ppv.low < 0.6


def test_brier_and_the_curve_are_scikit_learn_s():
    truth, scores = _data(70, 50)
    said = 1 / (1 + np.exp(-scores))
    score = brier_score(truth, said)
    assert score.value == pytest.approx(brier_score_loss(truth, said))
    squares = (said - truth) ** 2
    half = stats.t.ppf(0.975, 119) * squares.std(ddof=1) / np.sqrt(120)
    assert (score.low, score.high) == pytest.approx((score.value - half, score.value + half))
    twice = brier_score(np.repeat(truth, 2), np.repeat(said, 2), np.repeat(np.arange(120), 2))
    assert (twice.low, twice.high) == pytest.approx((score.low, score.high))
    bins = calibration_curve(truth, said)
    found, expected = reference_curve(truth, said, n_bins=10, strategy="quantile")
    assert len(bins) == 10
    assert sum(each.images for each in bins) == 120
    # ties lie in other bins there; the curves agree where they are averaged
    assert np.mean([b.said for b in bins]) == pytest.approx(expected.mean(), abs=0.03)
    assert np.mean([b.found for b in bins]) == pytest.approx(found.mean(), abs=0.05)
    assert all(b.low <= b.found <= b.high for b in bins)


def test_the_calibration_of_classes_that_separate_ends():
    random = np.random.default_rng(0)
    for _ in range(4000):
        normal, abnormal = random.integers(1, 30, 2)
        truth = np.repeat((0, 1), (normal, abnormal))
        scores = random.random(len(truth)) ** random.integers(1, 9) + 2 * random.random() * truth
        scores = np.where(truth == 1, scores.max() + scores, scores) * 10.0 ** random.integers(
            -3, 3
        )
        said = fit_logistic(truth, scores)(scores)
        wanted = np.where(truth == 1, (abnormal + 1) / (abnormal + 2), 1 / (normal + 2))
        assert said.sum() == pytest.approx(wanted.sum(), rel=1e-6)  # the offset's own equation
        assert said[truth == 1].min() >= said[truth == 0].max()


def test_the_calibration_is_platt_s():
    truth, scores = _data(60, 40, 2)
    fitted = fit_logistic(truth, scores)
    said = fitted(scores)
    # scikit-learn's sigmoid has the same targets: weights of both answers of each image
    targets = np.where(truth == 1, 41 / 42, 1 / 62)
    doubled = np.r_[scores, scores][:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(doubled, np.repeat((1, 0), 100), sample_weight=np.r_[targets, 1 - targets])
    assert said == pytest.approx(model.predict_proba(scores[:, None])[:, 1], abs=1e-4)
    perfect = fit_logistic(truth, truth.astype(float))(truth.astype(float))
    assert 0 < perfect.min() < perfect.max() < 1  # few images are never certain
    with pytest.raises(BadInput, match="Calibration needs"):
        fit_logistic(truth[:10], scores[:10])


@pytest.mark.skipif(R_MISSING, reason="needs R: apt-get install r-base-core")
def test_holm_and_wilson_are_r_s():
    p = [0.01, 0.04, 0.03, 0.005, 0.04, 0.9]
    script = (
        f"cat(format(c(p.adjust(c({', '.join(map(str, p))}), 'holm'),"
        "prop.test(7, 20, correct=FALSE)$conf.int, prop.test(0, 12, correct=FALSE)$conf.int),"
        "digits=15))"
    )
    told = subprocess.run(["Rscript", "-e", script], check=True, capture_output=True, text=True)
    expected = [float(word) for word in told.stdout.split()]
    seven, none = wilson_interval(7, 20), wilson_interval(0, 12)
    ours = [*holm(p), seven.low, seven.high, none.low, none.high]
    assert ours == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_a_test_that_could_not_be_made_counts_for_none():
    assert holm([0.02, math.nan, 0.03])[[0, 2]].tolist() == pytest.approx([0.04, 0.04])
    assert math.isnan(holm([0.02, math.nan])[1])


def test_kappa_is_that_of_the_published_example():
    # Wikipedia's, after Cohen (1960): 20 both yes, 5 and 10 apart, 15 both no: κ = 0.4
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohens_kappa(first, second).value == pytest.approx(0.4)


def test_replicates_are_given_as_the_paper_does():
    found = replicates([0.80, 0.82, math.nan, 0.84])
    assert (found.mean, found.count) == (pytest.approx(0.82), 3)
    assert found.half == pytest.approx(1.96 * 0.02)
    assert math.isnan(replicates([0.8]).std)
    assert replicates([math.nan]).count == 0
    first, second = [0.80, 0.82, 0.84, 0.83], [0.86, 0.88, 0.87, 0.90]
    expected = ttest_ind(first, second, equal_var=False).pvalue
    assert welch(first, second) == pytest.approx(expected)
    assert math.isnan(welch([0.8], second))
    assert welch([0.8, 0.8], [0.8, 0.8]) == 1.0
    assert [stars(p) for p in (0.2, 0.03, 0.005, 1e-4, math.nan)] == [
        "ns", "**", "***", "****", "",
    ]  # fmt: skip
