"""How long a preparation will take: its first two seconds are the trial."""

from __future__ import annotations

import time

_TRIAL_SECONDS = 2.0


class EtaEstimator:
    """Times work that is counted in units, and says what is left of it and of what follows.

    Args:
        total: Units in all.
        following_units: Units of the same kind that a later step has.
        following_seconds: What follows next to those.
    """

    def __init__(
        self, total: float, following_units: float = 0.0, following_seconds: float = 0.0
    ) -> None:
        self._total, self._following_units = total, following_units
        self._following_seconds = following_seconds
        self._began = time.monotonic()
        self._done = 0.0

    def seconds_left(self, done: float) -> float | None:
        """Of this and what follows, `done` units in; None while the trial lasts."""
        self._done = done
        spent = time.monotonic() - self._began
        if done <= 0 or spent < _TRIAL_SECONDS:
            return None
        rest = self._total - done + self._following_units
        return spent / done * rest + self._following_seconds

    @property
    def following(self) -> float | None:
        """Seconds of what follows, at the pace so far; None where none was measured."""
        spent = time.monotonic() - self._began
        if self._done <= 0:
            return None
        return spent / self._done * self._following_units + self._following_seconds
