"""Held images, tags, saved filters, blind readings, decisions from another copy; on both databases."""

import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import (
    blind_readings,
    decision_table,
    decisions,
    held_images,
    image_changes,
    image_tables,
    studies,
    tags,
    undo,
)
from amae_engine.catalog.current_decisions import CurrentDecisions
from amae_engine.catalog.decisions import Offer
from amae_engine.catalog.tables import Held, Image, Label, Split
from amae_engine.errors import BadInput
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.project import Project


@pytest.fixture
def shared_project(project: Project) -> Project:
    """16 images."""
    finish(import_images(project, demo_files(2, 12, 2), "demo"))
    return project


def _unlabeled(session) -> list[int]:
    return image_tables.images_in(session, Split.UNLABELED).ids.tolist()


def test_held_images_are_in_no_list_until_they_are_let_in(shared_project):
    with shared_project.session() as session:
        ids = _unlabeled(session)[:3]
        image_changes.write_column(session, ids, held=Held.WAITING, removed_at="2026-11-30")
    with shared_project.session() as session:
        assert len(_unlabeled(session)) == 9
        assert [row.id for row in held_images.waiting(session)] == ids
        assert held_images.let_in(session, ids[:1], "BB") == 1
        assert held_images.leave_out(session, ids[1:2], "BB") == 1
        # an image that is not held is not touched
        assert held_images.leave_out(session, _unlabeled(session)[:1], "BB") == 0
    with shared_project.session() as session:
        assert len(_unlabeled(session)) == 10
        assert [row.id for row in held_images.waiting(session)] == ids[2:]
        assert [row.id for row in held_images.left_out(session)] == ids[1:2]
        assert session.get(Image, ids[0]).held == Held.NO


def test_tags_filter_and_are_taken_back(shared_project):
    with shared_project.session() as session:
        ids = _unlabeled(session)[:4]
        assert tags.add_tag(session, ids, "Device", "BB") == ids
        assert tags.add_tag(session, ids[:2], "device", "BB") == []
        assert tags.add_tag(session, ids[:1], "poor-film", "BB") == ids[:1]
        assert studies.page_of_ids(session, "tag:device split:unlabeled").tolist() == ids
        assert tags.tags_of(session, ids)[ids[0]] == ("device", "poor-film")
        assert tags.all_tags(session) == [("device", 4), ("poor-film", 1)]
        assert tags.remove_tag(session, ids, "device", "BB") == ids
        assert studies.page_of_ids(session, "tag:device").tolist() == []
        with pytest.raises(BadInput, match="one word"):
            tags.add_tag(session, ids, "Hans Müller", "BB")


def test_filters_are_saved_under_a_name(shared_project):
    with shared_project.session() as session:
        tags.save_filter(session, "adults", "split:test view:PA")
        tags.save_filter(session, "adults", "split:test")
        assert tags.saved_filters(session) == [("adults", "split:test")]
        tags.forget_filter(session, "adults")
        assert tags.saved_filters(session) == []
        with pytest.raises(BadInput):
            tags.save_filter(session, " ", "split:test")


def test_a_blind_reading_decides_nothing_until_both_agree(shared_project):
    with shared_project.session() as session:
        ids = _unlabeled(session)
        decisions.decide(session, ids[:4], Label.ABNORMAL, "AA")
        decisions.decide(session, ids[4:5], Label.NORMAL, "BB")
        known = blind_readings.candidates(session, "BB")
        assert known == dict.fromkeys(ids[:4], ("AA", Label.ABNORMAL))
        number = blind_readings.begin(session, ids[:3], "BB", "random")
        blind_readings.read(session, number, [ids[0]], Label.NORMAL)
        blind_readings.read(session, number, [ids[0]], Label.ABNORMAL)  # the newest counts
        blind_readings.read(session, number, [ids[1]], Label.NORMAL)
        found = {item.image_id: item for item in blind_readings.items(session, number)}
        assert found[ids[0]].second is Label.ABNORMAL
        assert [i for i, item in found.items() if item.is_conflict] == [ids[1]]
        assert decisions.current(session)[ids[1]] is Label.ABNORMAL
        blind_readings.agree(session, number, ids[1], Label.NORMAL)
        assert decisions.current(session)[ids[1]] is Label.NORMAL
        newest = decisions.history(session, ids[1], 1)[0]
        assert (newest.reader, newest.kind) == ("AA + BB", "consensus")
        assert len(undo.undo(session, "B").image_ids) == 0  # another reader, whatever the letters
        undone = undo.undo(session, "BB")  # either of both takes it back
        assert undone.labels == {ids[1]: Label.ABNORMAL}
        assert undo.redo(session, "BB").labels == {ids[1]: Label.NORMAL}
        with pytest.raises(BadInput):
            blind_readings.begin(session, ids[5:6], "BB", "random")
        with pytest.raises(BadInput, match="reader"):
            blind_readings.begin(session, ids[3:4], " ", "random")
        assert blind_readings.sessions(session)[0].read == 2


def test_only_images_offered_at_random_are_a_fair_sample(shared_project):
    with shared_project.session() as session:
        ids = _unlabeled(session)
        decisions.decide(session, ids[:2], Label.NORMAL, "AA", offer=Offer("random"))
        decisions.decide(session, ids[2:4], Label.NORMAL, "AA", offer=Offer("random", True))
        decisions.decide(session, ids[4:6], Label.NORMAL, "AA", offer=Offer("nearest a cut first"))
        assert sorted(CurrentDecisions().read(session).fair.tolist()) == ids[:2]


def test_decisions_of_another_copy_are_taken_over_once(shared_project):
    with shared_project.session() as session:
        ids = _unlabeled(session)
        decisions.decide(session, ids[:3], Label.ABNORMAL, "AA", offer=Offer("random"))
        undo.undo(session, "AA")
        decisions.decide(session, ids[1:2], Label.NORMAL, "BB", kind="confirm")
        lines = decision_table.all_lines(session)
        again = decision_table.take_over(session, lines)
        assert (again.added, again.known) == (0, 7)
        assert decision_table.all_lines(session) == lines
        strange = [line.__class__(**{**_fields(line), "image_key": "other"}) for line in lines[:1]]
        assert decision_table.take_over(session, strange).no_image == ("other",)


def test_a_later_decision_here_stands_against_an_older_one_from_elsewhere(shared_project):
    with shared_project.session() as session:
        image = _unlabeled(session)[0]
        decisions.decide(session, [image], Label.ABNORMAL, "AA")
        line = decision_table.all_lines(session)[0]
        older = line.__class__(
            **{**_fields(line), "reader": "ZZ", "decided_at": "2020-01-01T00:00:00.000+00:00",
               "after": Label.NORMAL, "run": 99}
        )  # fmt: skip
        taken = decision_table.take_over(session, [older])
        assert (taken.added, taken.kept, taken.no_run) == (1, 1, (99,))
        assert decisions.current(session)[image] is Label.ABNORMAL


def test_a_line_that_stands_twice_is_taken_once(shared_project):
    with shared_project.session() as session:
        decisions.decide(session, _unlabeled(session)[:1], Label.ABNORMAL, "AA")
        line = decision_table.all_lines(session)[0]
        other = line.__class__(**{**_fields(line), "reader": "ZZ"})
        taken = decision_table.take_over(session, [other, line, other])
        assert (taken.added, taken.known) == (1, 2)
        assert [row.reader for row in decision_table.all_lines(session)].count("ZZ") == 1


def _fields(line) -> dict[str, object]:
    return {name: getattr(line, name) for name in line.__dataclass_fields__}
