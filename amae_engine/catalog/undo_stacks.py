"""What a reader can undo and redo, replayed from their acts."""

from __future__ import annotations

from collections.abc import Iterable


def stacks(acts: Iterable[tuple[int, str, int | None]]) -> tuple[list[int], list[int]]:
    """Replay acts, oldest first, given as (number, kind, the act that it reverts).

    Returns:
        The acts that can be undone and those that can be redone, newest last.
    """
    done: list[int] = []
    undone: list[int] = []
    for number, kind, reverts in acts:
        if kind in ("undo", "redo"):
            start, end = (done, undone) if kind == "undo" else (undone, done)
            about = (
                start[-1] if reverts is None else reverts
            )  # the first ones took the newest always
            start.remove(about)
            end.append(about)
        else:
            done.append(number)
            undone.clear()
    return done, undone
