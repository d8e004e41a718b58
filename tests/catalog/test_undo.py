"""One undo and one redo for every act of a reader, whatever it is about, across restarts."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from amae_engine.catalog import (
    blind_readings,
    decisions,
    held_images,
    image_changes,
    image_tables,
    patients,
    regions,
    standing,
    studies,
    tags,
    undo,
    validation_images,
)
from amae_engine.catalog.acts import Subject
from amae_engine.catalog.regions import NewRegion, RegionState
from amae_engine.catalog.tables import Held, Label, Split
from amae_engine.cli import main
from amae_engine.evaluation.regions import box_outline
from amae_engine.jobs.importing.undo_import import undo_import
from amae_engine.project import Project

_BOX = box_outline(0.1, 0.2, 0.3, 0.4)
# what is stored, of every act, by plain SQL
_STORED = (
    "SELECT id, split, truth, is_validation, held, removed_at IS NULL FROM image ORDER BY id",
    "SELECT image_id, tag FROM image_tag ORDER BY image_id, tag",
    "SELECT image_id, after FROM label_decision AS d WHERE after != '' AND id = (SELECT max(id) "
    "FROM label_decision WHERE image_id = d.image_id) ORDER BY image_id",
    "SELECT region, state, points, note FROM region_act AS a WHERE state != '' AND id = (SELECT "
    "max(id) FROM region_act WHERE region = a.region) ORDER BY region",
    "SELECT image_id, label FROM reading AS r WHERE label != '' AND id = (SELECT max(id) FROM "
    "reading WHERE image_id = r.image_id AND session_id = r.session_id) ORDER BY image_id",
)


def _stored(session: Session) -> list[list[tuple]]:
    session.flush()
    return [[tuple(row) for row in session.execute(text(query))] for query in _STORED]


def _of(project: Project, split: Split) -> list[int]:
    with project.session() as session:
        return image_tables.images_in(session, split).ids.tolist()


def _acts(project: Project) -> list[Callable[[Session, random.Random], object]]:
    """Every kind of act, on images of the small project."""
    unlabeled, test = _of(project, Split.UNLABELED), _of(project, Split.TEST)
    with project.session() as session:
        image_changes.write_column(
            session, unlabeled[-2:], held=Held.WAITING, removed_at="2026-11-30"
        )
        decisions.decide(session, unlabeled[:6], Label.NORMAL, "ZZ")
        reading = blind_readings.begin(session, unlabeled[:6], "AB", "random")
    every = [*unlabeled[:-2], *test]
    labels, splits = list(Label), list(Split)
    return [
        lambda s, d: decisions.decide(s, d.sample(unlabeled[:8], 3), d.choice(labels), "AB"),
        lambda s, d: studies.change_split(s, d.sample(every, 3), d.choice(splits), "AB"),
        lambda s, d: studies.set_test_truth(s, d.sample(test, 3), d.choice((0, 1, None)), "AB"),
        lambda s, d: studies.remove(s, d.sample(every, 2), "AB"),
        lambda s, d: validation_images.set_validation(s, d.sample(test, 2), d.random() < 0.6, "AB"),
        lambda s, d: tags.add_tag(s, d.sample(every, 3), d.choice(("device", "rotated")), "AB"),
        lambda s, d: tags.remove_tag(s, d.sample(every, 9), "device", "AB"),
        lambda s, d: held_images.let_in(s, unlabeled[-1:], "AB"),
        lambda s, d: held_images.leave_out(s, unlabeled[-2:], "AB"),
        lambda s, d: regions.add(
            s, [NewRegion(d.choice(test), _BOX, RegionState.DRAWN) for _ in range(2)], "AB"
        ),
        lambda s, d: regions.note_image(s, d.choice(test), d.choice(("seen", "")), "AB"),
        lambda s, d: blind_readings.read(s, reading, [d.choice(unlabeled[:6])], d.choice(labels)),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_random_acts_are_undone_and_redone_to_what_was_stored(small_project: Project, seed: int):
    """150 acts of every kind against a list of what plain SQL reads after each."""
    draw = random.Random(seed)
    acts = _acts(small_project)
    with small_project.session() as session:
        past, ahead = [_stored(session)], []
        for _ in range(150):
            act = draw.choice([*acts, "undo", "undo", "undo", "redo", "redo"])
            if act == "undo":
                step = undo.undo(session, "AB")
                assert (step.subject is None) == (len(past) == 1)
                if len(past) > 1:
                    ahead.append(past.pop())
            elif act == "redo":
                step = undo.redo(session, "AB")
                assert (step.subject is None) == (not ahead)
                if ahead:
                    past.append(ahead.pop())
            else:
                logged = session.scalar(text("SELECT count(*) FROM act"))
                act(session, draw)
                session.flush()
                if session.scalar(text("SELECT count(*) FROM act")) > logged:
                    past.append(_stored(session))
                    ahead.clear()
            assert _stored(session) == past[-1]
        while undo.undo(session, "AB").subject is not None:
            past.pop()
            assert _stored(session) == past[-1]
        assert len(past) == 1


def test_acts_are_undone_after_a_restart_in_the_order_they_were_done(small_project: Project):
    test = _of(small_project, Split.TEST)
    with small_project.session() as session:
        tags.add_tag(session, test[:2], "device", "AB")
        studies.set_truth(session, test[:1], None, "AB")
        studies.remove(session, test[:3], "AB")
    small_project.close()
    again = Project.open(small_project.folder)
    with again.session() as session:
        assert [undo.undo(session, "AB").what for _ in range(3)] == [
            "3 images removed",
            "truth of 1 image: unknown",
            "“device” given to 2 images",
        ]
        assert undo.undo(session, "AB").subject is None
        assert undo.redo(session, "AB").image_ids == tuple(test[:2])
    again.close()


def test_what_somebody_changed_since_is_left(small_project: Project):
    one, two, three = _of(small_project, Split.TEST)[:3]
    with small_project.session() as session:
        studies.set_truth(session, [one, two, three], None, "AB")
        studies.set_truth(session, [two], 1, "CD")
        step = undo.undo(session, "AB")
    assert (set(step.image_ids), step.kept) == ({one, three}, 1)
    assert undo.step_text(step, False) == (
        "Undone: truth of 3 images: unknown. 1 image left: changed again since."
    )
    with small_project.session() as session:
        assert studies.rows(session, [two])[0].truth == 1


def test_undo_after_an_import_does_not_undo_an_older_act(small_project: Project):
    test = _of(small_project, Split.TEST)
    with small_project.session() as session:
        tags.add_tag(session, test[:2], "device", "")
    with small_project.session() as session:  # imported by nobody, as `small_project` was
        session.execute(text("UPDATE act SET id = id + 100 WHERE subject = 'import'"))
    with small_project.session() as session:
        step = undo.undo(session, "")
        assert (step.subject, step.image_ids) == (Subject.IMPORT, ())
        assert step.import_id
        assert tags.tags_of(session, test[:2])
    undo_import(small_project, "")
    with small_project.session() as session:
        step = undo.undo(session, "")  # whose images left with the import
        assert (step.image_ids, step.gone) == ((), 2)
        assert undo.redo(session, "").subject is Subject.IMAGES  # an import is not redone


def test_either_of_two_undoes_what_they_agreed_and_the_other_can_redo_it(small_project: Project):
    image = _of(small_project, Split.UNLABELED)[0]
    with small_project.session() as session:
        decisions.decide(session, [image], Label.NORMAL, "AA")
        number = blind_readings.begin(session, [image], "BB", "random")
        blind_readings.read(session, number, [image], Label.ABNORMAL)
        blind_readings.agree(session, number, image, Label.ABNORMAL)
        assert undo.undo(session, "AA").labels == {image: Label.NORMAL}
        assert undo.undo(session, "BB").subject is Subject.READING  # the consensus is undone
        assert undo.redo(session, "BB").subject is Subject.READING
        assert undo.redo(session, "BB").labels == {image: Label.ABNORMAL}
        assert undo.undo(session, "AA").labels == {image: Label.NORMAL}


def test_undone_decisions_leave_no_trace_in_the_pool_of_a_second_reading(small_project: Project):
    one, two, three = _of(small_project, Split.UNLABELED)[:3]
    with small_project.session() as session:
        decisions.decide(session, [one, two, three], Label.ABNORMAL, "AA")
        decisions.decide(session, [one, two], Label.NORMAL, "BB")
        assert set(blind_readings.candidates(session, "BB")) == {three}
        undo.undo(session, "BB")
        assert blind_readings.candidates(session, "BB") == dict.fromkeys(
            (one, two, three), ("AA", Label.ABNORMAL)
        )
        undo.redo(session, "BB")
        assert set(blind_readings.candidates(session, "BB")) == {three}
        assert set(blind_readings.candidates(session, "AA")) == set()
        undo.undo(session, "BB")
        assert standing.standing(session)[one].reader == "AA"


def test_a_patient_moved_into_one_split_goes_back(small_project: Project):
    normal, test = _of(small_project, Split.NORMAL)[:2], _of(small_project, Split.TEST)[0]
    with small_project.session() as session:
        query = text("UPDATE image SET patient_id = (SELECT patient_id FROM image WHERE id = :t)"
                     " WHERE id IN (:a, :b)")  # fmt: skip
        session.execute(query, {"t": test, "a": normal[0], "b": normal[1]})
    with small_project.session() as session:
        assert len(patients.resolve_patients_in_two_splits(session, "AB")) == 2
        assert undo.undo(session, "AB").image_ids == tuple(normal)
        assert {row.split for row in studies.rows(session, normal)} == {Split.NORMAL}


def test_the_command_line_undoes_what_the_window_did(
    small_project: Project, capsys: pytest.CaptureFixture[str]
):
    test = _of(small_project, Split.TEST)
    with small_project.session() as session:
        studies.remove(session, test[:3], "AB")
    folder = str(Path(small_project.folder))
    assert main(["undo", "--project", folder, "--reader", "AB"]) == 0
    assert capsys.readouterr().out == "Undone: 3 images removed.\n"
    assert main(["redo", "--project", folder, "--reader", "AB", "--json"]) == 0
    assert '"act": "3 images removed"' in capsys.readouterr().out
    assert main(["undo", "--project", folder, "--reader", "CD"]) == 0
    assert capsys.readouterr().out == "There is nothing of yours to undo.\n"
    assert main(["undo", "--project", folder]) == 1  # imported by nobody
    assert "The last act is the import of 40 images" in capsys.readouterr().err
