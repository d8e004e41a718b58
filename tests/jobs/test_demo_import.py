"""The demo project is whole, or is made whole at the next opening."""

from pathlib import Path

from demo_images import finish

from amae_engine.catalog import studies
from amae_engine.events import Progress
from amae_engine.jobs.importing.demo import is_whole, open_demo
from amae_engine.project import Project


def _count(project: Project) -> int:
    with project.session() as session:
        return sum(count.images for count in studies.split_counts(session).values())


def test_an_import_that_was_cancelled_is_finished_at_the_next_opening(tmp_path: Path):
    job = open_demo(tmp_path / "demo")
    while not isinstance(next(job), Progress):
        pass
    job.close()
    half = Project.open(tmp_path / "demo")
    assert 0 < _count(half) < 240
    assert not is_whole(half)
    half.close()
    project, _ = finish(open_demo(tmp_path / "demo"))
    assert _count(project) == 240
    assert is_whole(project)
    _, events = finish(open_demo(tmp_path / "demo"))
    assert not [e for e in events if isinstance(e, Progress)]
    project.close()
