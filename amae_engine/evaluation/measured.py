"""A number with its interval, and how readers see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """A number and its 95 % interval; NaN bounds where too few images allow none."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float | None]) -> Measured:
        """What `numbers` gives."""
        return cls(*(math.nan if x is None else x for x in numbers))

    @property
    def has_interval(self) -> bool:
        """Whether there were images enough for one."""
        return not math.isnan(self.low)

    @property
    def numbers(self) -> list[float | None]:
        """Value, low, high for JSON and tables; None for a bound that is not given."""
        return [None if math.isnan(x) else x for x in (self.value, self.low, self.high)]

    def interval(self, digits: int = 2) -> str:
        """The interval alone: "0.65–0.79"."""
        if not self.has_interval:
            return "too few for an interval"
        return f"{self.low:.{digits}f}–{self.high:.{digits}f}"

    def text(self, digits: int = 2) -> str:
        """As readers see it: "0.72 (0.65–0.79)"."""
        return f"{self.value:.{digits}f} ({self.interval(digits)})"

    @property
    def percent(self) -> str:
        """The same in percent: "72 % (65–79 %)"."""
        bounds = (
            f"{100 * self.low:.0f}–{100 * self.high:.0f} %"
            if self.has_interval
            else self.interval()
        )
        return f"{100 * self.value:.0f} % ({bounds})"
