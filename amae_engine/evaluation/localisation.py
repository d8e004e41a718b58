"""How well maps find what a radiologist has marked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amae_engine.evaluation.agreement import Proportion, share_of
from amae_engine.evaluation.measured import Measured
from amae_engine.evaluation.patients import FEWEST, Ids, drawn, mean_of, numbered

Maps = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]

DICE = "each image cut where the other half of the images is best"  # one definition everywhere
_MOST_PIXELS = 4_000_000
_THRESHOLDS = 200
_BINS = 512  # of the pixels' values, for the bootstrap
_REPEATS = 500


@dataclass(frozen=True, slots=True)
class Localisation:
    """One map, judged on n images with marked regions; every interval is over patients.

    Attributes:
        images: n.
        patients: Whose they are.
        marked_share: Of all pixels; the AP and the pointing game of a map that knows nothing.
        pixel_auc: Over all pixels of these images; its interval by bootstrap.
        pixel_ap: The same; average precision.
        pointed: Share of the images whose highest pixel lies in a marked region (pointing game; Zhang
            et al., ECCV 2016).
        dice: Mean over the images, each cut where the other half of the images is best; NaN for one.
    """

    images: int
    patients: int
    marked_share: float
    pixel_auc: Measured
    pixel_ap: Measured
    pointed: Proportion
    dice: Measured

    @property
    def texts(self) -> dict[str, str]:
        """Its figures by their names, for every table."""
        return {
            "pixel AUC": self.pixel_auc.text(3),
            "pixel AP": self.pixel_ap.text(3),
            "highest pixel in a region": self.pointed.text(),
            "Dice": "–" if math.isnan(self.dice.value) else self.dice.text(),
        }

    @property
    def facts(self) -> dict[str, object]:
        """For JSON."""
        figures = {
            name: getattr(self, name).numbers
            for name in ("pixel_auc", "pixel_ap", "pointed", "dice")
        }
        counts = {"images": self.images, "patients": self.patients}
        return {**counts, "marked_share": self.marked_share, **figures}


def judge_maps(maps: Maps, masks: Masks, patients: Ids | None = None) -> Localisation:
    """Judge maps (n, H, W), larger where more abnormal, on marked regions (n, H, W) of patients (n,).

    Every image must have a marked pixel, and one that is not.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    every = -(-maps.size // _MOST_PIXELS)
    values, truth = maps.reshape(-1)[::every], masks.reshape(-1)[::every]
    highest = maps.reshape(len(maps), -1).argmax(axis=1)
    pointed = masks.reshape(len(masks), -1)[np.arange(len(maps)), highest]
    owner, count = numbered(patients, len(maps))
    bounds = _bootstrap(maps, masks, owner) if count >= FEWEST else np.full((2, 2), math.nan)
    dice = _dice_across_halves(maps, masks, owner)
    return Localisation(
        images=len(maps),
        patients=count,
        marked_share=float(masks.mean()),
        pixel_auc=Measured(float(roc_auc_score(truth, values)), *bounds[0].tolist()),
        pixel_ap=Measured(float(average_precision_score(truth, values)), *bounds[1].tolist()),
        pointed=share_of(pointed, owner),
        dice=mean_of(dice, owner)
        if count >= FEWEST
        else Measured(float(dice.mean()), math.nan, math.nan),
    )


def _bootstrap(maps: Maps, masks: Masks, owner: Ids) -> npt.NDArray[np.float64]:
    """95 % bounds (2, 2) of pixel AUC and pixel AP, with the values in bins of equally many pixels."""
    edges = np.unique(np.quantile(maps, np.linspace(0, 1, _BINS + 1)[1:-1]))
    inside, outside = (
        np.stack([
            np.bincount(np.searchsorted(edges, one[chosen], side="right"), minlength=len(edges) + 1)
            for one, chosen in zip(maps, side, strict=True)
        ])
        for side in (masks, ~masks)
    )  # fmt: skip
    found = []
    for weights in drawn(owner, _REPEATS, 0):
        hits, others = weights @ inside, weights @ outside  # (r, bins), by rising value
        below = others.cumsum(axis=1) - others / 2
        area = (hits * below).sum(axis=1) / (hits.sum(axis=1) * others.sum(axis=1))
        falling, all_of_them = hits[:, ::-1], (hits + others)[:, ::-1].cumsum(axis=1)
        precision = falling.cumsum(axis=1) / np.maximum(all_of_them, 1)
        found.append(np.stack((area, (falling * precision).sum(axis=1) / hits.sum(axis=1))))
    bounds: npt.NDArray[np.float64] = np.percentile(
        np.concatenate(found, axis=1), (2.5, 97.5), axis=1
    ).T
    return bounds


def _dice_across_halves(maps: Maps, masks: Masks, owner: Ids) -> npt.NDArray[np.float64]:
    """Dice (n,) of each image; the halves are of whole patients. NaN where there is one patient."""
    cuts = np.quantile(maps, np.linspace(0.5, 0.999, _THRESHOLDS)).astype(np.float32)
    dice = np.stack([_dice(maps >= cut, masks) for cut in cuts])  # (thresholds, n)
    half = np.asarray(owner) % 2
    found = np.full(len(maps), math.nan)
    for number in np.unique(half):
        own, others = half == number, half != number
        if others.any():
            found[own] = dice[dice[:, others].mean(axis=1).argmax(), own]
    return found


def _dice(one: Masks, other: Masks) -> npt.NDArray[np.float64]:
    both = (one & other).sum(axis=(1, 2))
    either = one.sum(axis=(1, 2)) + other.sum(axis=(1, 2))
    result: npt.NDArray[np.float64] = 2 * both / either
    return result
