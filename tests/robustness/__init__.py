"""Kills, floods and attacks, each a command: python -m tests.robustness NAME."""

import os
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
# AMAE lets no child import from the current folder, so where `-m tests.…` lies must be said
CHILD_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_ROOT)}
