"""What a self-test tried, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """One self-test's figures.

    Attributes:
        name: "crash", "fuzz", "readers" or "faults".
        what: Its unit: "kills", "inputs", "decisions", "faults".
        tried: How many.
        survived: How many ended as they must.
        failures: A sentence for each of the others.
        skipped: What this machine does not allow, a sentence each; never counted as survived.
        facts: More figures, by name.
    """

    name: str
    what: str
    tried: int
    survived: int
    failures: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    facts: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def has_passed(self) -> bool:
        """Whether all that was tried ended as it must."""
        return self.tried > 0 and self.survived == self.tried and not self.failures

    def lines(self) -> list[str]:
        """For the reader."""
        more = "".join(f"; {name} {value}" for name, value in self.facts.items())
        lines = [f"{self.name}: {self.survived} of {self.tried} {self.what} as they must be{more}"]
        lines += [f"  failed: {text}" for text in self.failures]
        return lines + [f"  skipped: {text}" for text in self.skipped]
