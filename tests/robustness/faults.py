"""Faults of a machine: a full disk, one that is read-only, a clock set back, a copy made while open,
a project of another version. Each ends in a sentence, and nothing that was kept is lost.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from amae_engine.catalog import decisions, image_tables, tables
from amae_engine.catalog.tables import Label, Split
from amae_engine.drive import drive
from amae_engine.errors import AmaeError, translate_os_error
from amae_engine.events import Event, Progress
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from tests.robustness.self_test_result import SelfTestResult
from tests.robustness.small_project import COUNTS, some_files


class _Skipped(Exception):
    """This machine does not allow the fault to be made."""


def faults_test() -> Generator[Event, None, SelfTestResult]:
    """Make every fault once."""
    faults: dict[str, Callable[[Path], str]] = {
        "a disk that is full while a reader decides": _full_disk,
        "a disk that fills during an import": _full_during_import,
        "a disk that can only be read": _read_only_disk,
        "a clock that is set back": _clock_back,
        "a project that is copied while it is open": _copied_while_open,
        "a project of AMAE 0.1": _older_version,
        "a project of a later AMAE": _newer_version,
        "a folder that goes away": _folder_gone,
        "a network folder whose server dies": _server_gone,
    }
    failures, skipped = [], []
    for number, (name, make) in enumerate(faults.items()):
        yield Progress(f"Fault: {name}", number, len(faults))
        with tempfile.TemporaryDirectory(prefix="amae-selftest-") as place:
            try:
                problem = make(Path(place))
            except _Skipped as reason:
                skipped.append(f"{name}: {reason}")
                continue
            if problem:
                failures.append(f"{name}: {problem}")
    tried = len(faults) - len(skipped)
    return SelfTestResult(
        "faults", "faults", tried, tried - len(failures), tuple(failures), tuple(skipped)
    )


def _project(folder: Path) -> Project:
    project = Project.create(folder, "Faults")
    drive(import_images(project, some_files(), "demo", "demo"))
    return project


def _images(project: Project) -> int:
    with project.session() as session:
        return sum(len(image_tables.images_in(session, split).ids) for split in Split)


def _whole(folder: Path, images: int) -> str:
    """What is wrong with a project that should have so many images; "" for nothing."""
    with closing(Project.open(folder)) as project:
        found = _images(project)
        if found != images:
            return f"{found} of {images} images are left"
        return "; ".join(drive(verify_project(project)).problems)


def _mounted(place: Path, megabytes: int) -> Path:
    """A file system of its own, in memory."""
    target = place / "disk"
    target.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise _Skipped("only root on Linux can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(target)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise _Skipped("no disk in memory could be mounted here")
    return target


def _unmount(target: Path) -> None:
    subprocess.run(["umount", "-l", str(target)], check=False, capture_output=True)


def _said(act: Callable[[], object]) -> str:
    """What is wrong with how an act that cannot succeed ends; "" where a sentence says why."""
    try:
        act()
    except AmaeError:
        return ""
    except Exception as error:  # noqa: BLE001 - what is looked for here
        if translate_os_error(error) is not None:
            return ""
        return f"it ended in {type(error).__name__}: {error}"
    return "nothing was said"


def _fill(disk: Path, but_for: int = 0) -> None:
    """Write until a disk has no more than so many bytes left."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while shutil.disk_usage(disk).free > but_for:
                ballast.write(b"x" * 65536)
        except OSError:
            pass


def _full_disk(place: Path) -> str:
    disk = _mounted(place, 8)
    try:
        project = _project(disk / "project")
        project.close()
        _fill(disk)

        def decide() -> None:
            with closing(Project.open(disk / "project")) as full, full.session() as session:
                ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
                for _ in range(2000):
                    decisions.decide(session, ids, Label.NORMAL, "FULL")

        said = _said(decide)
        (disk / "ballast").unlink()
        return said or _whole(disk / "project", sum(COUNTS.values()))
    finally:
        _unmount(disk)


def _full_during_import(place: Path) -> str:
    """Images are 64 KiB each: the disk is full after some; when there is room, the rest comes too."""
    disk, images = _mounted(place, 16), sum(COUNTS.values())
    try:
        with closing(Project.create(disk / "project", "Faults")) as project:
            _fill(disk, 12 * project.pixels.side**2)
            said = _said(lambda: drive(import_images(project, some_files(), "demo", "demo")))
            (disk / "ballast").unlink()
            kept = _images(project)
            if said or kept >= images:
                return said or "the disk was not full"
            drive(import_images(project, some_files(), "demo", "demo"))
        return _whole(disk / "project", images)
    finally:
        _unmount(disk)


