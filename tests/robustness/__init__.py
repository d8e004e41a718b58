"""Kills, floods and attacks, each a command: python -m tests.robustness NAME."""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent  # where `-m tests.…` is found by child processes
