"""Keys in groups that one IN clause can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Key = TypeVar("Key")

_LARGEST = 500  # keys in one IN clause; a statement of SQLite may have 999 parameters


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """The keys in their order, a few hundred at a time."""
    return (keys[start : start + _LARGEST] for start in range(0, len(keys), _LARGEST))


def id_chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    """Ids in their order, a few hundred at a time; NumPy's integers become Python's."""
    return ([int(i) for i in some] for some in chunks(ids))
