"""What this process holds in memory; needs no torch."""

from __future__ import annotations

import sys

import psutil


def resident_bytes() -> int:
    """Now."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """The most so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
