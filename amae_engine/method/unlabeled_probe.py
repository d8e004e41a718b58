"""N against U: a linear probe that tells unlabeled images from normal ones in frozen features.

Unlabeled images are normal ones and abnormal ones, so what sets U apart from N is what is abnormal
in it (positive-unlabeled learning; Elkan and Noto, KDD 2008). No image rates itself: the probe is
cross-fitted, and all images of a patient are left out together. It is linear in mean-pooled patch
tokens, so each patch's share of an image's score is known (Zhou et al., CVPR 2016): a map shows by
how much it lies above that of normal images at the same place.

What separates U may also be a confounder: another view, another scanner. Then images carry weights
that match N to U, or are compared within strata alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from amae_engine.method.token_maps import (
    at_half_places,
    overlapped,
    place_weights,
    smooth_map,
)
from amae_engine.models.token_groups import TokenGroup

Floats = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]
Strata = npt.NDArray[np.int64]

FEWEST_UNLABELED = 10
_FOLDS = 5
# scikit-learn's C, chosen on N and U of both development sets, never on their test images: of a
# block of a large encoder (the smallest within a standard error of the best AUC of N against U), of
# a small encoder's, and of the direction that makes maps (by the boxes on U)
_PENALTY, _SMALL_PENALTY, _MAP_PENALTY = 0.006, 0.03, 0.0002


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear function of mean-pooled patch tokens; larger is more like U.

    Attributes:
        direction: (d,) float32.
        offset: Added to it.
        map_direction: (d of one group,) float32, applied to single tokens for the map: smoother
            than `direction` where a token is put together of several blocks, else the same.
        stratum_offset: (S + 1,) float32, the normal images' mean score in each stratum, and over all of them
            for an image without a stratum: what is taken off. (1,) zero without strata.
    """

    direction: Floats
    offset: float
    map_direction: Floats
    stratum_offset: Floats

    def __call__(self, features: Floats, strata: Strata | None = None) -> Floats:
        """Scores (n,) of features of one or more views (n, V, d), the mean over the views.

        Args:
            features: Of the images.
            strata: (n,) the stratum of each, −1 for none.
        """
        off = self.stratum_offset[-1] if strata is None else self.stratum_offset[strata]
        scores: Floats = (features @ self.direction).mean(axis=1) + np.float32(self.offset) - off
        return scores


def fit_probe(
    features: Floats,
    side: npt.NDArray[np.int8],
    patients: npt.NDArray[np.int64],
    seed: int,
    groups: Sequence[TokenGroup],
    map_group: int = 0,
    weights: Weights | None = None,
    strata: Strata | None = None,
) -> tuple[Probe, Floats]:
    """Fit on N against U, cross-fitted over patients.

    Args:
        features: (n, V, d) of V views; the first two are the whole image and its mirror image,
            which are what is rated.
        side: (n,) 0 for images known to be normal, 1 for unlabeled ones, −1 to rate an image only.
        patients: (n,) a number a patient.
        seed: Of the folds.
        groups: Of which blocks the features are put together; each has a probe of its own, and the
            score is the mean of theirs by weight, in standard deviations of the normal images.
        map_group: Which of them makes the map.
        weights: (n,) what each image counts in the fit; 0 only rates it.
        strata: (n,) the stratum of each image, −1 for none: features are then compared with those of
            the normal images of the same stratum.

    Returns:
        The mean of the folds' probes, for images that none of them saw; and each image's score (n,)
        by the probe that did not see its patient.
    """
    folds = _folds(patients, seed)
    counts = np.ones(len(features)) if weights is None else weights
    numbers = np.full(len(features), -1) if strata is None else strata
    scores = np.zeros(len(features), dtype=np.float32)
    probes = []
    for fold in range(_FOLDS):
        left_out = folds == fold
        of_side = [~left_out & (side == each) & (counts > 0) for each in (0, 1)]
        centres = _centres(features, numbers, of_side[0])
        normal, unlabeled = (
            _Side(features[rows] - centres[numbers[rows], None], counts[rows]) for rows in of_side
        )
        probe = _fit_groups(normal, unlabeled, groups, map_group)
        probe = replace(probe, stratum_offset=centres @ probe.direction)
        probes.append(probe)
        if left_out.any():
            scores[left_out] = probe(features[left_out, :2], numbers[left_out])
    return _mean_of(probes), scores


class _Side(NamedTuple):
    """Features (n, V, d) of N or of U, and what each image counts (n,)."""

    features: Floats
    counts: Weights


