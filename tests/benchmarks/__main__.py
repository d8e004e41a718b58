"""How fast this machine runs each step, the import, the catalog and the window, next to their floors."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from amae_engine.cli.output import say, say_json
from amae_engine.config import Compile
from amae_engine.errors import AmaeError
from tests.benchmarks.catalog_size import CatalogTimes
from tests.benchmarks.importing import Imported
from tests.benchmarks.scoring_line import ScoredImages

_CATALOGS = [1000, 10_000, 100_000, 1_000_000]
_IMPORTED = 24  # files of each kind
_RUNS = 4000  # of each cell of the coverage
_STEPS = ("stage0", "stage1", "stage2", "score", "all")
_OTHERS = (
    "catalog",
    "coverage",
    "gpu",
    "import",
    "pipeline",
    "reading",
    "scoring",
    "tokens",
    "window",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark, or some of the steps."""
    options = _parser().parse_args(arguments)
    first = options.names[0] if options.names else "all"
    if first in _OTHERS and len(options.names) > 1:
        sys.stderr.write(f"'{first}' is measured by itself.\n")
        return 2
    try:
        if first == "window":
            from tests.benchmarks.window_bench import bench_window

            return bench_window(options.json)
        if first == "reading":
            from tests.benchmarks.reading_bench import bench_reading

            return bench_reading(options.json)
        {
            "catalog": _catalog,
            "coverage": _coverage,
            "gpu": _gpu,
            "import": _import,
            "pipeline": _pipeline,
            "scoring": _scoring,
            "tokens": _tokens,
        }.get(first, _steps)(options)
    except AmaeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _catalog(options: argparse.Namespace) -> None:
    from tests.benchmarks.catalog_size import catalog_times

    for times in catalog_times(options.images or _CATALOGS, options.catalog):
        _say_catalog(times, options.json)


def _coverage(options: argparse.Namespace) -> None:
    from tests.benchmarks.coverage import table

    say(table((options.images or [_RUNS])[0]))


def _tokens(options: argparse.Namespace) -> None:
    from tests.benchmarks.token_baselines import token_baselines

    found = token_baselines(options.project)
    if options.json:
        say_json({name: auc.numbers for name, auc in found.items()})
        return
    for name, auc in found.items():
        say(f"{name:<40} AUC {auc.text(3)}")


def _import(options: argparse.Namespace) -> None:
    from tests.benchmarks.importing import bench_import

    for imported in bench_import((options.images or [_IMPORTED])[0]):
        _say_imported(imported, options.json)


def _pipeline(options: argparse.Namespace) -> None:
    from tests.benchmarks.pipeline import bench_pipeline, lines

    for count in options.images or [None]:
        found = bench_pipeline(count, options.table)
        if options.json:
            say_json({**dataclasses.asdict(found), "seconds": round(found.seconds, 2)})
        else:
            say("\n".join(lines(found)))


def _gpu(options: argparse.Namespace) -> None:
    from tests.benchmarks.gpu import bench_gpu, line
    from tests.benchmarks.steps import Settings

    chosen = Settings(
        seconds=options.seconds,
        device=options.device,
        batch_size=options.batch_size,
        compile=Compile(options.compile),
    )
    for found in bench_gpu(chosen):
        if options.json:
            say_json({**dataclasses.asdict(found), "is_met": found.is_met})
        else:
            say(line(found))


def _scoring(options: argparse.Namespace) -> None:
    from tests.benchmarks.scoring_line import scoring_line

    for point in scoring_line(options.images or [1000], options.preset):
        _say_point(point, options.json)


def _steps(options: argparse.Namespace) -> None:
    from tests.benchmarks.report import as_json, as_text, run_benchmarks
    from tests.benchmarks.steps import Settings

    chosen = Settings(
        options.preset,
        options.seconds,
        options.device,
        options.batch_size,
        Compile(options.compile),
        options.against == "plain",
    )
    for measured in run_benchmarks(options.names, chosen):
        if options.json:
            say_json(as_json(measured))
        else:
            say(as_text(measured))


def _say_point(point: ScoredImages, as_json: bool) -> None:
    if as_json:
        say_json(dataclasses.asdict(point))
        return
    say(
        f"scoring {point.images} images: {point.seconds:.1f} s, {point.images_per_second:.1f} "
        f"images/s; maps {point.map_bytes / 1e6:.0f} MB; peak memory "
        f"{point.resident_bytes / 1e9:.2f} GB"
    )


def _say_imported(imported: Imported, as_json: bool) -> None:
    if as_json:
        say_json({**dataclasses.asdict(imported), "ratio_to_plain": imported.ratio})
        return
    say(
        f"import {imported.kind}: {imported.images_per_second:.1f} images/s; plain loop "
        f"{imported.plain_images_per_second:.1f}: {imported.ratio:.2f} times faster; the decoder "
        f"alone, on every core, {imported.decoded_images_per_second:.1f}; "
        f"{imported.bytes_per_image / 1e6:.1f} MB a file; peak memory "
        f"{imported.peak_memory_bytes / 1e9:.2f} GB"
    )


def _say_catalog(times: CatalogTimes, as_json: bool) -> None:
    if as_json:
        say_json(dataclasses.asdict(times))
        return
    slowest = {
        kind: max(found.items(), key=lambda item: item[1])
        for kind, found in (("filter", times.filters), ("sort", times.sorts))
    }
    slowest_of_each = "; ".join(
        f"slowest {kind} {name} {ms} ms" for kind, (name, ms) in slowest.items()
    )
    say(
        f"catalog of {times.images} images: open {times.open:.0f} ms; {slowest_of_each}; page of rows "
        f"{times.page} ms; counts {times.counts} ms; current labels of {times.decided} decisions "
        f"{times.standing} ms, after one more {times.standing_next} ms; process {times.resident_bytes / 1e6:.0f} MB; "
        f"database {times.database_bytes / 1e6:.0f} MB"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=(*_STEPS, *_OTHERS),
        help=f"steps: {', '.join(_STEPS)} (the default); or one of {', '.join(_OTHERS)}: gpu is a "
        "GPU's bars, pipeline import to maps, reading the answers to keys, scoring the whole job",
    )
    parser.add_argument("--preset", default="compact", choices=("compact", "paper", "base"))
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure each")
    parser.add_argument("--against", choices=["plain"], help="the original code's plain loop too")
    parser.add_argument(
        "--images", type=int, nargs="+", help="so many images: imported, scored, or in the catalog"
    )
    parser.add_argument(
        "--table", type=Path, help="for `pipeline`: a table of images in place of the demo's"
    )
    parser.add_argument("--catalog", default="", help="an empty PostgreSQL database, for `catalog`")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--project", type=Path, help="for `tokens`: with a finished stage 1")
    parser.add_argument("--batch-size", type=int, default=0, help="images of a training step")
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--json", action="store_true", help="JSON output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
