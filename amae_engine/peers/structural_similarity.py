"""SSIM (Wang et al., 2004) and MS-SSIM (Wang et al., 2003) of grey images in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
_SIGMA = 1.5


def ssim(first: Tensor, second: Tensor, window: int = 11, is_padded: bool = False) -> Tensor:
    """Mean structural similarity (B,) of images (B, 1, H, W), at most 1.

    Args:
        first: Grey values 0…1.
        second: The same.
        window: Pixels across the Gaussian.
        is_padded: At every pixel, beyond whose image there is 0, in place of where it fits.
    """
    luminance, contrast = _terms(first, second, window, window // 2 if is_padded else 0)
    return (luminance * contrast).mean(dim=(1, 2, 3))


def multi_scale_ssim(
    first: Tensor, second: Tensor, weights: Sequence[float], window: int = 3
) -> Tensor:
    """Similarity (B,) over as many scales as there are weights, each half the last one's side."""
    result = torch.ones(len(first), device=first.device)
    for scale, weight in enumerate(weights):
        luminance, contrast = _terms(first, second, window)
        is_last = scale == len(weights) - 1
        value = (luminance * contrast if is_last else contrast).mean(dim=(1, 2, 3))
        result = result * value.clamp(min=1e-6) ** weight
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    return result


def _terms(first: Tensor, second: Tensor, window: int, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms at every place where the window fits."""
    pixels = torch.arange(window, device=first.device) - (window - 1) / 2
    curve = torch.exp(-pixels.square() / (2 * _SIGMA**2))
    kernel = (curve[:, None] * curve[None])[None, None]
    kernel = kernel / kernel.sum()

    def mean(images: Tensor) -> Tensor:
        return functional.conv2d(images, kernel, padding=padding)

    one, two = mean(first), mean(second)
    variance_one = mean(first.square()) - one.square()
    variance_two = mean(second.square()) - two.square()
    covariance = mean(first * second) - one * two
    luminance = (2 * one * two + _LUMINANCE) / (one.square() + two.square() + _LUMINANCE)
    contrast = (2 * covariance + _CONTRAST) / (variance_one + variance_two + _CONTRAST)
    return luminance, contrast
