"""Operations of the network, and the machine's measured matrix-product peak."""

from __future__ import annotations

import time

import torch

from amae_engine.config import ModelConfig, Precision
from amae_engine.jobs.planning.step_trials import synchronise
from amae_engine.method.compute_device import autocast
from amae_engine.method.masking import visible_count
from tests.benchmarks.process_memory import peak_resident_bytes

_TRIAL_SECONDS = 0.5
_SHAPE = (2048, 768, 3072)


def forward_operations(config: ModelConfig, visible: int, decoded: bool = True) -> float:
    """Floating-point operations of one forward pass of one image under one mask.

    A multiply-add counts as two; attention's products are included, norms and activations not.
    """
    encoder = _transformer(visible + 1, config.encoder_width, config.encoder_depth)
    total = encoder + 2 * visible * config.patch_size**2 * config.encoder_width
    if decoded:
        tokens, width = config.patches + 1, config.decoder_width
        total += _transformer(tokens, width, config.decoder_depth)
        total += 2 * tokens * width * config.patch_size**2
        total += 2 * (visible + 1) * config.encoder_width * width
    return float(total)


def training_operations(config: ModelConfig, mask_ratio: float, masks: int) -> float:
    """Operations of one training image: forward and twice that backward, for each mask."""
    visible = visible_count(config.patches, mask_ratio)
    return 3 * masks * forward_operations(config, visible)


def matmul_peak(device: torch.device, precision: Precision) -> float:
    """Operations a second of a large matrix product on this device, best of several trials."""
    rows, inner, columns = _SHAPE
    scale = 4 if device.type == "cuda" else 1
    left = torch.randn(rows * scale, inner * scale, device=device)
    right = torch.randn(inner * scale, columns * scale, device=device)
    operations = 2.0 * rows * inner * columns * scale**3
    best = float("inf")
    with autocast(device, precision):
        dtype = (left[:2] @ right).dtype
    left, right = left.to(dtype), right.to(dtype)
    end = time.perf_counter() + _TRIAL_SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        left @ right
        synchronise(device)
        best = min(best, time.perf_counter() - began)
    return operations / best


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory that this process has held: on the GPU, else resident on the host."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return peak_resident_bytes()


def _transformer(tokens: int, width: int, depth: int) -> int:
    linear = 2 * tokens * 12 * width**2
    attention = 4 * tokens**2 * width
    return depth * (linear + attention)
