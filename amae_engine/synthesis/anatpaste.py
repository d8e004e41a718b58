"""AnatPaste ([22], Eq. 1) on batches: a patch of a normal image pasted inside its lungs.

Sizes are fractions of the image or pixels at 256², scaled to the image at hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_REFERENCE_SIDE = 256
AREA = (0.02, 0.15)  # of the image
ASPECT = (0.3, 1 / 0.3)  # width / height, log-uniform
JITTER = 0.1  # brightness and contrast factors 1 ± this
INSET = 10  # pixels at 256² between the patch's edge and the pasted shape
OPACITY = (150 / 255, 254 / 255)
BLUR = (0.0, 14.0)  # Gaussian sigma in pixels at 256²


@dataclass(frozen=True, slots=True)
class PasteDraw:
    """What was drawn for each image of a batch; every field is (B,), in pixels where it says so.

    Attributes:
        width, height: Of the cut patch, pixels.
        from_top, from_left: Corner of the cut patch, pixels.
        to_row, to_column: Centre of the pasted patch, pixels.
        brightness, contrast: Jitter factors.
        is_ellipse: Shape of the paste; a rectangle otherwise.
        opacity: Mask value before blurring, 0…1.
        blur: Gaussian sigma, pixels.
    """

    width: Tensor
    height: Tensor
    from_top: Tensor
    from_left: Tensor
    to_row: Tensor
    to_column: Tensor
    brightness: Tensor
    contrast: Tensor
    is_ellipse: Tensor
    opacity: Tensor
    blur: Tensor


def anatpaste(
    images: Tensor, lungs: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor, PasteDraw]:
    """Make one synthetic anomaly from each normal image.

    Args:
        images: (B, S, S) float32 grey values in [0, 1].
        lungs: (B, S, S) bool; every image has at least one lung pixel.
        random: On the images' device.

    Returns:
        The anomalous images (B, S, S), the mask x_mask of Eq. 1 (B, S, S) in [0, 1], and the
        draw behind them.
    """
    draw = draw_pastes(lungs, random)
    pasted = _moved_patch(images, draw)
    mask = paste_mask(images.shape[-1], draw) * lungs
    return images * (1 - mask) + pasted * mask, mask, draw


def draw_pastes(lungs: Tensor, random: torch.Generator) -> PasteDraw:
    """Draw size, place, shape and look of a paste for each image of a batch."""
    count, side = lungs.shape[0], lungs.shape[-1]
    scale = side / _REFERENCE_SIDE

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=random, device=random.device)

    area = uniform(*AREA) * side**2
    aspect = torch.exp(uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
    width = (area * aspect).sqrt().round().clamp(2, side - 1)
    height = (area / aspect).sqrt().round().clamp(2, side - 1)
    centre = _any_pixel(lungs.flatten(1), uniform(0, 1))
    return PasteDraw(
        width=width,
        height=height,
        from_top=(uniform(0, 1) * (side - height)).floor(),
        from_left=(uniform(0, 1) * (side - width)).floor(),
        to_row=centre // side,
        to_column=centre % side,
        brightness=uniform(1 - JITTER, 1 + JITTER),
        contrast=uniform(1 - JITTER, 1 + JITTER),
        is_ellipse=uniform(0, 1) < 0.5,
        opacity=uniform(*OPACITY),
        blur=uniform(*BLUR) * scale,
    )


def _any_pixel(lungs: Tensor, draws: Tensor) -> Tensor:
    """One true pixel of each row of lungs (B, S·S), all equally likely; draws (B,) in [0, 1)."""
    before = lungs.cumsum(dim=1, dtype=torch.int32)  # true pixels up to and with this one
    count = before[:, -1:]
    wanted = (draws[:, None] * count).floor().int().clamp(max=count - 1) + 1
    return torch.searchsorted(before, wanted).squeeze(1)


def paste_mask(side: int, draw: PasteDraw) -> Tensor:
    """The blurred shape (B, S, S) in [0, 1] at its place, before the lungs cut it."""
    inset = INSET * side / _REFERENCE_SIDE
    half_width = (draw.width / 2 - inset).clamp(min=1)[:, None, None]
    half_height = (draw.height / 2 - inset).clamp(min=1)[:, None, None]
    pixels = torch.arange(side, device=draw.width.device)
    down = (pixels[None, :, None] - draw.to_row[:, None, None]) / half_height
    across = (pixels[None, None, :] - draw.to_column[:, None, None]) / half_width
    rectangle = (down.abs() <= 1) & (across.abs() <= 1)
    ellipse = down.square() + across.square() <= 1
    shape = torch.where(draw.is_ellipse[:, None, None], ellipse, rectangle).float()
    blur = _blur_matrix(draw.blur, side)
    return blur @ (shape * draw.opacity[:, None, None]) @ blur.transpose(1, 2)


def _moved_patch(images: Tensor, draw: PasteDraw) -> Tensor:
    """Each image shifted so that its cut patch lies at the paste's place, with jitter."""
    count, side = images.shape[0], images.shape[-1]
    pixels = torch.arange(side, device=images.device)
    down = (draw.from_top + (draw.height / 2).floor() - draw.to_row).long()
    across = (draw.from_left + (draw.width / 2).floor() - draw.to_column).long()
    rows = (pixels + down[:, None]).clamp(0, side - 1)  # (B, S)
    columns = (pixels + across[:, None]).clamp(0, side - 1)
    batch = torch.arange(count, device=images.device)[:, None, None]
    moved = images[batch, rows[:, :, None], columns[:, None, :]]
    mean = _patch_mean(images, draw)
    brighter = (moved * draw.brightness[:, None, None]).clamp(0, 1)
    mean = (mean * draw.brightness).clamp(0, 1)[:, None, None]
    return (mean + (brighter - mean) * draw.contrast[:, None, None]).clamp(0, 1)


def _patch_mean(images: Tensor, draw: PasteDraw) -> Tensor:
    pixels = torch.arange(images.shape[-1], device=images.device)
    rows = (pixels >= draw.from_top[:, None]) & (pixels < (draw.from_top + draw.height)[:, None])
    columns = (pixels >= draw.from_left[:, None]) & (
        pixels < (draw.from_left + draw.width)[:, None]
    )
    total = torch.einsum("bij,bi,bj->b", images, rows.float(), columns.float())
    return total / (draw.width * draw.height)


def _blur_matrix(sigma: Tensor, side: int) -> Tensor:
    """Gaussian blur of a column as a matrix (B, S, S); the edge repeats by renormalising."""
    pixels = torch.arange(side, device=sigma.device, dtype=torch.float32)
    distance = (pixels[:, None] - pixels[None]).square()
    weights = torch.exp(-distance / (2 * sigma.clamp(min=0.05).square())[:, None, None])
    return weights / weights.sum(dim=2, keepdim=True)
