"""How well maps find what a radiologist has marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]

_MOST_PIXELS = 4_000_000
_THRESHOLDS = 200


@dataclass(frozen=True, slots=True)
class Localisation:
    """One map, judged on n images with marked regions.

    Attributes:
        images: n.
        marked_share: Of all pixels; the AP and the pointing game of a map that knows nothing.
        pixel_auc: Over all pixels of these images.
        pixel_ap: The same; average precision.
        pointed: Images whose highest pixel lies in a marked region (pointing game; Zhang et al.,
            ECCV 2016).
        dice: Mean over the images, each thresholded where the other half of the images is best.
    """

    images: int
    marked_share: float
    pixel_auc: float
    pixel_ap: float
    pointed: int
    dice: float


def judge_maps(maps: Maps, masks: Masks) -> Localisation:
    """Judge maps (n, H, W), larger where more abnormal, on marked regions (n, H, W).

    Every image must have a marked pixel, and one that is not.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    every = -(-maps.size // _MOST_PIXELS)
    values, truth = maps.reshape(-1)[::every], masks.reshape(-1)[::every]
    highest = maps.reshape(len(maps), -1).argmax(axis=1)
    pointed = masks.reshape(len(masks), -1)[np.arange(len(maps)), highest]
    return Localisation(
        images=len(maps),
        marked_share=float(masks.mean()),
        pixel_auc=float(roc_auc_score(truth, values)),
        pixel_ap=float(average_precision_score(truth, values)),
        pointed=int(pointed.sum()),
        dice=_dice_across_halves(maps, masks),
    )


def _dice_across_halves(maps: Maps, masks: Masks) -> float:
    cuts = np.quantile(maps, np.linspace(0.5, 0.999, _THRESHOLDS)).astype(np.float32)
    dice = np.stack([_dice(maps >= cut, masks) for cut in cuts])  # (thresholds, n)
    half = np.arange(len(maps)) % 2
    found = np.zeros(len(maps))
    for number in np.unique(half):
        others = half != number if len(maps) > 1 else half == number
        found[half == number] = dice[dice[:, others].mean(axis=1).argmax(), half == number]
    return float(found.mean())


def _dice(one: Masks, other: Masks) -> npt.NDArray[np.float64]:
    both = (one & other).sum(axis=(1, 2))
    either = one.sum(axis=(1, 2)) + other.sum(axis=(1, 2))
    result: npt.NDArray[np.float64] = 2 * both / either
    return result
