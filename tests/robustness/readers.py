"""Several readers at once on one catalog, some of them killed, its server restarted meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from amae_engine.catalog.tables import LabelDecision
from amae_engine.drive import drive
from amae_engine.events import Event, Progress
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from tests.robustness import CHILD_ENVIRONMENT
from tests.robustness.own_postgres import PostgresServer, programs
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import some_files

_WRITERS = 4
_LOOK_SECONDS = 0.2


@dataclass(slots=True)
class _Reader:
    """One writer: the process that is at work for it, and what each of its processes reported."""

    name: str
    logs: list[Path] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def reported(self) -> list[int]:
        """Decisions that are in the catalog, by what the processes said."""
        lines = [line for log in self.logs for line in log.read_text().split("\n")[:-1]]
        return [int(line) for line in lines]


def readers_test(each: int, seed: int) -> Generator[Event, None, SelfTestResult]:
    """Four readers decide at once; one is killed three times, and the server once.

    On PostgreSQL where its programs are installed, else on SQLite, which has no server to kill.

    Args:
        each: Decisions of each reader.
        seed: Of the instants.
    """
    chance, found = random.Random(seed), programs()
    server = PostgresServer(found) if found is not None else None
    skipped = () if server else ("PostgreSQL's server is not installed: SQLite, without restart",)
    if server is not None:
        server.start()
    try:
        with tempfile.TemporaryDirectory(prefix="amae-selftest-") as place:
            tried = yield from _decide_at_once(Path(place), each, chance, server)
    finally:
        if server is not None:
            server.stop()
    kills, (reported, kept, problems) = tried
    lost = max(reported - kept, 0)
    failures = [f"{lost} decisions that were reported are not in the catalog"] if lost else []
    failures += problems
    facts: dict[str, float | int | str] = {
        "read back": kept, "readers": _WRITERS, "readers killed": kills,
        "catalog": "PostgreSQL, restarted once" if server else "SQLite",
    }  # fmt: skip
    return SelfTestResult(
        "readers", "decisions", reported, reported - lost, tuple(failures), skipped, facts
    )


def _decide_at_once(
    place: Path, each: int, chance: random.Random, server: PostgresServer | None
) -> Generator[Event, None, tuple[int, tuple[int, int, list[str]]]]:
    folder = place / "project"
    with closing(
        Project.create(folder, "Readers", catalog_url=server.new_url() if server else "")
    ) as project:
        drive(import_images(project, some_files(), "demo", "demo"))
    readers = [_Reader(f"R{number}") for number in range(_WRITERS)]
    for reader in readers:
        _start(place, folder, reader, each)
    kills, whole = 0, each * _WRITERS
    kill_at = sorted(chance.uniform(0.1, 0.8) * each for _ in range(3))
    restart_at = whole // 2 if server is not None else whole + 1
    while any(reader.process is not None for reader in readers):
        time.sleep(_LOOK_SECONDS)
        done = sum(len(reader.reported()) for reader in readers)
        yield Progress("Decisions", done, whole)
        if done >= restart_at and server is not None:
            server.restart()
            restart_at = whole + 1
        victim = readers[0]
        if kill_at and victim.process is not None and len(victim.reported()) >= kill_at[0]:
            kill_at.pop(0)
            victim.process.kill()
            victim.process.wait()
            kills += 1
            _start(place, folder, victim, each)
        for reader in readers:
            if reader.process is not None and reader.process.poll() is not None:
                reader.process = None
                if len(reader.reported()) < each:
                    _start(place, folder, reader, each)
    return kills, _read_back(folder, readers)


def _start(place: Path, folder: Path, reader: _Reader, each: int) -> None:
    """Let a reader go on behind the last decision that it reported."""
    done = len(reader.reported())
    log = place / f"{reader.name}-{len(reader.logs)}.log"
    command = [sys.executable, "-m", "tests.robustness.writer"]
    with log.open("wb") as file:
        reader.process = subprocess.Popen(
            [*command, str(folder), reader.name, str(done), str(each - done)],
            stdout=file, stderr=subprocess.DEVNULL, env=CHILD_ENVIRONMENT,
        )  # fmt: skip
    reader.logs.append(log)


def _read_back(folder: Path, readers: list[_Reader]) -> tuple[int, int, list[str]]:
    """Decisions reported and kept, and what the kept ones' digests say."""
    reported = sum(len(reader.reported()) for reader in readers)
    problems: list[str] = []
    with closing(Project.open(folder)) as project:
        with project.session() as session:
            by = dict(
                session.execute(
                    select(LabelDecision.reader, func.count()).group_by(LabelDecision.reader)
                ).all()
            )
        counts = [(each.name, len(each.reported()), by.get(each.name, 0)) for each in readers]
        problems += [f"{name}: reported {n}, kept {has}" for name, n, has in counts if has < n]
        problems += drive(verify_project(project)).problems
    return reported, sum(by.values()), problems