def _centres(features: Floats, strata: Strata, normal: npt.NDArray[np.bool_]) -> Floats:
    """Mean features of the normal images of each stratum, then of all of them (S + 1, d).

    Without strata (1, d) of zeros: nothing is compared within any.
    """
    count = int(strata.max(initial=-1)) + 1
    centres = np.zeros((count + 1, features.shape[2]), dtype=np.float32)
    if count:
        centres[-1] = features[normal, 0].mean(axis=0)
    for stratum in range(count):
        own = normal & (strata == stratum)
        centres[stratum] = features[own, 0].mean(axis=0) if own.any() else centres[-1]
    return centres


def _mean_of(probes: list[Probe]) -> Probe:
    return Probe(
        np.mean([probe.direction for probe in probes], axis=0),
        float(np.mean([probe.offset for probe in probes])),
        np.mean([probe.map_direction for probe in probes], axis=0),
        np.mean([probe.stratum_offset for probe in probes], axis=0),
    )


@dataclass(frozen=True, slots=True)
class ProbeMaps:
    """What a probe's maps are made of.

    Attributes:
        direction: (d,) float32, of the encoder's map group.
        normal_shares: (g, g), the mean of each patch's share over normal images.
        weights: (g, g) in [0.1, 1], of each place (`place_weights`).
    """

    direction: Floats
    normal_shares: Floats
    weights: Floats

    @classmethod
    def fit(
        cls, direction: Floats, normal: Floats, unlabeled: Floats, counts: Weights | None = None
    ) -> ProbeMaps:
        """From shares (n, g, g) of normal images, each of which counts (n,), and (m, g, g) of U."""
        means = (np.average(normal, axis=0, weights=counts), unlabeled.mean(axis=0))
        expected, others = (torch.from_numpy(mean.astype(np.float32)) for mean in means)
        return cls(direction, expected.numpy(), place_weights(expected, others).numpy())

    def of(self, tokens: Tensor, size: int) -> Tensor:
        """Maps (B, size, size), 0 where as in normal images, of tokens (B, 4, T, d).

        Args:
            tokens: Of the encoder's map group, in the four views of `half_patch_views`.
            size: Side of the maps.
        """
        grid, device = len(self.normal_shares), tokens.device
        shares = (tokens @ torch.from_numpy(self.direction).to(device)).unflatten(2, (grid, grid))
        expected = at_half_places(torch.from_numpy(self.normal_shares).to(device))
        above = overlapped(shares - expected).clamp(min=0)  # (B, 2g, 2g)
        weights = torch.from_numpy(self.weights).to(device)[None, None]
        fine = functional.interpolate(
            weights, above.shape[-2:], mode="bilinear", align_corners=False
        )
        return smooth_map(above * fine[0], size, grid)


def _folds(patients: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """A fold for each image; all images of a patient are in one."""
    _, numbers = np.unique(patients, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(numbers.max() + 1 if len(numbers) else 0)
    folds: npt.NDArray[np.int64] = shuffled[numbers] % _FOLDS
    return folds


def _fit_groups(
    normal: _Side, unlabeled: _Side, groups: Sequence[TokenGroup], map_group: int
) -> Probe:
    """A probe of several blocks' features side by side (n, V, d)."""
    ends = np.cumsum([group.width for group in groups])[:-1]
    parts = [
        [_Side(part, side.counts) for part in np.split(side.features, ends, axis=2)]
        for side in (normal, unlabeled)
    ]
    total = sum(group.weight for group in groups)
    directions, offset = [], 0.0
    for group, known, others in zip(groups, *parts, strict=True):
        penalty = _SMALL_PENALTY if group.is_small else _PENALTY
        direction, shift = _fit(known, others, penalty)
        spread = 1.0
        if len(groups) > 1:
            spread = max(float((known.features[:, 0] @ direction).std()), 1e-6)
        share = group.weight / total / spread
        directions.append(share * direction)
        offset += share * shift
    if len(groups) == 1:
        return Probe(directions[0], offset, directions[0], np.zeros(1, dtype=np.float32))
    of_map, _ = _fit(parts[0][map_group], parts[1][map_group], _MAP_PENALTY)
    return Probe(np.concatenate(directions), offset, of_map, np.zeros(1, dtype=np.float32))


def _fit(normal: _Side, unlabeled: _Side, penalty: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    views, width = normal.features.shape[1:]
    both = np.concatenate([side.features.reshape(-1, width) for side in (normal, unlabeled)])
    scale = np.maximum(normal.features[:, 0].std(axis=0), 1e-6)
    sizes = [len(side.counts) * views for side in (normal, unlabeled)]
    model: Any = LogisticRegression(C=penalty / views, class_weight="balanced", max_iter=2000)
    counts = np.concatenate([side.counts for side in (normal, unlabeled)])
    model.fit(both / scale, np.repeat((0, 1), sizes), sample_weight=np.repeat(counts, views))
    return (model.coef_[0] / scale).astype(np.float32), float(model.intercept_[0])
