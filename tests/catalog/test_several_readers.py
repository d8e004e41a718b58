"""Several readers on one catalog at once, and where a catalog may lie."""

import csv
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from demo_images import DEMO, demo_files, finish

from amae_engine.catalog import decisions, image_tables, runs, undo
from amae_engine.catalog.network_folder import is_network_folder
from amae_engine.catalog.tables import Label, RunState, Split
from amae_engine.errors import ProjectError
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project


def test_two_readers_decide_at_once_and_nothing_is_lost(project: Project):
    finish(import_images(project, demo_files(4, 20, 0), "demo"))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
    errors = []

    def read(reader: str, label: Label) -> None:
        own = Project.open(project.folder)
        try:
            for image_id in ids:
                with own.session() as session:
                    decisions.decide(session, [image_id], label, reader)
        except Exception as error:  # noqa: BLE001 - told by the test
            errors.append(error)
        finally:
            own.close()

    readers = [
        threading.Thread(target=read, args=("AA", Label.NORMAL)),
        threading.Thread(target=read, args=("BB", Label.ABNORMAL)),
    ]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    assert errors == []
    with project.session() as session:
        history = decisions.history(session, limit=1000)
    assert sorted(row.reader for row in history) == ["AA"] * 20 + ["BB"] * 20


def test_undo_takes_back_one_s_own_act_though_another_has_its_number(project: Project):
    finish(import_images(project, demo_files(2, 4, 0), "demo"))
    with project.session() as session:
        one, two = image_tables.images_in(session, Split.UNLABELED).ids.tolist()[:2]
        decisions.decide(session, [one], Label.NORMAL, "AA")
        decisions.decide(session, [two], Label.ABNORMAL, "BB")
    with project.session() as session:
        from sqlalchemy import update

        from amae_engine.catalog.tables import Act, LabelDecision

        for table in (Act, LabelDecision):
            session.execute(update(table).values(batch=1))  # as two readers in one moment
    with project.session() as session:
        assert len(undo.undo(session, "BB").image_ids) == 1
        assert decisions.current(session) == {one: Label.NORMAL}


def test_two_imports_at_once_keep_every_image_and_no_image_twice(project: Project, tmp_path: Path):
    images = demo_files(24, 0, 0)
    commands = []
    for number, part in enumerate((images[:16], images[8:])):
        table = tmp_path / f"{number}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "split", "truth", "patient"))
            writer.writerows((f.path.relative_to(DEMO), "normal", "0", f.patient) for f in part)
        place = ("--project", str(project.folder), "--csv", str(table), "--images", str(DEMO))
        commands.append([sys.executable, "-m", "amae_engine.cli", "import", *place])
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    assert [process.wait(timeout=600) for process in running] == [0, 0]
    for process in running:
        process.stderr.close()
    with project.session() as session:
        table = image_tables.images_in(session, Split.NORMAL)
    assert len(table.ids) == 24
    assert sorted(table.store_rows.tolist()) == list(range(24))


def test_the_pixels_are_held_by_the_server_where_there_is_one(postgres, tmp_path: Path):
    one = Project.create(tmp_path / "project", "Shared", postgres.new_url())
    other = Project.open(one.folder)
    order: list[str] = []

    def hold() -> None:
        with other.lock_pixels():
            order.append("other")

    waiting = threading.Thread(target=hold)
    with one.lock_pixels():
        waiting.start()
        waiting.join(0.3)
        order.append("one")
    waiting.join(60)
    assert order == ["one", "other"]
    assert not (one.folder / "pixels" / "images.lock").exists()
    for project in (one, other):
        project.close()


def test_a_password_stays_out_of_the_project(tmp_path: Path):
    with pytest.raises(ProjectError, match="Leave the password out"):
        Project.create(tmp_path / "p", "x", "postgresql+psycopg://me:secret@host/db")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("url", ["mysql://host/db", "not an address", "sqlite:///x"])
def test_another_address_is_refused_with_an_example(tmp_path: Path, url: str):
    with pytest.raises(ProjectError, match="is no PostgreSQL address; it must be like"):
        Project.create(tmp_path / "p", "x", url)


