"""Of which parts an encoder's tokens are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """A part of a token: the numbers of one block of one encoder.

    Attributes:
        width: How many numbers.
        weight: What its probe counts for those of the other groups.
        is_small: Of an encoder that has seen few images, and whose features need less restraint.
    """

    width: int
    weight: float = 1.0
    is_small: bool = False


def group_slice(groups: Sequence[TokenGroup], number: int) -> slice:
    """Where a group's numbers stand in a token."""
    start = sum(group.width for group in groups[:number])
    return slice(start, start + groups[number].width)
