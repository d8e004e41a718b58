"""`amae selftest`: kill, damage and crowd the program, and count what is left."""

from __future__ import annotations

import argparse
import time
from argparse import Namespace
from collections.abc import Callable, Generator
from dataclasses import asdict
from typing import Any

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.errors import ProjectError
from amae_engine.events import Event, Progress

_TESTS = ("crash", "faults", "fuzz", "privacy", "readers", "licences")
_TEXT = "kill, damage and crowd the program, and count what is left; no project of yours is touched"


def add_selftest(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `selftest`."""
    verb = verbs.add_parser("selftest", help=_TEXT, description=_TEXT)
    verb.add_argument(
        "tests",
        nargs="*",
        metavar="TEST",
        help=f"{', '.join(_TESTS)}; all by default. `soak` (with --minutes) and "
        "`window` (planted identities) use the window instead",
    )
    verb.add_argument("--kills", type=int, default=16, help="of `crash`, over all steps in turn")
    verb.add_argument("--inputs", type=int, default=1000, help="damaged files of `fuzz`")
    verb.add_argument("--decisions", type=int, default=250, help="of each reader of `readers`")
    verb.add_argument("--seed", type=int, default=0, help="another one kills and damages elsewhere")
    verb.add_argument("--json", action="store_true", help="JSON output")
    verb.set_defaults(command=selftest, name="selftest")


def selftest(options: Namespace) -> None:
    """Run the chosen tests; a failure ends the command with 1."""
    from amae_engine.selftest.crash import crash_test
    from amae_engine.selftest.faults import faults_test
    from amae_engine.selftest.fuzz import fuzz_test
    from amae_engine.selftest.licences import licences_test
    from amae_engine.selftest.privacy import privacy_test
    from amae_engine.selftest.readers import readers_test

    def licences() -> Generator[Event, None, Any]:
        yield Progress("Licences", 0, 1)
        return licences_test()

    make: dict[str, Callable[[], Generator[Event, None, Any]]] = {
        "licences": licences,
        "privacy": privacy_test,
        "crash": lambda: crash_test(options.kills, options.seed),
        "faults": faults_test,
        "fuzz": lambda: fuzz_test(options.inputs, options.seed),
        "readers": lambda: readers_test(options.decisions, options.seed),
    }
    unknown = [name for name in options.tests if name not in make]
    if unknown:
        raise ProjectError(f"There is no self-test '{unknown[0]}'; there are {', '.join(_TESTS)}.")
    failed = []
    for name in options.tests or _TESTS:
        began = time.monotonic()
        tried = Console(options.json).drive(make[name]())
        if options.json:
            say_json({**asdict(tried), "seconds": round(time.monotonic() - began, 1)})
        else:
            say("\n".join(tried.lines()) + f" ({time.monotonic() - began:.0f} s)")
        failed += [] if tried.has_passed else [name]
    if failed:
        raise ProjectError(f"The self-test found failures: {', '.join(failed)}.")
