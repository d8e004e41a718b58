"""Kill, damage and crowd the program, and count what is left; no project of yours is touched."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict

from amae_engine.cli.output import say, say_json
from amae_engine.cli.progress import Console
from amae_engine.events import Event
from tests.robustness.crash import crash_test
from tests.robustness.faults import faults_test
from tests.robustness.fuzz import fuzz_test
from tests.robustness.licences import licences_test
from tests.robustness.privacy import privacy_test
from tests.robustness.readers import readers_test
from tests.robustness.self_test_result import SelfTestResult

_WITHOUT_WINDOW = ("licences", "privacy", "crash", "faults", "fuzz", "readers")
_IN_THE_WINDOW = ("window", "soak", "walk")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen tests; 1 where one found a failure."""
    options = _parser().parse_args(arguments)
    failed = []
    for name in options.tests or _WITHOUT_WINDOW:
        began = time.monotonic()
        result = _run(name, options)
        seconds = time.monotonic() - began
        if options.json:
            say_json({**asdict(result), "seconds": round(seconds, 1)})
        else:
            say("\n".join(result.lines()) + f" ({seconds:.0f} s)")
        failed += [] if result.has_passed else [name]
    return 1 if failed else 0


def _run(name: str, options: argparse.Namespace) -> SelfTestResult:
    if name == "window":
        from tests.robustness.private_window import window_test

        return window_test()
    if name == "soak":
        from tests.robustness.soak import soak_test

        return soak_test(options.minutes)
    if name == "walk":
        from tests.robustness.walk import walk_test

        return walk_test(options.steps, options.seed)
    if name == "licences":
        return licences_test()
    jobs: dict[str, Callable[[], Generator[Event, None, SelfTestResult]]] = {
        "privacy": privacy_test,
        "crash": lambda: crash_test(options.kills, options.seed),
        "faults": faults_test,
        "fuzz": lambda: fuzz_test(options.inputs, options.seed),
        "readers": lambda: readers_test(options.decisions, options.seed),
    }
    result = Console(options.json).drive(jobs[name]())
    assert isinstance(result, SelfTestResult)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    names = (*_WITHOUT_WINDOW, *_IN_THE_WINDOW)
    parser.add_argument(
        "tests",
        nargs="*",
        metavar="TEST",
        choices=names,
        help=f"{', '.join(names)}; all but the last three by default: these use the window",
    )
    parser.add_argument("--kills", type=int, default=16, help="of `crash`, over all steps in turn")
    parser.add_argument("--inputs", type=int, default=1000, help="damaged files of `fuzz`")
    parser.add_argument("--decisions", type=int, default=250, help="of each reader of `readers`")
    parser.add_argument("--steps", type=int, default=10_000, help="of `walk`")
    parser.add_argument("--minutes", type=float, default=60.0, help="of `soak`")
    parser.add_argument(
        "--seed", type=int, default=0, help="another one kills and damages elsewhere"
    )
    parser.add_argument("--json", action="store_true", help="JSON output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
