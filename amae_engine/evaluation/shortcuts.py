"""Confounders (shortcuts): what separates normal from unlabeled images other than disease, and matching.

A model of normal against unlabeled learns whatever sets the two apart (Geirhos et al., Nature
Machine Intelligence 2020). Each recorded property that is not disease is tested by itself: how well
does it tell N from U, in images that its model did not see? Where one does, N and U are compared
within strata of that fact, so that it no longer tells them apart (subclassification;
Rosenbaum and Rubin, JASA 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.delong import Auc, auc_interval, auc_within

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Sides = npt.NDArray[np.int8]

FEWEST = 30  # images each of N and U, below which nothing is said or changed
DIFFERS = 0.55  # a fact differs where its AUC's interval lies above this
_FOLDS = 5
_STRATA = 5  # of several facts: five remove nine tenths of a bias (Cochran, Biometrics 1968)
_FEWEST_IN_STRATUM = 5  # images each of N and U
_FEWEST_ALIKE = 10  # normal images, of either kind
_LARGEST_WEIGHT = 10.0
_PRIOR = 2.0  # images that a value seen once counts for


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is known of images.

    Attributes:
        name: In a word or two: "view".
        columns: (n, k) float64, NaN where unknown.
        values: What the codes of its one column mean; () for numbers.
        may_be_disease: Whether disease changes it too, so that matching by it takes disease away.
    """

    name: str
    columns: Doubles
    values: tuple[str, ...] = ()
    may_be_disease: bool = False

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) where all of it is known."""
        return np.asarray(~np.isnan(self.columns).any(axis=1))


@dataclass(frozen=True, slots=True)
class Difference:
    """How well a fact tells N from U.

    Attributes:
        auc: Of N against U, cross-fitted over patients; None where too few images have the fact.
        normal: Normal images that have it.
        unlabeled: Unlabeled images that have it.
        may_be_disease: As of its fact.
    """

    name: str
    auc: Auc | None
    normal: int
    unlabeled: int
    may_be_disease: bool

    @property
    def differs(self) -> bool:
        """Whether N and U differ by it beyond chance."""
        return self.auc is not None and self.auc.low > DIFFERS

    @property
    def images(self) -> str:
        """How many images have it: "212 + 198"."""
        return f"{self.normal} + {self.unlabeled}"

    @property
    def meaning(self) -> str:
        """What it means for a score, in a few words."""
        if self.auc is None:
            return f"recorded for fewer than {FEWEST} normal or unlabeled images"
        if not self.differs:
            return "no difference beyond chance"
        return "may be disease" if self.may_be_disease else "a confounder"


@dataclass(frozen=True, slots=True)
class Matching:
    """N and U compared within strata.

    Attributes:
        facts: Names of the facts that the strata are made of.
        strata: (n,) the stratum of each image; −1 where a fact is unknown or the stratum has too
            few images of N or of U.
        weights: (n,) what each image counts: 0 without a stratum, 1 for a matched unlabeled image,
            and for a normal one as much as gives N the strata of U; 1 on average.
        before, after: AUC of the facts for N against U, and within the strata.
        effective: How many equally weighted normal images say as much as the weighted ones.
        pairs: Images of N or U that find a partner of the other set in their stratum.
        unmatched: Unlabeled images without a counterpart in N.
        unknown: Images of N or U that lack a fact.
    """

    facts: tuple[str, ...]
    strata: Ints
    weights: Doubles
    before: Auc
    after: Auc
    effective: float
    pairs: int
    unmatched: int
    unknown: int

    @property
    def helps(self) -> bool:
        """Whether the facts tell N from U less than half as well as before."""
        return abs(self.after.value - 0.5) < abs(self.before.value - 0.5) / 2


def differences(facts: Sequence[Fact], side: Sides, patients: Ints, seed: int) -> list[Difference]:
    """How well each fact tells N from U, the strongest first.

    Args:
        facts: Of n images.
        side: (n,) 0 for N, 1 for U, −1 for neither.
        patients: (n,) a number a patient; all images of one are left out together.
        seed: Of the folds.
    """
    found = []
    for fact in facts:
        known = fact.known & (side >= 0)
        normal, unlabeled = (int((known & (side == each)).sum()) for each in (0, 1))
        auc = None
        if min(normal, unlabeled) >= FEWEST:
            rated = _cross_fitted([fact], known, side, patients, seed)
            auc = auc_interval(side[known], rated[known], patients[known])
        found.append(Difference(fact.name, auc, normal, unlabeled, fact.may_be_disease))
    return sorted(found, key=lambda each: -(each.auc.value if each.auc else 0))


def match(facts: Sequence[Fact], side: Sides, patients: Ints, seed: int) -> Matching | None:
    """Strata of one or more facts, and weights that give N the strata of U.

    A single fact with values has a stratum a value; else the strata are fifths of U by the facts'
    cross-fitted probability of U.

    Args:
        facts: What N and U are matched by.
        side: (n,) 0 for N, 1 for U, −1 for an image that only gets its stratum.
        patients: (n,) a number a patient.
        seed: Of the folds.

    Returns:
        None where fewer than 30 images of N or of U have all facts.
    """
    known = np.logical_and.reduce([fact.known for fact in facts])
    of_side = [known & (side == each) for each in (0, 1)]
    if min(int(each.sum()) for each in of_side) < FEWEST:
        return None
    both = of_side[0] | of_side[1]
    rated = _cross_fitted(facts, known, side, patients, seed)
    if len(facts) == 1 and facts[0].values:
        numbers = np.where(known, np.nan_to_num(facts[0].columns[:, 0]), -1).astype(np.int64)
        within_rated = np.zeros(len(side))  # one value in each stratum
    else:
        within_rated = rated
        edges = np.quantile(rated[of_side[1]], np.linspace(0, 1, _STRATA + 1)[1:-1])
        numbers = np.where(known, np.searchsorted(edges, rated, side="right"), -1)
    counts = [np.bincount(numbers[each], minlength=numbers.max() + 1) for each in of_side]
    enough = np.minimum(*counts) >= _FEWEST_IN_STRATUM
    strata = np.where(known & enough[numbers], numbers, -1).astype(np.int64)
    matched = [each & (strata >= 0) for each in of_side]
    weights = np.zeros(len(side))
    weights[matched[1]] = 1
    in_u, in_n = (int(each.sum()) for each in reversed(matched))
    if min(in_u, in_n) >= FEWEST:
        share = (counts[1] / in_u) / np.maximum(counts[0] / in_n, 1e-9)
        own = np.minimum(share[strata[matched[0]]], _LARGEST_WEIGHT)
        weights[matched[0]] = own / own.mean()
    of_normal = weights[matched[0]]
    within = matched[0] | matched[1]
    return Matching(
        facts=tuple(fact.name for fact in facts),
        strata=strata,
        weights=weights,
        before=auc_interval(side[both], rated[both], patients[both]),
        after=_after(side, within_rated, strata, patients, within),
        effective=float(of_normal.sum() ** 2 / max((of_normal**2).sum(), 1e-9)),
        pairs=int(np.minimum(*counts)[enough].sum()),
        unmatched=int((of_side[1] & (strata < 0)).sum()),
        unknown=int(((side >= 0) & ~known).sum()),
    )


def learned(
    fact: Fact, side: Sides, patients: Ints, seed: int, scores: npt.NDArray[np.floating]
) -> Auc | None:
    """How well a score tells normal images that are like U by a fact from those that are not.

    All of them are normal, so what is above chance is not disease: the score has learned the property.

    Args:
        fact: Of n images.
        side: (n,) 0 for N, 1 for U, −1 for neither.
        patients: (n,) a number a patient.
        seed: Of the folds.
        scores: (n,) by a model that did not see the image's patient.

    Returns:
        None where fewer than ten normal images are of either kind.
    """
    known = fact.known
    rated = _cross_fitted([fact], known, side, patients, seed)
    normal = known & (side == 0)
    like_u = (rated[normal] > 0).astype(np.int8)
    if min(int(like_u.sum()), int((1 - like_u).sum())) < _FEWEST_ALIKE:
        return None
    return auc_interval(like_u, scores[normal].astype(np.float64), patients[normal])


def _after(
    side: Sides, rated: Doubles, strata: Ints, patients: Ints, within: npt.NDArray[np.bool_]
) -> Auc:
    if len(np.unique(side[within])) < 2:
        return Auc(float("nan"), 0.0, 1.0)
    return auc_within(side[within], rated[within], strata[within], patients[within])


def one_to_one(matching: Matching, side: Sides, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) as many images of N as of U in each stratum, drawn by seed; the rest is left out."""
    random = np.random.default_rng(seed)
    kept = np.zeros(len(side), dtype=bool)
    for stratum in np.unique(matching.strata[matching.strata >= 0]):
        pools = [np.flatnonzero((matching.strata == stratum) & (side == each)) for each in (0, 1)]
        fewest = min(len(pool) for pool in pools)
        for pool in pools:
            kept[random.permutation(pool)[:fewest]] = True
    return kept


