"""Acts one at a time, chained: several writers, a server that restarts, rows changed outside."""

import json
import multiprocessing
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.process import BaseProcess
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
KILLS = max(2, min(20, ACTS // 10))


def _noted(log: Path) -> list[int]:
    """The acts that a writer knows to be committed; a kill can cut the last line short."""
    lines = log.read_text().splitlines(keepends=True) if log.is_file() else []
    return [int(line) for line in lines if line.endswith("\n")]


def _write(folder: Path, reader: str, log: Path) -> None:
    """Decide again and again until all acts are made; each committed one is noted in a file."""
    from sqlalchemy.exc import DBAPIError

    done = len(_noted(log))
    own = random.Random(f"{reader}{done}")
    while True:
        try:
            project = Project.open(folder)
            break
        except (DBAPIError, OSError):
            time.sleep(0.05)  # the server restarts
    with log.open("a", buffering=1) as note:
        while done < ACTS:
            label = own.choice([Label.NORMAL, Label.ABNORMAL, Label.NONE])
            try:
                with project.session() as session:
                    ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()[:10]
                    act = decisions.decide(session, [own.choice(ids)], label, reader)
            except (DBAPIError, OSError):
                time.sleep(0.05)  # the server restarts, or another process writes
                continue
            note.write(f"{act}\n")
            done += 1


def _disturbed(
    project: Project, place: Path, disturbances: list[Callable[[], object] | None]
) -> list[Path]:
    """Let writers work at once; at even steps of their progress kill one, or do what is given.

    A killed writer is started again and goes on; returns the writers' notes.
    """
    context = multiprocessing.get_context("spawn")
    logs = [place / f"{number}.log" for number in range(WRITERS)]
    chance, left = random.Random(0), list(disturbances)

    def start(number: int) -> BaseProcess:
        arguments = (project.folder, f"R{number}", logs[number])
        process = context.Process(target=_write, args=arguments)
        process.start()
        return process

    writers = [start(number) for number in range(WRITERS)]
    while any(writer.is_alive() for writer in writers):
        share = sum(len(_noted(log)) for log in logs) / (WRITERS * ACTS)
        if left and share > 1 - len(left) / (len(disturbances) + 1):
            act = left.pop(0)
            if act is not None:
                act()
            else:
                number = chance.choice([n for n, each in enumerate(writers) if each.is_alive()])
                os.kill(writers[number].pid or 0, signal.SIGKILL)
                writers[number].join()
                writers[number] = start(number)
        time.sleep(0.02)
    assert left == []
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    return logs


def _hold_chain(project: Project, logs: list[Path], disturbances: int) -> None:
    """Every `before` is the `after` that stood; numbers are nobody else's; none is lost or doubled."""
    with project.session() as session:
        rows = list(session.scalars(select(LabelDecision).order_by(LabelDecision.id)))
        report = verify_chains(session)
    stands: dict[int, str] = defaultdict(str)
    for row in rows:
        assert row.before == stands[row.image_id], row.id
        stands[row.image_id] = row.after
    assert report.problems == ()
    by_number = {row.batch: row.reader for row in rows}
    assert len(by_number) == len(rows)
    noted = [(act, f"R{number}") for number, log in enumerate(logs) for act in _noted(log)]
    assert len(set(noted)) == len(noted) == WRITERS * ACTS
    assert all(by_number.get(act) == reader for act, reader in noted)  # what was committed is there
    # a kill, or a cut connection, between the commit and the note leaves an act that nobody noted
    assert len(rows) - len(noted) <= disturbances + WRITERS


def test_several_writers_keep_one_chain_through_random_kills(project: Project, tmp_path: Path):
    finish(import_images(project, demo_files(2, 12, 0), "demo"))
    logs = _disturbed(project, tmp_path, [None] * KILLS)
    _hold_chain(project, logs, KILLS)


def test_kills_and_a_server_that_restarts_lose_and_double_nothing(postgres, tmp_path: Path):
    project = Project.create(tmp_path / "shared", "Shared", postgres.new_url())
    try:
        finish(import_images(project, demo_files(2, 12, 0), "demo"))
        half = [None] * (KILLS // 2)
        logs = _disturbed(project, tmp_path, [*half, postgres.restart, *half])
        _hold_chain(project, logs, KILLS + 1)
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
