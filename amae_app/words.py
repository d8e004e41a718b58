"""Small matters of English."""

from __future__ import annotations


def reading_only(why: str) -> str:
    """Why a project can be looked at but not changed, as a sentence."""
    return f"This project is open for reading only: {why}."
