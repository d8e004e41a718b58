"""What this machine and this installation can do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from amae_engine.child_environment import how_threads_wait
from amae_engine.resources import resource
from amae_engine.runs.environment import versions


def machine_facts() -> dict[str, str]:
    """Versions, device, number format, cores, free disk, shipped files."""
    import torch

    from amae_engine.config import Precision
    from amae_engine.method.compute_device import autocast, choose_device

    device = choose_device("auto")
    with autocast(device, Precision.AUTO):
        left = torch.ones(2, 2, device=device)
        number_format = str((left @ left).dtype).removeprefix("torch.")
    free = shutil.disk_usage(Path.home()).free / 1e9
    shipped = {
        "bundled weights": "weights/compact.safetensors",
        "demo images": "demo/manifest.csv",
    }
    return {
        **versions(),
        "device": device_name(),
        "matrix products": number_format,
        "cores": str(os.cpu_count()),
        "threads": (
            f"{torch.get_num_threads()} a training ({how_threads_wait()}); other programs use "
            f"{_busy_cores():.1f} cores now"
        ),
        "free disk": f"{free:.1f} GB",
        **{k: "present" if resource(v).is_file() else "missing" for k, v in shipped.items()},
    }


def _busy_cores() -> float:
    """What is at work on this machine, this process aside, over a third of a second."""
    return (os.cpu_count() or 1) * psutil.cpu_percent(interval=0.3) / 100


def has_gpu() -> bool:
    """Whether there is a CUDA GPU; loads no torch."""
    return Path("/proc/driver/nvidia/version").exists() or bool(shutil.which("nvidia-smi"))


def device_name() -> str:
    """The device that "auto" chooses, and its free memory."""
    import torch

    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return f"{torch.cuda.get_device_name()} · {free / 1e9:.1f} GB free"
    return cpu_text()


def cpu_text() -> str:
    """Cores and free memory; loads no torch."""
    free = psutil.virtual_memory().available / 1e9
    return f"CPU · {os.cpu_count() or 1} cores · {free:.1f} GB free"
