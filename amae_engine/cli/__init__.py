"""`amae …`: the same jobs as the window, without a window; prints events."""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from amae_engine.catalog.audit import require_reader
from amae_engine.cli.arguments import make_parser
from amae_engine.errors import AmaeError, translate_os_error
from amae_engine.project import closing_projects

INTERRUPTED = 130


def main(
    arguments: Sequence[str] | None = None, print_pdf: Callable[[Path, Path], None] | None = None
) -> int:
    """Run one command.

    Args:
        arguments: The words after `amae`; those of the process by default.
        print_pdf: Prints an HTML file as PDF, where Qt is at hand.

    Returns:
        0, 1 when the command failed for a reason the reader can act on, 2 for wrong arguments,
        130 after Ctrl+C.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser().parse_args(given)
    options.arguments, options.print_pdf = given, print_pdf
    try:
        if getattr(options, "reader", None):
            require_reader(options.reader, "This command")
        with closing_projects():
            options.command(options)
    except AmaeError as error:
        _say_error(options, str(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\namae: cancelled; the last whole epoch is kept (--resume goes on).\n")
        return INTERRUPTED
    except Exception as error:
        reported = translate_os_error(error)
        if reported is None:
            raise
        _say_error(options, str(reported))
        return 1
    return 0


def _say_error(options: Namespace, message: str) -> None:
    """On the error output: a line of JSON for who asked for JSON, a sentence else."""
    if getattr(options, "json", False):
        sys.stderr.write(json.dumps({"event": "Error", "message": message}) + "\n")
    else:
        sys.stderr.write(f"\namae: {message}\n")