def test_a_server_that_does_not_answer_is_named(tmp_path: Path):
    url = "postgresql+psycopg://me@127.0.0.1:1/db?connect_timeout=2"
    with pytest.raises(ProjectError, match="127.0.0.1, database db cannot be opened .*pgpass"):
        Project.create(tmp_path / "p", "x", url)


def test_a_database_of_another_project_is_refused(postgres, tmp_path: Path):
    url = postgres.new_url()
    first = Project.create(tmp_path / "one", "One", url)
    finish(import_images(first, demo_files(2, 0, 0), "demo"))
    first.close()
    with pytest.raises(ProjectError, match="holds another project's images"):
        Project.create(tmp_path / "two", "Two", url)


def test_the_catalog_s_address_is_in_the_project_for_the_next_reader(postgres, tmp_path: Path):
    url = postgres.new_url()
    Project.create(tmp_path / "p", "Shared", url).close()
    assert json.loads((tmp_path / "p" / "project.json").read_text())["catalog_url"] == url
    assert not (tmp_path / "p" / "catalog.sqlite").exists()
    again = Project.open(tmp_path / "p")
    finish(import_images(again, demo_files(2, 0, 0), "demo"))
    again.close()


def test_sqlite_on_a_network_folder_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("amae_engine.catalog.database.is_network_folder", lambda _folder: True)
    with pytest.raises(ProjectError, match="lies on a network folder.*PostgreSQL"):
        Project.create(tmp_path / "p")


def test_network_mounts_are_told_from_local_ones(tmp_path: Path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/vda / ext4 rw 0 0\n"
        "server:/images /mnt/images nfs4 rw 0 0\n"
        "//nas/x /mnt/with\\040space cifs rw 0 0\n"
        "/dev/vdb /mnt/images/local xfs rw 0 0\n"
    )
    assert is_network_folder(Path("/mnt/images/project"), mounts)
    assert is_network_folder(Path("/mnt/with space/p"), mounts)
    assert not is_network_folder(Path("/mnt/images/local/p"), mounts)
    assert not is_network_folder(Path("/srv/amae"), mounts)


def test_one_trains_and_the_others_see_it(postgres, tmp_path: Path, tiny_weights: Path):
    project = Project.create(tmp_path / "shared", "Shared", postgres.new_url())
    try:
        finish(import_images(project, demo_files(20, 10, 4), "demo"))
        command = [sys.executable, "-m", "amae_engine.cli", "stage1", "--project"]
        command += [str(project.folder), "--set", "encoder=", "--set", f"weights={tiny_weights}"]
        trains = subprocess.Popen([*command, "--set", "training.epochs=60"], stderr=subprocess.PIPE)
        states, epochs = [], set()
        while trains.poll() is None:
            other = Project.open(project.folder)  # another reader's window, again and again
            with other.session() as session:
                rows = runs.list_runs(session)
            states += [row.state for row in rows]
            epochs |= {row.epoch for row in rows}
            lease = other.take_lease(rows[0].id) if rows else None
            if lease is not None:  # nobody else goes on with it: it has ended meanwhile
                lease.release()
                with other.session() as session:
                    assert runs.list_runs(session)[0].state is RunState.FINISHED
            other.close()
            time.sleep(0.1)
        _, said = trains.communicate()
        assert trains.returncode == 0, said
        with project.session() as session:
            assert runs.list_runs(session)[0].state is RunState.FINISHED
        assert RunState.RUNNING in states
        assert RunState.INTERRUPTED not in states  # who opens it does not take it for dead
        assert len(epochs) > 1
    finally:
        project.close()


def test_a_catalog_that_is_only_read_refuses_to_write_again_and_again(project: Project):
    finish(import_images(project, demo_files(2, 2, 0), "demo"))
    project._catalog.only_read("the test wants it so")
    for _ in range(3):  # connections go back to the pool and come again
        with (
            pytest.raises(ProjectError, match="reading only: the test wants it so"),
            project.session() as session,
        ):
            decisions.decide(session, [1], Label.NORMAL, "AB")
        with project.session() as session:
            assert decisions.current(session) == {}
