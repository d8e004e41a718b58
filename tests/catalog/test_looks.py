"""What was seen of test images: first looks alone, on a file and on a server; gone with the images."""

from __future__ import annotations

import pytest

from amae_engine.catalog import image_tables, looks, studies
from amae_engine.catalog.tables import Split
from amae_engine.config import ScoreKind
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.project import Project
from tests.conftest import import_small


@pytest.fixture
def shared_project(project: Project) -> Project:
    """Real images."""
    import_small(project)
    return project


def test_only_first_looks_at_known_truth_count(shared_project: Project):
    probe = str(ScoreKind.UNLABELED_PROBE)
    with shared_project.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
        normal = image_tables.images_in(session, Split.NORMAL).ids.tolist()
        studies.set_truth(session, test[:1], None, "BB")
        looks.note(session, [*normal, *test], [looks.TRUTH, probe], "BB", "run 1")
        looks.note(session, test, [probe], "CC", "run 2")
        found = looks.seen(session)
        assert [each.subject for each in found] in ([looks.TRUTH, probe], [probe, looks.TRUTH])
        assert {(each.images, each.reader, each.where) for each in found} == {
            (len(test) - 1, "BB", "run 1")
        }
        assert looks.read(looks.written(found)) == found
        assert f"the truth of {len(test) - 1} images (run 1, BB, " in " ".join(
            each.text for each in found
        )


def test_a_look_leaves_with_its_image(shared_project: Project):
    with shared_project.session() as session:
        looks.note_all(session, [looks.TRUTH], "BB", "Studies")
        assert looks.seen(session)
    undo_import(shared_project, "BB")
    assert shared_project.in_session(looks.seen) == ()


def test_who_only_reads_a_catalog_leaves_no_trace(shared_project: Project):
    shared_project._catalog.only_read("it is open in another window")
    with shared_project.session() as session:
        looks.note_all(session, [looks.TRUTH], "BB", "Studies")
        assert looks.seen(session) == ()
