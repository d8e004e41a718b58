"""NSA (Schlüter et al., ECCV 2022): natural synthetic anomalies by Poisson mixed cloning.

Sizes are fractions of the side; grey values are given of 255, radii in pixels at 256².
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from amae_engine.synthesis.placing import box_mask, moved, uniform
from amae_engine.synthesis.poisson import blend, gradient, stronger

PATCHES = 3  # at most; each after the first with probability one half
HALF_WIDTH = (0.03, 0.4)
GAMMA_OFFSET, GAMMA_SCALE = 0.05, 0.03  # half-width: offset + Gamma(2, scale)
RESIZE = (0.7, 1.3)
BACKGROUND = 20 / 255
OVERLAP = 0.7  # of the patch must be object, in the second image and in this one
STEEPNESS, MIDDLE = 1 / 2, 4  # of the logistic label, in grey values of 255
_TRIES = 32  # places drawn for a patch; without a fit it is left out
_GRID = 16  # points across a patch at which object is looked for
_LEVELS = 16  # of the label's median
_MEDIAN_RADIUS = 5
_REFERENCE_SIDE = 256


def nsa(images: Tensor, others: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clone up to three resized and shifted patches of another image into each image.

    Args:
        images: (B, S, S) in [0, 1].
        others: (B, S, S), the second images.
        random: On the images' device.

    Returns:
        The images, and the labels (B, S, S) in [0, 1]: logistic in the change of grey value, 0
        where nothing changed by a grey value of 255.
    """
    objects = images > BACKGROUND, others > BACKGROUND
    result, changed = images, torch.zeros_like(objects[0])
    for number in range(PATCHES):
        wanted = torch.ones(len(images), device=images.device, dtype=torch.bool)
        if number:
            wanted = uniform(len(images), 0, 1, random) < 0.5
        result, mask = _clone(result, others, objects, wanted, random)
        changed |= mask
    return result, logistic_label((result - images).abs() * changed)


def logistic_label(change: Tensor) -> Tensor:
    """The label of a change of grey value (B, S, S) in [0, 1]: median-filtered, then logistic.

    A median commutes with the logistic; it is taken on 16 levels, each a majority within the disk.
    """
    scale = change.shape[-1] / _REFERENCE_SIDE
    grain = _majority((change * 255 > 1).float()[:, None], _square(max(1, round(2 * scale))))
    values = torch.sigmoid(STEEPNESS * (change * grain[:, 0] * 255 - MIDDLE))
    lowest = torch.sigmoid(torch.tensor(-STEEPNESS * MIDDLE)).item()
    step = (1 - lowest) / _LEVELS
    levels = lowest + step * (torch.arange(_LEVELS, device=change.device) + 0.5)
    above = (values[:, None] >= levels[None, :, None, None]).float()  # (B, levels, S, S)
    disk = _disk(max(1, round(_MEDIAN_RADIUS * scale)))
    median = lowest + step * _majority(above, disk).sum(dim=1)
    return median * grain[:, 0]


def _clone(
    images: Tensor,
    others: Tensor,
    objects: tuple[Tensor, Tensor],
    wanted: Tensor,
    random: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """One more patch in each image that wants one and has a place for it."""
    count, side = images.shape[0], images.shape[-1]
    half = (_half_widths(count, random) * side).clamp(min=2)
    source, found = _source(objects[1], half, random)
    scale = (1 + 0.5 * torch.randn(count, generator=random, device=random.device)).clamp(*RESIZE)
    scale = torch.minimum(scale, (HALF_WIDTH[1] * side / half).amin(dim=1))
    new_half = (half * scale[:, None]).floor().clamp(min=2)
    target, fits = _target(objects, source, half, new_half, random)
    wanted = wanted & found & fits
    foreign = moved(others, source, target, scale)
    guide = stronger(gradient(foreign), gradient(images))
    blended = blend(images, guide, target - new_half + 1, 2 * new_half - 1).clamp(0, 1)
    moved_object = moved(objects[1].float(), source, target, scale) > 0.5
    mask = box_mask(side, target, new_half - 1) & wanted[:, None, None]
    return torch.where(mask, blended, images), mask & (moved_object | objects[0])


def _half_widths(count: int, random: torch.Generator) -> Tensor:
    """(B, 2) half height and half width; Gamma(2) is the sum of two exponentials."""
    draws = torch.rand(2, count, 2, generator=random, device=random.device)
    gamma = -torch.log1p(-draws).sum(dim=0)
    return (GAMMA_OFFSET + GAMMA_SCALE * gamma).clamp(*HALF_WIDTH)


def _source(is_object: Tensor, half: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A centre (B, 2) whose box is mostly object, and whether there was one (B,)."""
    centres = _centres(is_object.shape[-1], half, random)
    share = _looked_at(is_object, centres, half).float().mean(dim=(2, 3))
    return _first(centres, share > OVERLAP)


def _target(
    objects: tuple[Tensor, Tensor],
    source: Tensor,
    half: Tensor,
    new_half: Tensor,
    random: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """A centre (B, 2) where the patch's object lies on object, and whether there was one (B,)."""
    centres = _centres(objects[0].shape[-1], new_half + 1, random)
    of_patch = _looked_at(objects[1], source[:, None], half)  # (B, 1, grid, grid)
    under = _looked_at(objects[0], centres, new_half) & of_patch
    share = under.sum(dim=(2, 3)) / of_patch.sum(dim=(2, 3)).clamp(min=1)
    return _first(centres, share > OVERLAP)


def _centres(side: int, half: Tensor, random: torch.Generator) -> Tensor:
    """(B, tries, 2) whole-pixel centres of boxes that lie inside the image."""
    draws = torch.rand(len(half), _TRIES, 2, generator=random, device=random.device)
    half = half.ceil()[:, None]
    return (half + draws * (side - 2 * half)).floor().clamp(max=side - 1)


def _looked_at(mask: Tensor, centres: Tensor, half: Tensor) -> Tensor:
    """A mask (B, S, S) at a grid of points in boxes around centres (B, K, 2): (B, K, 16, 16)."""
    side = mask.shape[-1]
    across = torch.linspace(-1, 1, _GRID, device=mask.device)
    points = centres[..., None] + across * half[:, None, :, None]  # (B, K, 2, grid)
    rows, columns = points.round().long().clamp(0, side - 1).unbind(dim=2)
    batch = torch.arange(len(mask), device=mask.device)[:, None, None, None]
    return mask[batch, rows[..., :, None], columns[..., None, :]]


def _first(centres: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
    chosen = good.float().argmax(dim=1)
    return centres[torch.arange(len(centres), device=centres.device), chosen], good.any(dim=1)


def _majority(values: Tensor, shape: Tensor) -> Tensor:
    """Whether more than half of a shape's pixels are 1, around each pixel of (B, C, S, S)."""
    weight = (shape / shape.sum()).to(values).expand(values.shape[1], 1, -1, -1)
    padded = functional.pad(values, [shape.shape[-1] // 2] * 4, mode="replicate")
    return (functional.conv2d(padded, weight, groups=values.shape[1]) > 0.5).float()


def _square(radius: int) -> Tensor:
    return torch.ones(2 * radius + 1, 2 * radius + 1)


def _disk(radius: int) -> Tensor:
    pixels = torch.arange(-radius, radius + 1)
    return (pixels[:, None].square() + pixels[None].square() <= radius**2).float()
