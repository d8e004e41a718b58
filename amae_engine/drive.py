"""A job is a generator of events that returns its result: run it to its end, or pass it on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")
Seen = TypeVar("Seen")
Told = TypeVar("Told")


def drive(
    job: Generator[Seen, None, Result], see: Callable[[Seen], object] = lambda _: None
) -> Result:
    """Run a job to its end; returns its result.

    Args:
        job: Closed where `see` raises.
        see: Is given each of its events.
    """
    seen = pass_on(job, see)
    while True:
        try:
            next(seen)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def pass_on(
    job: Generator[Seen, None, Result], change: Callable[[Seen], Told]
) -> Generator[Told, None, Result]:
    """The same job with every event changed; closing it closes the job."""
    try:
        while True:
            try:
                event = next(job)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            yield change(event)
    finally:
        job.close()
