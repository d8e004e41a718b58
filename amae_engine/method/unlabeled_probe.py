"""N against U: a linear probe that tells unlabeled images from normal ones in frozen features.

Unlabeled images are normal ones and abnormal ones, so what sets U apart from N is what is abnormal
in it (positive-unlabeled learning; Elkan and Noto, KDD 2008). No image rates itself: the probe is
cross-fitted, and all images of a patient are left out together. It is linear in mean-pooled patch
tokens, so each patch's share of an image's score is known (Zhou et al., CVPR 2016): a map shows by
how much it lies above that of normal images at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """

    direction: Floats
    offset: float
    map_direction: Floats

    def __call__(self, features: Floats) -> Floats:
        """Scores (n,) of features of one or more views (n, V, d), the mean over the views."""
        scores: Floats = (features @ self.direction).mean(axis=1) + np.float32(self.offset)
        return scores


def fit_probe(
    features: Floats,
    side: npt.NDArray[np.int8],
    patients: npt.NDArray[np.int64],
    seed: int,
    groups: Sequence[TokenGroup],
    map_group: int = 0,
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

    Returns:
        The mean of the folds' probes, for images that none of them saw; and each image's score (n,)
        by the probe that did not see its patient.
    """
    folds = _folds(patients, seed)
    scores = np.zeros(len(features), dtype=np.float32)
    probes = []
    for fold in range(_FOLDS):
        left_out = folds == fold
        normal, unlabeled = (features[~left_out & (side == each)] for each in (0, 1))
        probe = _fit_groups(normal, unlabeled, groups, map_group)
        probes.append(probe)
        if left_out.any():
            scores[left_out] = probe(features[left_out, :2])
    return _mean_of(probes), scores


def _mean_of(probes: list[Probe]) -> Probe:
    return Probe(
        np.mean([probe.direction for probe in probes], axis=0),
        float(np.mean([probe.offset for probe in probes])),
        np.mean([probe.map_direction for probe in probes], axis=0),
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
    def fit(cls, direction: Floats, normal: Floats, unlabeled: Floats) -> ProbeMaps:
        """From shares (n, g, g) of normal images and (m, g, g) of unlabeled ones."""
        means = (each.mean(axis=0) for each in (normal, unlabeled))
        usual, others = (torch.from_numpy(mean.astype(np.float32)) for mean in means)
        return cls(direction, usual.numpy(), place_weights(usual, others).numpy())

    def of(self, tokens: Tensor, size: int) -> Tensor:
        """Maps (B, size, size), 0 where as in normal images, of tokens (B, 4, T, d).

        Args:
            tokens: Of the encoder's map group, in the four views of `half_shifted`.
            size: Side of the maps.
        """
        grid, device = len(self.normal_shares), tokens.device
        shares = (tokens @ torch.from_numpy(self.direction).to(device)).unflatten(2, (grid, grid))
        usual = at_half_places(torch.from_numpy(self.normal_shares).to(device))
        above = overlapped(shares - usual).clamp(min=0)  # (B, 2g, 2g)
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
    normal: Floats, unlabeled: Floats, groups: Sequence[TokenGroup], map_group: int
) -> Probe:
    """A probe of several blocks' features side by side (n, V, d)."""
    ends = np.cumsum([group.width for group in groups])[:-1]
    parts = list(
        zip(np.split(normal, ends, axis=2), np.split(unlabeled, ends, axis=2), strict=True)
    )
    total = sum(group.weight for group in groups)
    directions, offset = [], 0.0
    for group, (known, others) in zip(groups, parts, strict=True):
        penalty = _SMALL_PENALTY if group.is_small else _PENALTY
        direction, shift = _fit(known, others, penalty)
        spread = max(float((known[:, 0] @ direction).std()), 1e-6) if len(groups) > 1 else 1.0
        share = group.weight / total / spread
        directions.append(share * direction)
        offset += share * shift
    if len(groups) == 1:
        return Probe(directions[0], offset, directions[0])
    of_map, _ = _fit(*parts[map_group], _MAP_PENALTY)
    return Probe(np.concatenate(directions), offset, of_map)


def _fit(normal: Floats, unlabeled: Floats, penalty: float) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression

    views, width = normal.shape[1:]
    both = np.concatenate((normal.reshape(-1, width), unlabeled.reshape(-1, width)))
    scale = np.maximum(normal[:, 0].std(axis=0), 1e-6)
    is_unlabeled = np.repeat((0, 1), (len(normal) * views, len(unlabeled) * views))
    model: Any = LogisticRegression(C=penalty / views, class_weight="balanced", max_iter=2000)
    model.fit(both / scale, is_unlabeled)
    return (model.coef_[0] / scale).astype(np.float32), float(model.intercept_[0])
