"""What commands write to the standard output: results only; events go to stderr."""

from __future__ import annotations

import json
import sys


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(text + "\n")


def say_json(content: object) -> None:
    """Write a JSON document."""
    sys.stdout.write(json.dumps(content, indent=1) + "\n")
