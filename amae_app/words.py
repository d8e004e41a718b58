"""Small matters of English."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 image", "12 images"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def reading_only(why: str) -> str:
    """Why a project can be looked at but not changed, as a sentence."""
    return f"This project is open for reading only: {why}."