def _read_only_disk(place: Path) -> str:
    disk = _mounted(place, 64)
    try:
        _project(disk / "project").close()
        command = ["mount", "-o", "remount,ro", str(disk)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise _Skipped("the disk could not be made read-only")

        def decide() -> None:
            with closing(Project.open(disk / "project")) as project, project.session() as session:
                ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
                decisions.decide(session, ids[:1], Label.NORMAL, "RO")

        said = _said(decide)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True, capture_output=True)
        return said or _whole(disk / "project", sum(COUNTS.values()))
    finally:
        _unmount(disk)


def _clock_back(place: Path) -> str:
    """Decisions keep their order though the later one bears an earlier time."""
    with closing(_project(place / "project")) as project:
        with project.session() as session:
            (image, *_) = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
            decisions.decide(session, [image], Label.NORMAL, "CLOCK")
        with mock.patch.object(tables, "datetime", wraps=datetime) as clock:
            clock.now.return_value = datetime(2001, 1, 1, tzinfo=UTC)
            with project.session() as session:
                decisions.decide(session, [image], Label.ABNORMAL, "CLOCK")
        with project.session() as session:
            newest, *_ = decisions.history(session, image)
        if not newest.decided_at.startswith("2001"):
            return "the clock could not be set back"
        with project.session() as session:
            if decisions.current(session)[image] is not Label.ABNORMAL:
                return "the earlier decision won"
    return _whole(place / "project", sum(COUNTS.values()))


def _copied_while_open(place: Path) -> str:
    with closing(_project(place / "project")) as project:
        with project.session() as session:
            ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
            decisions.decide(session, ids, Label.NORMAL, "COPY")
        shutil.copytree(place / "project", place / "copy")
    problem = _whole(place / "copy", sum(COUNTS.values()))
    if problem:
        return problem
    with closing(Project.open(place / "copy")) as copy, copy.session() as session:
        kept = len(decisions.current(session))
    return "" if kept == len(ids) else f"{kept} of {len(ids)} decisions are in the copy"


def _older_version(place: Path) -> str:
    _project(place / "project").close()
    catalog = place / "project" / "catalog.sqlite"
    schema = _set_schema(catalog, "0007")
    before = catalog.read_bytes()
    said = _said(lambda: Project.open(place / "project"))
    if catalog.read_bytes() != before:
        return "the catalog was changed though it was refused"
    _set_schema(catalog, schema)
    return said or _whole(place / "project", sum(COUNTS.values()))


def _set_schema(catalog: Path, schema: str) -> str:
    """Say that a catalog is of a schema; the one it was of."""
    with closing(sqlite3.connect(catalog)) as database, database:
        ((was,),) = database.execute("SELECT version_num FROM alembic_version")
        database.execute("UPDATE alembic_version SET version_num = ?", (schema,))
    return str(was)


def _newer_version(place: Path) -> str:
    _project(place / "project").close()
    facts = json.loads((place / "project" / "project.json").read_text(encoding="utf-8"))
    later = {**facts, "format": 99}
    (place / "project" / "project.json").write_text(json.dumps(later), encoding="utf-8")
    said = _said(lambda: Project.open(place / "project"))
    (place / "project" / "project.json").write_text(json.dumps(facts), encoding="utf-8")
    return said or _whole(place / "project", sum(COUNTS.values()))


def _folder_gone(place: Path) -> str:
    """What is done next is reported, and it is all there again when the folder is."""
    project = _project(place / "project")
    (place / "project").rename(place / "away")
    said = _said(lambda: _work_on(project))
    (place / "away").rename(place / "project")
    project.close()
    return said or _whole(place / "project", sum(COUNTS.values()))


def _server_gone(place: Path) -> str:
    """A file system whose process is killed answers as a network folder does whose server is."""
    near, far = place / "near", place / "far"
    near.mkdir()
    far.mkdir()
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.W_OK):
        raise _Skipped("needs bindfs, and the right to mount with FUSE")
    server = subprocess.Popen(["bindfs", "-f", str(far), str(near)], stderr=subprocess.DEVNULL)
    try:
        if not _wait_for(near.is_mount):
            raise _Skipped("bindfs could not mount a folder here")
        project = _project(near / "project")
        server.kill()
        server.wait()
        said = _said(lambda: _work_on(project)) or _said(lambda: Project.open(near / "project"))
        project.close()
    finally:
        server.kill()
        server.wait()
        _unmount(near)
    return said or _whole(far / "project", sum(COUNTS.values()))


def _work_on(project: Project) -> None:
    """Read its images, then its catalog from a connection of its own."""
    with project.session() as session:
        table = image_tables.images_in(session, Split.NORMAL)
    project.pixels.read(table.store_rows)
    with closing(Project.open(project.folder)) as again, again.session():
        pass


def _wait_for(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
