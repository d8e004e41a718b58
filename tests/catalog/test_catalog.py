"""Images, decisions, runs, scores and filters in a real SQLite catalog."""

import json

import numpy as np
import pytest

from amae_engine.catalog import decisions, image_tables, runs, scores, studies, undo
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.config import ScoreKind
from amae_engine.errors import BadInput, ProjectError
from amae_engine.project import Project


def _ids(project: Project, split: Split) -> list[int]:
    with project.session() as session:
        return image_tables.images_in(session, split).ids.tolist()


def test_filters_and_sorting_happen_in_sql(small_project: Project):
    with small_project.session() as session:
        assert len(studies.page_of_ids(session)) == 40
        abnormal = studies.page_of_ids(session, "split:test truth:abnormal")
        assert len(abnormal) == 5
        rows = studies.rows(session, abnormal.tolist())
        assert all(row.split is Split.TEST and row.truth == 1 for row in rows)
        falling = studies.page_of_ids(session, sort="name", descending=True)
        assert (np.diff(falling) < 0).all()


def test_an_unknown_filter_key_is_named(small_project: Project):
    with (
        small_project.session() as session,
        pytest.raises(BadInput, match="Unknown filter 'colour:'; known are source, split, truth"),
    ):
        studies.page_of_ids(session, "colour:red")


@pytest.mark.parametrize("text", ["patient:P²", "patient:" + "9" * 30, "patient:PP1", "a " * 1000])
def test_a_filter_that_cannot_be_is_refused_in_a_sentence(small_project: Project, text):
    with (
        small_project.session() as session,
        pytest.raises(BadInput, match=r"number such|at most 100"),
    ):
        studies.page_of_ids(session, text)


def test_the_longest_filter_is_asked(small_project: Project):
    with small_project.session() as session:
        assert len(studies.page_of_ids(session, "split:test " * 100)) == 10
        assert len(studies.page_of_ids(session, "1 " * 100)) == 1


def test_removed_images_leave_every_list_until_restored(small_project: Project):
    first = _ids(small_project, Split.NORMAL)[0]
    with small_project.session() as session:
        studies.remove(session, [first], "BB")
    assert first not in _ids(small_project, Split.NORMAL)
    with small_project.session() as session:
        studies.restore(session, [first], "BB")
    assert first in _ids(small_project, Split.NORMAL)


def test_a_patient_in_two_splits_is_found(small_project: Project):
    with small_project.session() as session:
        assert studies.patients_in_two_splits(session) == []
        row = studies.rows(session, _ids(small_project, Split.NORMAL)[:2])
        from amae_engine.catalog.tables import Image

        session.get(Image, row[1].id).patient_id = row[0].patient_id
        studies.change_split(session, [row[1].id], Split.TEST, "BB")
        assert studies.patients_in_two_splits(session) == [row[0].patient_id]


def test_undo_restores_the_previous_label_and_redo_repeats(small_project: Project):
    image = _ids(small_project, Split.UNLABELED)[0]
    with small_project.session() as session:
        decisions.decide(session, [image], Label.NORMAL, "BB")
        decisions.decide(session, [image], Label.ABNORMAL, "BB")
        assert len(undo.undo(session, "BB").image_ids) == 1
        assert decisions.current(session)[image] is Label.NORMAL
        undo.undo(session, "BB")
        assert image not in decisions.current(session)
        assert len(undo.undo(session, "BB").image_ids) == 0
        undo.redo(session, "BB")
        undo.redo(session, "BB")
        assert decisions.current(session)[image] is Label.ABNORMAL
        assert len(undo.redo(session, "BB").image_ids) == 0


def test_undo_takes_back_ones_own_acts_only(small_project: Project):
    one, two = _ids(small_project, Split.UNLABELED)[:2]
    with small_project.session() as session:
        decisions.decide(session, [one], Label.NORMAL, "BB")
        decisions.decide(session, [two], Label.ABNORMAL, "JT")
        undo.undo(session, "BB")
        assert decisions.current(session) == {two: Label.ABNORMAL}


def test_history_only_grows(small_project: Project):
    image = _ids(small_project, Split.UNLABELED)[0]
    with small_project.session() as session:
        decisions.decide(session, [image], Label.EXCLUDE, "BB")
        undo.undo(session, "BB")
        rows = decisions.history(session, image)
    assert [(r.kind, r.before, r.after) for r in rows] == [
        ("undo", Label.EXCLUDE, Label.NONE),
        ("decide", Label.NONE, Label.EXCLUDE),
    ]


def test_a_decision_needs_a_reader(small_project: Project):
    image = _ids(small_project, Split.UNLABELED)[0]
    with small_project.session() as session, pytest.raises(BadInput, match="needs a reader"):
        decisions.decide(session, [image], Label.NORMAL, "  ")


