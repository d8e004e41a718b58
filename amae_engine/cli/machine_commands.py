"""`amae doctor` and `amae bench`: what this machine can do, and how fast."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from amae_engine.catalog import studies
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.cli.output import say, say_json
from amae_engine.config import Compile, ScoreConfig, Stage1Config, Stage2Config
from amae_engine.events import clock
from amae_engine.project import Project

if TYPE_CHECKING:
    from amae_engine.bench.catalog_size import CatalogTimes
    from amae_engine.bench.importing import Imported
    from amae_engine.bench.scoring_line import ScoredImages
    from amae_engine.jobs.needs import Needs

_CATALOGS = [1000, 10_000, 100_000, 1_000_000]
_IMPORTED = 24  # files of each kind


def doctor(options: Namespace) -> None:
    """Print what this machine and installation can do, and how long training will take."""
    from amae_engine.bench.estimate import estimate
    from amae_engine.jobs.machine import machine_facts

    facts: dict[str, Any] = machine_facts()
    normals, unlabeled = options.images // 2, options.images - options.images // 2
    if options.project is not None:
        with Project.open(options.project).session() as session:
            counts = studies.split_counts(session)
        normals, unlabeled = counts[Split.NORMAL].images, counts[Split.UNLABELED].images
    expected = estimate(normals, unlabeled, options.preset)
    if options.json:
        say_json({**facts, "estimate": dataclasses.asdict(expected)})
        return
    for name, value in facts.items():
        say(f"{name:<22} {value}")
    for needs in _needs(options) if options.project is not None else ():
        say(needs.text)
    say(
        f"{normals} normal and {unlabeled} unlabeled images, preset {options.preset}: "
        f"stage 1 {clock(expected.stage1)}, stage 2 {clock(expected.stage2)}"
    )


def _needs(options: Namespace) -> list[Needs]:
    """Of every step, with the settings that it would have."""
    from amae_engine.jobs.defaults import default_config
    from amae_engine.jobs.needs import needs_of_scoring, needs_of_stage1, needs_of_stage2

    project = Project.open(options.project)
    first, second, score = (
        default_config(project, kind).config
        for kind in (RunKind.STAGE1, RunKind.STAGE2, RunKind.SCORE)
    )
    assert isinstance(first, Stage1Config)
    assert isinstance(second, Stage2Config)
    assert isinstance(score, ScoreConfig)
    return [
        needs_of_stage1(project, first),
        needs_of_stage2(project, second, first),
        needs_of_scoring(project, score, first, second),
    ]


def bench(options: Namespace) -> None:
    """Measure this machine."""
    if "catalog" in options.names:
        _bench_catalog(options)
    elif "import" in options.names:
        _bench_import(options)
    elif "pipeline" in options.names:
        _bench_pipeline(options)
    elif "gpu" in options.names:
        _bench_gpu(options)
    elif options.images:
        _bench_scoring(options)
    else:
        _bench_steps(options)


def _bench_catalog(options: Namespace) -> None:
    from amae_engine.bench.catalog_size import catalog_times

    for times in catalog_times(options.images or _CATALOGS, options.catalog):
        _say_catalog(times, options.json)


def _bench_import(options: Namespace) -> None:
    from amae_engine.bench.importing import bench_import

    for imported in bench_import((options.images or [_IMPORTED])[0]):
        _say_imported(imported, options.json)


def _bench_pipeline(options: Namespace) -> None:
    from amae_engine.bench.pipeline import bench_pipeline, lines

    for count in options.images or [None]:
        found = bench_pipeline(count, options.table)
        if options.json:
            say_json({**dataclasses.asdict(found), "seconds": round(found.seconds, 2)})
        else:
            say("\n".join(lines(found)))


def _bench_gpu(options: Namespace) -> None:
    from amae_engine.bench.gpu import bench_gpu, line
    from amae_engine.bench.steps import Settings

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


def _bench_scoring(options: Namespace) -> None:
    from amae_engine.bench.scoring_line import scoring_line

    for point in scoring_line(options.images, options.preset):
        _say_point(point, options.json)


def _bench_steps(options: Namespace) -> None:
    from amae_engine.bench.report import as_json, as_text, run_benchmarks
    from amae_engine.bench.steps import Settings

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
        f"{times.page} ms; counts {times.counts} ms; which of {times.decided} decisions stand "
        f"{times.standing} ms, after one more {times.standing_next} ms; process {times.resident_bytes / 1e6:.0f} MB; "
        f"database {times.database_bytes / 1e6:.0f} MB"
    )
