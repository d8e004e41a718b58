"""What computed a result: versions, device, number format, threads."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from amae_engine.config import Precision

if TYPE_CHECKING:
    import torch

_PACKAGES = ("amae", "torch", "timm", "numpy", "scikit-learn", "scikit-image", "pydicom")
_CPU_FACTS = Path("/proc/cpuinfo")
_PACKAGE = Path(__file__).parent.parent


def versions() -> dict[str, str]:
    """Versions of Python and of every package that can change a number."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {**found, "commit": commit()}


@functools.cache
def commit() -> str:
    """The commit of this code: of the checkout, or of the checkout that it was installed from.

    It ends in "-dirty" where tracked files were changed since; "unknown" without Git.
    """
    recorded = _PACKAGE / "commit.txt"
    if recorded.is_file():
        return recorded.read_text(encoding="utf-8").strip()
    if not (_PACKAGE.parent / ".git").exists():
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=_PACKAGE.parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def environment(device: str, precision: Precision) -> dict[str, str]:
    """What `run.json` says of the machine, so that the run can be made again as it was.

    Args:
        device: A run's setting: "auto", "cpu", "cuda:0", "cuda:0,cuda:1".
        precision: A run's setting.
    """
    import torch

    from amae_engine.method.compute_device import choose_device, number_format

    devices = [choose_device(name) for name in device.split(",")]
    return {
        "device": ",".join(str(found) for found in devices),
        "hardware": _hardware(devices[0]),
        "precision": str(number_format(devices[0], precision)),
        "threads": str(torch.get_num_threads()),
    }


def _hardware(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if _CPU_FACTS.is_file():
        with _CPU_FACTS.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
