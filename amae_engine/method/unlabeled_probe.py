"""N against U: a linear probe that tells unlabeled images from normal ones in frozen features.

Unlabeled images are normal ones and abnormal ones, so what sets U apart from N is what is abnormal
in it (positive-unlabeled learning; Elkan and Noto, KDD 2008). No image rates itself: the probe is
cross-fitted, and all images of a patient are left out together. It is linear in mean-pooled patch
tokens, so each patch's share of an image's score is known: that is its map (Zhou et al., CVPR 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from amae_engine.config import Precision
from amae_engine.method.compute_device import autocast
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

Floats = npt.NDArray[np.float32]

FEWEST_UNLABELED = 10
_FOLDS = 5
_PENALTY = 0.03  # scikit-learn's C; chosen on the unlabeled images of both development sets


@dataclass(frozen=True, slots=True)
class Probe:
    """A linear function of mean-pooled patch tokens; larger is more like U.

    Attributes:
        direction: (d,) float32.
        offset: Added to it.
    """

    direction: Floats
    offset: float

    def __call__(self, features: Floats) -> Floats:
        """Scores (n,) of features of one or more views (n, V, d), the mean over the views."""
        scores: Floats = (features @ self.direction).mean(axis=1) + np.float32(self.offset)
        return scores


def fit_probe(
    features: Floats,
    side: npt.NDArray[np.int8],
    patients: npt.NDArray[np.int64],
    seed: int,
) -> tuple[Probe, Floats]:
    """Fit on N against U, cross-fitted over patients.

    Args:
        features: (n, V, d) of V views; the first two are the whole image and its mirror image,
            which are what is rated.
        side: (n,) 0 for images known to be normal, 1 for unlabeled ones, −1 to rate an image only.
        patients: (n,) a number a patient.
        seed: Of the folds.

    Returns:
        The mean of the folds' probes, for images that none of them saw; and each image's score (n,)
        by the probe that did not see its patient.
    """
    folds = _folds(patients, seed)
    scores = np.zeros(len(features), dtype=np.float32)
    probes = []
    for fold in range(_FOLDS):
        left_out = folds == fold
        probe = _fit(features[~left_out & (side == 0)], features[~left_out & (side == 1)])
        probes.append(probe)
        if left_out.any():
            scores[left_out] = probe(features[left_out, :2])
    direction = np.mean([probe.direction for probe in probes], axis=0)
    return Probe(direction, float(np.mean([probe.offset for probe in probes]))), scores


def token_scores(
    network: MaskedAutoencoder, probe: Probe, images: Tensor, precision: Precision
) -> Tensor:
    """What each patch adds to an image's score: (B, g, g), whose mean is the score.

    Args:
        network: The frozen encoder that the probe was fitted on.
        probe: The probe.
        images: (B, 1, H, W) standardised.
        precision: Of the matrix products.
    """
    direction = torch.from_numpy(probe.direction).to(images.device)
    with torch.no_grad(), autocast(images.device, precision):
        tokens = network.encode(network.patchify(images))[:, 1:].float()
    side = network.config.image_size // network.config.patch_size
    return (tokens @ direction + probe.offset).reshape(-1, side, side)


def probe_maps(shares: Tensor, normal_shares: Tensor, size: int) -> Tensor:
    """Maps (B, size, size): patches' shares (B, g, g) above those of normal images (g, g)."""
    above = (shares - normal_shares)[:, None]
    return functional.interpolate(above, (size, size), mode="bilinear", align_corners=False)[:, 0]


def _folds(patients: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """A fold for each image; all images of a patient are in one."""
    _, numbers = np.unique(patients, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(numbers.max() + 1 if len(numbers) else 0)
    folds: npt.NDArray[np.int64] = shuffled[numbers] % _FOLDS
    return folds


def _fit(normal: Floats, unlabeled: Floats) -> Probe:
    from sklearn.linear_model import LogisticRegression

    views, width = normal.shape[1:]
    both = np.concatenate((normal.reshape(-1, width), unlabeled.reshape(-1, width)))
    scale = np.maximum(normal[:, 0].std(axis=0), 1e-6)
    is_unlabeled = np.repeat((0, 1), (len(normal) * views, len(unlabeled) * views))
    model: Any = LogisticRegression(C=_PENALTY / views, class_weight="balanced", max_iter=2000)
    model.fit(both / scale, is_unlabeled)
    return Probe((model.coef_[0] / scale).astype(np.float32), float(model.intercept_[0]))
