"""Kill the work at any instant, look whether anything is lost, finish it, and compare the bits."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import RunState, Split
from amae_engine.drive import drive
from amae_engine.errors import AmaeError
from amae_engine.events import Event, Progress
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from amae_engine.runs.run_files import result_digests
from tests.robustness import CHILD_ENVIRONMENT
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import decide_half, write_tiny_weights
from tests.robustness.victim import READER, STEPS, work

_COMES_AFTER = {"stage1": "import", "labels": "import", "stage2": "stage1", "score": "stage2",
                "export": "score", "report": "score"}  # fmt: skip
_TRAININGS = ("stage1", "stage2", "score")
_LATEST = 1.1  # of the time that the undisturbed step takes


def crash_test(kills: int, seed: int) -> Generator[Event, None, SelfTestResult]:
    """Kill each step in turn at a random instant.

    Args:
        kills: How many, over all steps.
        seed: Of the instants.
    """
    chance, failures = random.Random(seed), []
    in_time = 0
    with tempfile.TemporaryDirectory(prefix="amae-selftest-") as place:
        steps = _Steps(Path(place))
        for number in range(kills):
            step = STEPS[number % len(STEPS)]
            yield Progress(f"Kill {number + 1} in {step}", number, kills)
            folder = Path(place) / "killed"
            begun, reported = steps.kill(step, folder, chance)
            in_time += begun
            problem = steps.problem(step, folder, reported)
            if problem:
                failures.append(f"kill {number + 1} in {step}: {problem}")
            shutil.rmtree(folder)
    facts = {"while at work": in_time}
    return SelfTestResult(
        "crash", "kills", kills, kills - len(failures), tuple(failures), facts=facts
    )


class _Steps:
    """Projects as they are before each step, and what each step comes to undisturbed."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._weights = place / "tiny.safetensors"
        write_tiny_weights(self._weights)
        self._before: dict[str, Path] = {}
        self._result: dict[str, str] = {}
        self._seconds: dict[str, float] = {}

    def kill(self, step: str, folder: Path, chance: random.Random) -> tuple[bool, list[str]]:
        """Kill the step in a copy of the project: whether it still ran, and what it had reported."""
        self._prepare(step)
        shutil.copytree(self._before[step], folder)
        with self._start(step, folder) as victim:
            assert victim.stdout is not None
            victim.stdout.readline()  # it begins
            time.sleep(chance.uniform(0, _LATEST * self._seconds[step]))
            is_at_work = victim.poll() is None
            victim.kill()
            return is_at_work, victim.stdout.read().splitlines()

    def problem(self, step: str, folder: Path, reported: list[str]) -> str:
        """What is lost or other than it should be; "" for nothing."""
        try:
            if step == "creation":
                work(folder, step, self._weights)
            with closing(Project.open(folder)) as project:
                lost = _integrity(project) or (
                    _lost_decisions(project, reported) if reported else ""
                )
            if lost:
                return lost
            if step != "labels":  # where it was cut short, it goes on
                work(folder, step, self._weights)
            with closing(Project.open(folder)) as project:
                if step in (*_TRAININGS, "import") and _digest(project, step) != self._result[step]:
                    return "finished after the kill, its result is another one"
                return _integrity(project)
        except AmaeError as error:
            return str(error)

    def _prepare(self, step: str) -> None:
        """The project before a step, and the step done undisturbed, once."""
        if step in self._before:
            return
        before = self._place / f"before-{step}"
        if step == "import":
            Project.create(before, "Selftest").close()
        elif step == "creation":
            before.mkdir()
        else:
            earlier = _COMES_AFTER[step]
            self._prepare(earlier)
            shutil.copytree(self._place / f"after-{earlier}", before)
        if step == "stage2":
            decide_half(before, READER)
        self._before[step] = before
        after = self._place / f"after-{step}"
        shutil.copytree(before, after)
        with self._start(step, after) as victim:
            assert victim.stdout is not None
            victim.stdout.readline()
            began = time.monotonic()
            victim.stdout.read()
            if victim.wait():
                raise AmaeError(f"The step '{step}' failed without having been killed.")
            self._seconds[step] = time.monotonic() - began
        if step in (*_TRAININGS, "import"):
            with closing(Project.open(after)) as project:
                self._result[step] = _digest(project, step)

    def _start(self, step: str, folder: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.robustness.victim"]
        return subprocess.Popen(
            [*command, str(folder), step, str(self._weights)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=CHILD_ENVIRONMENT,
            text=True,
        )


def _integrity(project: Project) -> str:
    """What the database itself and the kept digests say; "" where all is well."""
    with closing(sqlite3.connect(project.folder / "catalog.sqlite")) as database:
        (answer,) = database.execute("PRAGMA integrity_check").fetchone()
    if answer != "ok":
        return f"the catalog is damaged: {answer}"
    problems = drive(verify_project(project)).problems
    return "; ".join(problems)


def _lost_decisions(project: Project, reported: list[str]) -> str:
    """Decisions that the killed process had reported of and the catalog does not have."""
    with project.session() as session:
        kept = decisions.history(session, limit=100_000)
    lost = len(reported) - len(kept)
    # the one at work when it was killed may be kept without having been reported
    return f"{lost} of {len(reported)} decisions are lost" if lost > 0 else ""


def _digest(project: Project, step: str) -> str:
    """Of what a step came to: images, or a run's weights and scores."""
    with project.session() as session:
        if step == "import":
            found = [image_tables.images_in(session, split) for split in Split]
            content = [[t.names, t.patient_ids.tolist(), t.truth.tolist()] for t in found]
            stored = [project.pixels.read(t.store_rows).tobytes() for t in found]
            return _hash(json.dumps(content).encode(), *stored)
        rows = [
            r for r in runs.list_runs(session) if r.kind == step and r.state is RunState.FINISHED
        ]
        newest = rows[0].id
        kinds = scores.kinds(session, newest)
        values = [scores.load(session, newest, kind) for kind in sorted(kinds)]
    files = json.dumps(result_digests(project.run_folder(newest)), sort_keys=True)
    return _hash(files.encode(), *(part.tobytes() for pair in values for part in pair))


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"|".join(parts)).hexdigest()