def test_a_run_whose_lease_nobody_holds_is_dead(project: Project):
    with project.session() as session:
        run = runs.start(session, RunKind.STAGE1, {"a": 1}, None, 3)
    lease = project.take_lease(run)
    assert lease is not None
    assert project.is_at_work(run)
    assert project.take_lease(run) is None  # one process at a time
    again = Project.open(project.folder)
    with again.session() as session:  # however long it is silent or paused
        assert runs.get(session, run).state is RunState.RUNNING
    again.close()
    lease.release()
    assert not project.is_at_work(run)
    again = Project.open(project.folder)
    with again.session() as session:
        assert runs.get(session, run).state is RunState.INTERRUPTED
        assert runs.newest(session, RunKind.STAGE1) is None
    again.close()


def test_undo_leaves_what_another_reader_decided_since(small_project: Project):
    one, two, three = _ids(small_project, Split.UNLABELED)[:3]
    with small_project.session() as session:
        decisions.decide(session, [three], Label.EXCLUDE, "AA")
        decisions.decide(session, [one, two], Label.NORMAL, "AA")
        decisions.decide(session, [one], Label.ABNORMAL, "BB")
        step = undo.undo(session, "AA")
        assert (len(step.image_ids), step.kept) == (1, 1)
        assert decisions.current(session) == {one: Label.ABNORMAL, three: Label.EXCLUDE}
        assert len(undo.redo(session, "AA").image_ids) == 1
        decisions.decide(session, [two], Label.EXCLUDE, "BB")
        step = undo.undo(session, "AA")  # nothing of that act is left to undo, and it says so
        assert (len(step.image_ids), step.kept) == (0, 2)
        assert undo.step_text(step, False).startswith("Nothing of this is left to undo: 2 images")
        step = undo.undo(session, "AA")
        assert (len(step.image_ids), step.kept) == (1, 0)
        assert decisions.current(session) == {one: Label.ABNORMAL, two: Label.EXCLUDE}
        assert len(undo.redo(session, "AA").image_ids) == 1
        assert decisions.current(session)[three] is Label.EXCLUDE


def test_one_act_can_hold_several_labels(small_project: Project):
    one, two = _ids(small_project, Split.UNLABELED)[:2]
    with small_project.session() as session:
        decisions.decide(session, [one, two], [Label.NORMAL, Label.ABNORMAL], "AA", kind="confirm")
        assert decisions.current(session) == {one: Label.NORMAL, two: Label.ABNORMAL}
        assert len(undo.undo(session, "AA").image_ids) == 2
        assert decisions.current(session) == {}


def test_a_score_that_is_no_number_is_refused(small_project: Project):
    ids = np.array(_ids(small_project, Split.TEST))
    values = np.arange(10.0)
    values[4] = np.nan
    with small_project.session() as session:
        run = runs.start(session, RunKind.SCORE, {}, None, 0)
        with pytest.raises(BadInput, match=r"'Stage 2 A_inter' of CXR-\d+ is not a number"):
            scores.save(session, run, ScoreKind.DISCREPANCY, ids, values)
        assert scores.kinds(session, run) == []


def test_images_without_patient_information_are_no_patients(small_project: Project):
    with small_project.session() as session:
        before = studies.split_counts(session)[Split.TEST]
        assert (before.patients, before.unknown) == (10, 0)
        new = studies.NewImage(
            patient_key="hash-of-pixels", patient_known=False, study_key="study", split=Split.TEST,
            truth=1, source="x", sop_key=None, pixel_hash="pixels", store_row=999, rows=64, columns=64,
            bits_stored=8, photometric="MONOCHROME2", modality="", view="", body_part="",
            transfer_syntax="", pixel_spacing_mm=None, column_spacing_mm=None, spacing_tag="", flags=(),
        )  # fmt: skip
        studies.add_images(session, [new])
        after = studies.split_counts(session)[Split.TEST]
    assert (after.images, after.patients, after.unknown) == (11, 10, 1)


def test_scores_come_back_and_replace_earlier_ones(small_project: Project):
    ids = np.array(_ids(small_project, Split.TEST))
    with small_project.session() as session:
        run = runs.start(session, RunKind.SCORE, {}, None, 0)
        scores.save(session, run, ScoreKind.DISCREPANCY, ids, np.arange(10.0))
        scores.save(session, run, ScoreKind.DISCREPANCY, ids[:2], np.array([7.0, 8.0]))
        found, values = scores.load(session, run, ScoreKind.DISCREPANCY)
        assert found.tolist() == ids.tolist()
        assert values[:3].tolist() == [7, 8, 2]
        assert np.isnan(scores.of_images(session, run, ScoreKind.DISCREPANCY, np.array([999]))[0])


def test_a_newer_project_is_refused_and_says_what_to_do(project: Project):
    facts = project.folder / "project.json"
    facts.write_text(json.dumps({"format": 99, "name": "x"}))
    with pytest.raises(ProjectError, match="made by a newer AMAE .*update AMAE"):
        Project.open(project.folder)


def test_a_folder_that_is_no_project_says_so(tmp_path):
    with pytest.raises(ProjectError, match="is not an AMAE project"):
        Project.open(tmp_path)


def test_a_project_needs_an_empty_folder(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(ProjectError, match="is not empty"):
        Project.create(tmp_path)
