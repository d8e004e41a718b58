"""The project's one queue: its worker, what a reader does to it meanwhile, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from demo_images import finish
from filelock import FileLock

from amae_engine.catalog import job_queue
from amae_engine.catalog.job_queue import HERE, NewJob
from amae_engine.catalog.tables import QueueState
from amae_engine.errors import NotReady
from amae_engine.events import Alive, Event, JobBegan, JobEnded, Progress
from amae_engine.jobs.planning import work_queue as work_queue_module
from amae_engine.jobs.planning.work_queue import MakeJob, progress_elsewhere, work_queue
from amae_engine.project import Project

_NOTHING = {"configs": []}  # of "peer_times": a job that is done at once


def _steps(count: int, seen: list[int] | None = None) -> MakeJob:
    """A job of some steps, which returns how many."""

    def job() -> Generator[Event, None, object]:
        for step in range(count):
            if seen is not None:
                seen.append(step)
            yield Progress("step", step, count)
        return count

    return job


@pytest.fixture
def own(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[int, MakeJob]]:
    """Queue jobs that only this process can do; the worker looks at their rows after every event."""
    monkeypatch.setattr(work_queue_module, "_SECONDS_BETWEEN_LOOKS", 0)

    def queue(*jobs: MakeJob) -> dict[int, MakeJob]:
        new = [NewJob(f"job {number}", HERE, {}) for number in range(len(jobs))]
        return dict(zip(project.in_session(job_queue.add, "", new), jobs, strict=True))

    return queue


def _ended(events: list[Event]) -> list[tuple[str, object, str]]:
    return [(e.title, e.result, e.message) for e in events if isinstance(e, JobEnded)]


def test_a_job_that_only_this_process_can_do_leaves_nothing_behind(project: Project, own):
    assert project.in_session(job_queue.rows) == []
    done, events = finish(work_queue(project, own(_steps(3), _steps(2))))
    assert done == 2
    assert _ended(events) == [("job 0", 3, ""), ("job 1", 2, "")]
    assert project.in_session(job_queue.open_rows) == []
    with project.session() as session:
        assert session.query(job_queue.QueueJob).count() == 0


def test_such_jobs_come_first_and_are_nobody_else_s(project: Project, own):
    (stored,) = project.in_session(job_queue.add, "", [NewJob("stored", "peer_times", _NOTHING)])
    mine = own(_steps(1))
    order = [job.id for job in project.in_session(job_queue.open_rows, tuple(mine))]
    assert order == [*mine, stored]
    assert project.in_session(job_queue.next_waiting).id == stored  # of another process
    assert [job.id for job in project.in_session(job_queue.rows)] == [stored]


def test_beside_another_worker_a_process_does_its_own_jobs_alone(
    project: Project, own, monkeypatch
):
    monkeypatch.setattr(work_queue_module, "_PATIENCE", 0.1)
    project.in_session(job_queue.add, "", [NewJob("stored", "peer_times", _NOTHING)])
    with FileLock(project.folder / "queue.lock"):
        done, _ = finish(work_queue(project, own(_steps(1))))
        assert done == 1
        with pytest.raises(NotReady, match="Another worker"):
            next(work_queue(project))
    (left,) = project.in_session(job_queue.rows)
    assert left.state is QueueState.WAITING


def test_a_cancel_between_two_looks_is_not_lost(project: Project, own, monkeypatch):
    monkeypatch.setattr(work_queue_module, "_SECONDS_BETWEEN_LOOKS", 1000)  # it never looks
    mine = own(_steps(3), _steps(1))
    first = next(iter(mine))
    events = []
    for event in work_queue(project, mine):
        events.append(event)
        if isinstance(event, Progress) and len(_ended(events)) == 0 and event.done == 2:
            project.in_session(job_queue.cancel, first)
    assert [message for *_, message in _ended(events)] == ["cancelled", ""]


def test_a_job_that_is_cancelled_before_it_is_taken_does_not_begin(project: Project, own):
    mine = own(_steps(1))
    (number,) = mine
    project.in_session(job_queue.cancel, number)
    assert not project.in_session(job_queue.take, number)
    assert not project.in_session(job_queue.end, number, QueueState.DONE)
    done, events = finish(work_queue(project, mine))
    assert (done, events) == (0, [])
    with pytest.raises(NotReady, match="is cancelled"):
        project.in_session(job_queue.cancel, number)


def test_a_paused_job_is_held_and_goes_on_where_it_was(project: Project, own):
    seen: list[int] = []
    events = work_queue(project, own(_steps(4, seen)))
    while not isinstance(event := next(events), Progress) or event.done < 1:
        pass
    assert project.in_session(job_queue.pause) == 1
    assert [type(next(events)) for _ in range(3)] == [Alive] * 3
    assert seen == [0, 1]
    assert project.in_session(job_queue.resume) == 1
    assert _ended(list(events)) == [("job 0", 4, "")]
    assert seen == [0, 1, 2, 3]


def test_a_worker_that_is_closed_lets_its_job_wait_again(project: Project, own, monkeypatch):
    monkeypatch.setattr(
        work_queue_module, "run_in_child", lambda *_: _steps(9)()
    )  # stands for a training
    project.in_session(job_queue.add, "", [NewJob("stored", "peer_times", _NOTHING)])
    events = work_queue(project)
    assert isinstance(next(events), JobBegan)
    next(events)
    assert project.in_session(job_queue.rows)[0].state is QueueState.RUNNING
    events.close()
    assert project.in_session(job_queue.rows)[0].state is QueueState.WAITING


def test_resuming_a_run_that_an_open_job_has_queues_nothing_new(project: Project):
    from amae_engine.catalog import runs
    from amae_engine.catalog.tables import RunKind

    run = project.in_session(runs.start, RunKind.STAGE1, {}, None, 1)
    again = [NewJob("Stage 1", "stage1", {}, run_id=run)]
    (first,) = project.in_session(job_queue.add, "", again)
    project.in_session(job_queue.pause)
    assert project.in_session(job_queue.add, "", again) == [first]
    (job,) = project.in_session(job_queue.rows)
    assert (job.state, job.run_id) == (QueueState.WAITING, run)


def test_how_far_a_job_is_can_be_read_from_another_process(project: Project, own, monkeypatch):
    monkeypatch.setattr(work_queue_module, "_SECONDS_BETWEEN_WORDS", 0)
    events = work_queue(project, own(_steps(3)))
    while not isinstance(event := next(events), Progress) or event.done < 2:
        pass
    assert progress_elsewhere(project) == Progress("step", 1, 3)
    finish(events)
    assert progress_elsewhere(project) is None
    for text in ("", "[]", '{"step": 1}', '{"step": "x", "done": "y", "total": 1}'):
        (project.folder / "queue.json").write_text(text)
        assert progress_elsewhere(project) is None
