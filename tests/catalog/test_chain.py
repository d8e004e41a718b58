"""Acts one at a time, chained: several writers, a server that restarts, rows changed outside."""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest
from demo_images import demo_files, finish
from sqlalchemy import delete, insert, select, text, update

from amae_engine.catalog import decisions, image_tables, studies
from amae_engine.catalog.chain import verify_chains
from amae_engine.catalog.tables import Audit, Label, LabelDecision, Split
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project

WRITERS = 4
ACTS = int(os.environ.get("AMAE_WRITER_ACTS", "25"))  # of each writer; the long run: 2500


def _write(folder: Path, reader: str, acts: int, log: Path) -> None:
    """Decide again and again; each committed act is noted in a file of its own."""
    from sqlalchemy.exc import DBAPIError

    own = random.Random(reader)
    project = Project.open(folder)
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()[:10]
    with log.open("a", buffering=1) as note:
        for number in range(acts):
            while True:
                try:
                    with project.session() as session:
                        label = own.choice([Label.NORMAL, Label.ABNORMAL, Label.NONE])
                        act = decisions.decide(session, [own.choice(ids)], label, reader)
                except (DBAPIError, OSError):
                    time.sleep(0.05)  # the server restarts, or another process writes
                    continue
                note.write(f"{act} {number}\n")
                break


def _hold_chain(project: Project) -> list[LabelDecision]:
    """Every `before` is the `after` that stood; numbers are nobody else's; links hold."""
    with project.session() as session:
        rows = list(session.scalars(select(LabelDecision).order_by(LabelDecision.id)))
        report = verify_chains(session)
    stands: dict[int, str] = defaultdict(str)
    for row in rows:
        assert row.before == stands[row.image_id], row.id
        stands[row.image_id] = row.after
    assert len({row.batch for row in rows}) == len(rows)
    assert report.problems == ()
    return rows


def test_several_writers_keep_one_chain_through_kills(project: Project, tmp_path: Path):
    finish(import_images(project, demo_files(2, 12, 0), "demo"))
    context = multiprocessing.get_context("spawn")
    logs = [tmp_path / f"{number}.log" for number in range(WRITERS)]
    writers = [
        context.Process(target=_write, args=(project.folder, f"R{number}", ACTS, logs[number]))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(log.is_file() for log in logs):
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(writers[0].pid, signal.SIGKILL)  # in the midst of it
    for writer in writers:
        writer.join(timeout=600)
    rows = _hold_chain(project)
    by_reader = defaultdict(set)
    for row in rows:
        by_reader[row.reader].add(row.batch)
    for number, log in enumerate(logs):
        noted = {int(line.split()[0]) for line in log.read_text().splitlines()}
        there = by_reader[f"R{number}"]
        assert noted <= there  # nothing that was committed is lost
        assert len(there - noted) <= 1  # the kill came between the commit and the note
        if number:
            assert len(there) == ACTS


def test_a_server_that_restarts_loses_and_doubles_nothing(postgres, tmp_path: Path):
    project = Project.create(tmp_path / "shared", "Shared", postgres.new_url())
    try:
        finish(import_images(project, demo_files(2, 12, 0), "demo"))
        context = multiprocessing.get_context("spawn")
        logs = [tmp_path / f"{number}.log" for number in range(2)]
        writers = [
            context.Process(target=_write, args=(project.folder, f"R{number}", ACTS, logs[number]))
            for number in range(2)
        ]
        for writer in writers:
            writer.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(log.is_file() for log in logs):
            time.sleep(0.05)
        time.sleep(0.3)
        postgres.restart()
        for writer in writers:
            writer.join(timeout=600)
        rows = _hold_chain(project)
        for number in range(2):
            assert ACTS <= sum(row.reader == f"R{number}" for row in rows) <= ACTS + 1
    finally:
        project.close()


# --- what is changed outside AMAE ----------------------------------------------------------------


@pytest.fixture
def acted(project: Project) -> Project:
    """Some images, six decisions and a truth that was set."""
    finish(import_images(project, demo_files(2, 6, 0), "demo", "AB"))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
    for number, image in enumerate(ids):
        with project.session() as session:
            decisions.decide(session, [image], Label.ABNORMAL, "AB" if number % 2 else "CD")
    with project.session() as session:
        studies.set_truth(session, ids[:1], 1, "AB")
    return project


def _problems(project: Project) -> tuple[str, ...]:
    with project.session() as session:
        return verify_chains(session).problems


def test_an_untouched_catalog_has_no_problems(acted: Project):
    with acted.session() as session:
        report = verify_chains(session)
    assert report.problems == ()
    assert report.before == 0
    assert report.links >= 9
    assert set(report.heads) >= {"AB", "CD"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (update(LabelDecision).where(LabelDecision.id == 3).values(after="normal"),
         "decision 3 of CD is not as it was written"),
        (delete(LabelDecision).where(LabelDecision.id == 4), "decision 4 of AB is gone"),
        (update(LabelDecision).where(LabelDecision.id == 2).values(reader="CD"),
         "decision 2 of AB is not as it was written"),
        (text("DELETE FROM chain_link WHERE writer = 'CD' AND number = 2"), "links of CD before"),
        (update(Audit).where(Audit.act == "set_truth").values(detail="none"),
         "of AB is not as it was written"),
    ],
)  # fmt: skip
def test_what_was_changed_outside_is_found(acted: Project, change, said: str):
    with acted.session() as session:
        session.execute(change)
    assert any(said in problem for problem in _problems(acted))


def test_a_row_that_was_slipped_in_is_found(acted: Project):
    with acted.session() as session:
        row = {"image_id": 3, "reader": "AB", "before": "", "after": "normal", "kind": "decide",
               "batch": 99}  # fmt: skip
        session.execute(insert(LabelDecision), [row])
    assert any("was added outside AMAE" in problem for problem in _problems(acted))


def test_an_import_that_goes_on_does_not_break_its_own_link(project: Project):
    finish(import_images(project, demo_files(6, 6, 0), "demo", "AB"))
    assert _problems(project) == ()
    with project.session() as session:
        ended = json.loads(
            session.scalar(select(Audit.detail).where(Audit.act == "imported")) or "{}"
        )
    assert ended["summary"].startswith("12 images imported")