def _cross_fitted(
    facts: Sequence[Fact], known: npt.NDArray[np.bool_], side: Sides, patients: Ints, seed: int
) -> Doubles:
    """(n,) how much U it looks to a model that did not see its patient, above 0 or below."""
    _, numbers = np.unique(patients, return_inverse=True)
    folds = np.random.default_rng(seed).permutation(int(numbers.max()) + 1)[numbers] % _FOLDS
    rated = np.zeros(len(side))
    for fold in range(_FOLDS):
        left_out = known & (folds == fold)
        training = known & (side >= 0) & (folds != fold)
        if left_out.any() and len(np.unique(side[training])) == 2:
            rated[left_out] = _model(facts, training, side)(left_out)
    return rated


def _model(facts: Sequence[Fact], training: npt.NDArray[np.bool_], side: Sides) -> Any:
    """How much U some rows look, learned from others."""
    if len(facts) == 1 and facts[0].values:
        codes = np.nan_to_num(facts[0].columns[:, 0]).astype(np.int64)
        count = len(facts[0].values)
        in_u, in_all = (
            np.bincount(codes[rows], minlength=count) for rows in (training & (side == 1), training)
        )
        prior = in_u.sum() / max(in_all.sum(), 1)
        # above the fold's own share of U, which differs from fold to fold and is no fact
        excess = (in_u - prior * in_all) / (in_all + _PRIOR)
        return lambda rows: excess[codes[rows]]
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns = np.concatenate([fact.columns for fact in facts], axis=1)
    categories = [bool(fact.values) for fact in facts for _ in range(fact.columns.shape[1])]
    boosted: Any = HistGradientBoostingClassifier(
        max_iter=60,
        max_depth=3,
        min_samples_leaf=10,
        l2_regularization=1.0,
        class_weight="balanced",
        categorical_features=categories,
        early_stopping=False,
        random_state=0,
    )
    boosted.fit(columns[training], side[training])
    return lambda rows: boosted.predict_proba(columns[rows])[:, 1] - 0.5
