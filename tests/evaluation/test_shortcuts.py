"""The shortcut check's maths, on facts whose effect is known."""

import numpy as np
import pytest

from amae_engine.errors import BadInput
from amae_engine.evaluation.delong import auc_interval, auc_within
from amae_engine.evaluation.shortcuts import Fact, differences, match, one_to_one

N, U = 400, 300
SIDE = np.repeat([0, 1], [N, U]).astype(np.int8)
PATIENTS = np.arange(N + U)


def _views(of_n: float, of_u: float, unknown: float = 0.0) -> Fact:
    """A view that is AP for these shares of N and of U."""
    random = np.random.default_rng(0)
    is_ap = random.random(N + U) < np.where(SIDE == 1, of_u, of_n)
    column = is_ap.astype(np.float64)
    column[random.random(N + U) < unknown] = np.nan
    return Fact("view", column[:, None], ("PA", "AP"))


def test_a_shared_view_tells_nothing_and_another_one_does():
    same, other = (
        differences([_views(0.3, of_u)], SIDE, PATIENTS, 0)[0].auc for of_u in (0.3, 0.8)
    )
    assert same.low < 0.5 < same.high
    assert other.value == pytest.approx(0.75, abs=0.04)  # (1 + 0.8 − 0.3) / 2
    assert differences([_views(0.3, 0.8)], SIDE, PATIENTS, 0)[0].differs


def test_one_value_alone_tells_exactly_nothing():
    fact = Fact("view", np.zeros((N + U, 1)), ("PA",))
    assert differences([fact], SIDE, PATIENTS, 0)[0].auc.value == 0.5


def test_numbers_are_tried_by_folds_so_that_noise_tells_nothing():
    noise = Fact("size", np.random.default_rng(1).normal(size=(N + U, 5)))
    found = differences([noise], SIDE, PATIENTS, 0)[0]
    assert found.auc.low < 0.5 < found.auc.high
    assert not found.differs


def test_a_fact_of_few_images_is_not_judged():
    column = np.full((N + U, 1), np.nan)
    column[: N + 20] = 1  # all of N, twenty of U
    found = differences([Fact("sex", column, ("F", "M"))], SIDE, PATIENTS, 0)[0]
    assert (found.auc, found.normal, found.unlabeled) == (None, N, 20)
    assert match([Fact("sex", column, ("F", "M"))], SIDE, PATIENTS, 0) is None


def test_weights_give_n_the_views_of_u():
    fact = _views(0.2, 0.7, unknown=0.1)
    matching = match([fact], SIDE, PATIENTS, 0)
    known, is_ap = fact.known, fact.columns[:, 0] == 1
    normal, unlabeled = known & (SIDE == 0), known & (SIDE == 1)
    weighted = np.average(is_ap[normal], weights=matching.weights[normal])
    assert weighted == pytest.approx(is_ap[unlabeled].mean())
    assert matching.weights[normal].mean() == pytest.approx(1)
    assert (matching.weights[~known] == 0).all()
    assert matching.unknown == int((~known).sum())
    # as many equally weighted images as Kish's formula says
    own = matching.weights[normal]
    assert matching.effective == pytest.approx(own.sum() ** 2 / (own**2).sum())
    assert matching.after.value == 0.5
    assert matching.helps


def test_unlabeled_images_without_a_match_are_counted_and_not_fitted():
    values = np.where(SIDE == 1, 1.0, 0.0)
    values[N : N + 100] = 0  # a hundred of U are of N's kind
    matching = match([Fact("source", values[:, None], ("a", "b"))], SIDE, PATIENTS, 0)
    assert matching.unmatched == 200
    assert (matching.weights[N + 100 :] == 0).all()
    assert (matching.weights[N : N + 100] == 1).all()


def test_several_facts_are_matched_by_strata_of_their_probability():
    random = np.random.default_rng(2)
    shift = np.where(SIDE == 1, 0.8, 0.0)[:, None]
    border = Fact("border", random.normal(size=(N + U, 2)) + shift)
    matching = match([border, _views(0.3, 0.6)], SIDE, PATIENTS, 0)
    assert matching.before.low > 0.7
    assert matching.helps
    assert len(np.unique(matching.strata[matching.strata >= 0])) == 5


def test_one_to_one_leaves_as_many_of_each_side_in_every_stratum():
    matching = match([_views(0.2, 0.7)], SIDE, PATIENTS, 0)
    kept = one_to_one(matching, SIDE, 0)
    for stratum in (0, 1):
        of_stratum = kept & (matching.strata == stratum)
        assert (of_stratum & (SIDE == 0)).sum() == (of_stratum & (SIDE == 1)).sum()
    assert kept.sum() == 2 * matching.pairs
    assert (kept == one_to_one(matching, SIDE, 0)).all()


def test_auc_within_strata_does_not_count_what_the_strata_differ_by():
    random = np.random.default_rng(3)
    truth = (random.random(2000) < 0.5).astype(int)
    stratum = (random.random(2000) < np.where(truth == 1, 0.8, 0.2)).astype(int)
    scores = stratum * 5 + random.normal(size=2000)  # knows the stratum, not the truth
    assert auc_interval(truth, scores).value > 0.75
    within = auc_within(truth, scores, stratum)
    assert within.low < 0.5 < within.high
    # one stratum: the plain AUC, and its interval
    plain, alone = auc_interval(truth, scores), auc_within(truth, scores, np.zeros(2000))
    assert (alone.value, alone.low) == pytest.approx((plain.value, plain.low))


def test_auc_within_strata_needs_one_with_both_classes():
    with pytest.raises(BadInput, match="No stratum"):
        auc_within(np.array([0, 1]), np.array([0.1, 0.2]), np.array([0, 1]))
