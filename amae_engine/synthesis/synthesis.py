"""Every synthesis under one contract: normal images in, images with an anomaly and labels out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from amae_engine.config import Synthesis
from amae_engine.synthesis.anatpaste import anatpaste
from amae_engine.synthesis.cutpaste import cutpaste, cutpaste_scar, cutpaste_union
from amae_engine.synthesis.interpolation import fpi, pii
from amae_engine.synthesis.nsa import nsa
from amae_engine.synthesis.perlin_texture import perlin_texture

_FAINTEST = 1 / 255  # of a paste, before it counts as a change
_WITHIN = {
    Synthesis.CUTPASTE: cutpaste,
    Synthesis.CUTPASTE_SCAR: cutpaste_scar,
    Synthesis.CUTPASTE_UNION: cutpaste_union,
}
_BETWEEN = {
    Synthesis.FPI: fpi,
    Synthesis.PII: pii,
    Synthesis.NSA: nsa,
    Synthesis.PERLIN_TEXTURE: perlin_texture,
}


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A batch with anomalies.

    Attributes:
        images: (B, S, S) float32 in [0, 1].
        labels: (B, S, S) float32 in [0, 1]: how anomalous each pixel is by the method's own
            definition; 0 where nothing was changed.
    """

    images: Tensor
    labels: Tensor


def synthesise(
    kind: Synthesis, images: Tensor, lungs: Tensor | None, random: torch.Generator
) -> Synthetic:
    """Make one synthetic anomaly from each normal image.

    A method that needs a second image takes another one of the batch; where the batch is one image,
    its mirror image.

    Args:
        kind: Which method.
        images: (B, S, S) float32 grey values in [0, 1].
        lungs: (B, S, S) bool, for AnatPaste alone; every image has at least one lung pixel.
        random: On the images' device.
    """
    if kind is Synthesis.ANATPASTE:
        if lungs is None:
            raise ValueError("AnatPaste pastes inside the lungs; give their masks.")
        changed, mask, _ = anatpaste(images, lungs, random)
        return Synthetic(changed, (mask > _FAINTEST).float())
    if kind in _WITHIN:
        changed, where = _WITHIN[kind](images, random)
        return Synthetic(changed, where.float())
    changed, labels = _BETWEEN[kind](images, _other_images(images, random), random)
    return Synthetic(changed, labels.float())


def _other_images(images: Tensor, random: torch.Generator) -> Tensor:
    if len(images) == 1:
        return images.flip(2)
    shift = torch.randint(1, len(images), (1,), generator=random, device=random.device)
    return images.roll(int(shift), dims=0)
