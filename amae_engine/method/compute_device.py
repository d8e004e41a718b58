"""Where the tensors live, and in which number format the matrix products run."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from amae_engine.config import Precision
from amae_engine.errors import BadSetting

_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def choose_device(name: str) -> torch.device:
    """The device of a setting: "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises:
        BadSetting: The device is not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadSetting(
            f"device '{name}' is not usable on this machine; choose auto or cpu."
        ) from error
    return device


def be_deterministic(wanted: bool) -> None:
    """Take only kernels that add in one order, so that a GPU repeats a run bit for bit; or any again.

    On a CPU they all do, with equal threads. PyTorch names an operation that has no such kernel.
    """
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read with the first product
    torch.use_deterministic_algorithms(wanted)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The autocast context of a setting; AUTO takes bf16 where the hardware multiplies it."""
    if number_format(device, precision) is Precision.FLOAT32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def number_format(device: torch.device, precision: Precision) -> Precision:
    """What a setting means on a device: BF16 or FLOAT32."""
    if precision is not Precision.AUTO:
        return precision
    return Precision.BF16 if _has_bf16(device) else Precision.FLOAT32


def random_generator(device: torch.device, *keys: int) -> torch.Generator:
    """A generator whose draws depend on `keys` alone, so that a resumed run repeats them."""
    seed = 0
    for key in keys:
        seed = (seed * 1_000_003 + key + 1) % (2**63 - 1)
    return torch.Generator(device).manual_seed(seed)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu_facts = Path("/proc/cpuinfo")
    if device.type != "cpu" or not cpu_facts.is_file():
        return False
    with cpu_facts.open() as lines:
        flags = next((line for line in lines if line.startswith("flags")), "")
    return any(flag in flags for flag in _BF16_FLAGS)
