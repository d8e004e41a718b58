"""A lost or damaged catalog, a folder that cannot be written, a second window, who may read what."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from amae_engine.catalog import decisions, image_tables, studies
from amae_engine.catalog.tables import Label, Split
from amae_engine.cli import main
from amae_engine.errors import ProjectError
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.project import Project


def _count(project: Project) -> int:
    with project.session() as session:
        return len(image_tables.images_in(session, Split.NORMAL).ids)


# --- lost or damaged -----------------------------------------------------------------------------


@pytest.mark.parametrize("left", [None, b""])
def test_a_lost_catalog_is_refused_and_the_newest_backup_named(small_project: Project, left):
    folder = small_project.folder
    small_project.close()
    for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    if left is not None:
        (folder / "catalog.sqlite").write_bytes(left)
    backup = next((folder / "backups").glob("catalog-*.sqlite"))
    with pytest.raises(ProjectError, match=f"newest backup is backups/{backup.name}"):
        Project.open(folder)
    assert main(["runs", "--project", str(folder)]) == 1
    # the cure works
    (folder / "catalog.sqlite").write_bytes(backup.read_bytes())
    with closing(Project.open(folder)) as again:
        assert _count(again) == 20


def test_closing_makes_one_backup_a_day_and_keeps_seven(small_project: Project):
    folder = small_project.folder / "backups"
    folder.mkdir()
    for day in range(1, 10):
        (folder / f"catalog-2020-01-0{day}.sqlite").write_bytes(b"x")
    small_project.close()
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 7
    assert kept[0] == "catalog-2020-01-04.sqlite"
    with closing(sqlite3.connect(folder / kept[-1])) as copy:
        assert copy.execute("SELECT count(*) FROM image").fetchone() == (40,)


def test_damaged_pages_are_reported_at_open(small_project: Project):
    folder = small_project.folder
    small_project.close()
    path = folder / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as catalog:  # one page of images, which opening never reads
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_image_added_at_shown'"
        page = catalog.execute(query).fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 + 8 : page * 4096] = os.urandom(4096 - 8)
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"catalog\.sqlite is damaged.*The newest backup is"):
        Project.open(folder)


def test_a_catalog_that_is_locked_by_another_program_is_a_sentence(
    small_project: Project, monkeypatch
):
    from amae_engine.catalog import database

    monkeypatch.setattr(database, "_BUSY_TIMEOUT_MS", 100)
    with (
        closing(Project.open(small_project.folder)) as project,
        closing(sqlite3.connect(small_project.folder / "catalog.sqlite")) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(ProjectError, match="Another program has been writing"),
            project.session() as session,
        ):
            studies.set_truth(session, [1], 0, "AB")
        other.rollback()


# --- a folder that cannot be written -------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Generator[Path, None, None]:
    """A small disk of its own, where the user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _copied(project: Project, place: Path) -> Path:
    """A whole project on another disk, with decisions that only its write-ahead log has."""
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.ABNORMAL, "AB")
    subprocess.run(["cp", "-r", str(project.folder), str(place / "project")], check=True)
    return place / "project"


def _fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb") as file:
        while True:
            file.write(b"x" * 65536)
            file.flush()


def test_a_read_only_folder_opens_for_reading(whole_path: Project, mounted: Path):
    folder = _copied(whole_path, mounted)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    with closing(Project.open(folder)) as project:
        assert project.only_reading == "its folder cannot be written"
        assert _count(project) == 20
        with project.session() as session:
            assert len(decisions.current(session)) == 10
            table = image_tables.images_in(session, Split.NORMAL)
        assert project.pixels.read(table.store_rows).shape == (20, 256, 256)
        with (
            pytest.raises(
                ProjectError, match="open for reading only: its folder cannot be written"
            ),
            project.session() as session,
        ):
            decisions.decide(session, [1], Label.NORMAL, "AB")
        assert evaluate_run(project).scores  # results can be looked at
    assert main(["stage1", "--project", str(folder)]) == 1


def test_a_full_disk_is_a_sentence_and_nothing_is_lost(
    small_project: Project, mounted: Path, capsys
):
    folder = _copied(small_project, mounted)
    _fill(mounted)
    from demo_images import DEMO

    assert main(["import", str(DEMO / "images"), "--project", str(folder), "--role", "test"]) == 1
    said = capsys.readouterr().err
    assert "The disk is full" in said
    assert "Traceback" not in said
    assert main(["stage1", "--project", str(folder), "--preset", "compact"]) == 1
    # said before anything is written, or when it is
    assert re.search("The disk is full|0.0 GB are free", capsys.readouterr().err)
    (mounted / "filler").unlink()
    with closing(Project.open(folder)) as project:
        assert _count(project) == 20
        with project.session() as session:
            assert len(decisions.current(session)) == 10


# --- a second window -----------------------------------------------------------------------------


def test_a_second_window_reads_only_until_the_first_is_closed(small_project: Project):
    folder = small_project.folder
    first = FileLock(folder / "private" / "window.lock")  # as another process holds it
    first.acquire()
    second = Project.open(folder)
    second.hold_for_window()
    assert second.only_reading == "it is open in another window"
    assert _count(second) == 20
    with (
        pytest.raises(ProjectError, match="reading only: it is open in another window"),
        second.session() as session,
    ):
        studies.set_truth(session, [1], 0, "AB")
    with closing(Project.open(folder)) as command:  # commands work beside a window
        assert command.only_reading == ""
    second.close()
    first.release()
    with closing(Project.open(folder)) as third, closing(Project.open(folder)) as again:
        third.hold_for_window()
        again.hold_for_window()  # the same window, after another theme was chosen
        assert third.only_reading == again.only_reading == ""
        third.close()
        with pytest.raises(Timeout):
            first.acquire(timeout=0)
    first.acquire(timeout=0)


# --- who may read --------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="Windows has access lists in place of these rights")
def test_the_private_folder_is_closed_to_others_and_mended(small_project: Project):
    private = small_project.folder / "private"
    assert private.stat().st_mode & 0o777 == 0o700
    private.chmod(0o755)
    (private / "key").chmod(0o644)
    (private / "originals").mkdir()
    (private / "originals" / "a.dcm").write_bytes(b"x")
    before = {path.name: path.stat().st_mode & 0o777 for path in private.rglob("*")}
    assert before["originals"] == 0o755
    with closing(Project.open(small_project.folder)):
        modes = {path.name: path.stat().st_mode & 0o777 for path in private.rglob("*")}
    assert private.stat().st_mode & 0o777 == 0o700
    assert modes["key"] == modes["a.dcm"] == 0o600
    assert modes["originals"] == modes["paths"] == 0o700


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
def test_a_key_that_is_not_whole_is_refused(small_project: Project, key: bytes):
    (small_project.folder / "private" / "key").write_bytes(key)
    with pytest.raises(ProjectError, match=f"it has {len(key)} bytes, and must have 32"):
        Project.open(small_project.folder)


def test_a_lock_left_by_a_window_that_died_holds_nobody_up(small_project: Project):
    (small_project.folder / "private" / "window.lock").write_bytes(b"")
    with closing(Project.open(small_project.folder)) as project:
        project.hold_for_window()
        assert project.only_reading == ""
