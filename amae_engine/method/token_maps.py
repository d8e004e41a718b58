"""From numbers of patches to maps: a finer grid by overlapping patches, places, smoothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_REACH = 3  # standard deviations of a Gaussian that are summed
_FLOOR = 0.1  # weight of a place where unlabeled images are as normal ones are


def half_patch_views(images: Tensor, patch: int) -> Tensor:
    """Four views (B, 4, 1, H, W) of images (B, 1, H, W), half a patch down and to the right.

    In order: the image itself, to the right, down, both. The edge is mirrored.
    """
    height, width = images.shape[-2:]
    half = patch // 2
    wide = functional.pad(images, (0, half, 0, half), mode="reflect")
    return torch.stack(
        [wide[..., y : y + height, x : x + width] for y in (0, half) for x in (0, half)], dim=1
    )


def at_half_places(values: Tensor) -> Tensor:
    """What `half_patch_views` would see of smooth values (g, g) of patches: (4, g, g)."""
    wide = functional.pad(values[None, None], (0, 1, 0, 1), mode="replicate")[0, 0]
    side = len(values)
    right = (wide[:side, :side] + wide[:side, 1:]) / 2
    down = (wide[:side, :side] + wide[1:, :side]) / 2
    both = (wide[:-1, :-1] + wide[1:, 1:] + wide[:-1, 1:] + wide[1:, :-1]) / 4
    return torch.stack((values, right, down, both))


def overlapped(values: Tensor) -> Tensor:
    """A grid twice as fine (B, 2g, 2g) from the patches (B, 4, g, g) of `half_patch_views`.

    Each quarter of a patch is the mean of the patches, of all views, that cover it.
    """
    batch, _, grid, _ = values.shape
    woven = values.unflatten(1, (2, 2)).permute(0, 3, 1, 4, 2)  # (B, g, 2, g, 2)
    fine = woven.reshape(batch, 1, 2 * grid, 2 * grid)
    return functional.avg_pool2d(functional.pad(fine, (1, 0, 1, 0), mode="replicate"), 2, 1)[:, 0]


def place_weights(normal: Tensor, unlabeled: Tensor) -> Tensor:
    """How much more than elsewhere unlabeled images differ from normal ones at a place.

    Args:
        normal: (g, g), the mean of normal images' patches.
        unlabeled: (g, g), that of unlabeled ones.

    Returns:
        (g, g) in [0.1, 1]: where normal images vary and disease does not, a map says less. It
        grows with the square of the difference (chosen by boxes on unlabeled images; linearly, the
        pixel AUC on these was 0.813 in place of 0.825).
    """
    above = smoothed((unlabeled - normal)[None], 1.0)[0].clamp(min=0)
    if above.max() <= 0:  # no place where unlabeled images are more abnormal
        return torch.ones_like(above)
    return _FLOOR + (1 - _FLOOR) * (above / above.max()).square()


def smooth_map(values: Tensor, size: int, patches: int) -> Tensor:
    """Maps (B, size, size) of a grid (B, n, n), smoothed by a Gaussian of one patch.

    Args:
        values: Of each cell.
        size: Side of the map.
        patches: Of the encoder, on a side.
    """
    large = functional.interpolate(
        values[:, None], (size, size), mode="bilinear", align_corners=False
    )
    return smoothed(large[:, 0], size / patches)


def smoothed(values: Tensor, deviation: float) -> Tensor:
    """Values (B, H, W) under a Gaussian of so many cells; the edge is repeated."""
    reach = max(1, round(_REACH * deviation))
    offsets = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-0.5 * (offsets / deviation).square())
    kernel = kernel / kernel.sum()
    wide = functional.pad(values[:, None], (reach,) * 4, mode="replicate")
    across = functional.conv2d(wide, kernel[None, None, None, :])
    return functional.conv2d(across, kernel[None, None, :, None])[:, 0]
