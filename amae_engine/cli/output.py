"""What commands write to the standard output: results only; events go to stderr."""

from __future__ import annotations

import json
import os
import sys


def say(text: str) -> None:
    """Write a line; where nobody reads on (`| head`), the command ends well."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # for what is flushed at exit
        raise SystemExit(0) from None


def say_json(content: object) -> None:
    """Write a JSON document."""
    say(json.dumps(content, indent=1))
