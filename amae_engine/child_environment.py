"""What every process that is started from here inherits, decided before PyTorch is loaded.

GNU OpenMP lets a thread that waits spin for milliseconds. Where two trainings share a machine, each
spins in the time of the other: on 2 cores two of them did 1.05 steps a second each, and one alone 15.
With a short spin they do 5.7 each, and one alone is up to 9 % slower (a loop of small products; the
steps of both stages 3 to 8 %).

Python puts the current folder before its own libraries for `-c` and `-m`: a file `torch.py` that lies
where the user stands would be run.
"""

from __future__ import annotations

import os
import sys

_SPIN, _POLICY = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
_TURNS = "3000"  # 300,000 by GNU OpenMP's own choice


def limit_openmp_spin() -> None:
    """Shorten the spin, here and in every process that is started from here; a user's own wish counts."""
    if _POLICY not in os.environ:
        os.environ.setdefault(_SPIN, _TURNS)


def how_threads_wait() -> str:
    """What decides it here, for the reader."""
    policy = os.environ.get(_POLICY)
    return f"{_POLICY}={policy}" if policy else f"{_SPIN}={os.environ.get(_SPIN, 'unset')}"


def require_safe_path() -> None:
    """Let no Python process that is started from here import from the current folder.

    Nor this one, where it is AMAE started by `python -m amae_engine.cli`, unless AMAE itself lies in that
    folder; a program that uses AMAE keeps its own path.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    is_started = sys.argv[:1] == ["-m"] and not sys.flags.safe_path
    if is_started and sys.path[0] == os.getcwd() != own:  # noqa: PTH109
        del sys.path[0]
