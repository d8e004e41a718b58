"""How late the event loop is: what a reader feels as a window that sticks."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer

_TICK_MS = 16


class Pulse:
    """Measures how late a 16 ms timer is, phase by phase; set `phase` to begin another one."""

    def __init__(self) -> None:
        self.phase = "start"
        self._late: dict[str, list[float]] = {}
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(_TICK_MS)

    def summary(self) -> dict[str, dict[str, float]]:
        """p50, p99 and worst lateness in ms, and the ticks, of every phase."""
        found = {}
        for phase, late in self._late.items():
            ordered = sorted(late)
            p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
            middle = ordered[len(ordered) // 2]
            found[phase] = {"p50": middle, "p99": p99, "max": ordered[-1], "n": len(ordered)}
        return {k: {n: round(v, 1) for n, v in line.items()} for k, line in found.items()}

    def _tick(self) -> None:
        now = time.perf_counter()
        self._late.setdefault(self.phase, []).append(1000 * (now - self._last) - _TICK_MS)
        self._last = now
