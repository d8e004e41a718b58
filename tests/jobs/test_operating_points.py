"""Choose on validation or normal images, lock, open the test images once: through the jobs and the CLI."""

from __future__ import annotations

import json

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_app.results.review_state import read_review_state
from amae_app.studies.studies_state import read_rows, read_studies
from amae_engine.catalog import (
    image_tables,
    locked_points,
    looks,
    runs,
    scores,
    studies,
    validation_images,
)
from amae_engine.catalog.tables import Audit, Image, LockedPoint, RunKind, Split, now
from amae_engine.cli import main
from amae_engine.config import ScoreConfig, ScoreKind
from amae_engine.errors import BadInput, NotReady
from amae_engine.evaluation.delong import auc_interval
from amae_engine.evaluation.operating_rules import Rule, RuleChoice
from amae_engine.evaluation.regions import Outline, Shape
from amae_engine.jobs.evaluation.evaluate_maps import compare_maps, evaluate_maps
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.evaluation.leading_score import leading_score
from amae_engine.jobs.evaluation.operating_points import (
    calibrate,
    choose_point,
    falls_short,
    lock_point,
    result_at,
)
from amae_engine.jobs.evaluation.subgroups import subgroups
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.make_dicom import make_dicom
from amae_engine.jobs.sharing.share_project import share_project
from amae_engine.jobs.sharing.write_bundle import write_bundle
from amae_engine.project import Project

PROBE = ScoreKind.UNLABELED_PROBE


@pytest.fixture
def judged(whole_path: Project) -> tuple[Project, int]:
    """Scored; three normal and three abnormal test images set apart for validation."""
    with whole_path.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        chosen = [*table.ids[table.truth == 0][:3], *table.ids[table.truth == 1][:3]]
        validation_images.set_validation(session, chosen, True, "BB")
    return whole_path, evaluate_run(whole_path, validation=True).run_id


def _acts(project: Project) -> list[str]:
    with project.session() as session:
        return [row.act for row in session.query(Audit).order_by(Audit.id)]


def test_validation_images_are_not_tested_on(judged):
    project, run = judged
    test, chosen_by = evaluate_run(project, run), evaluate_run(project, run, validation=True)
    assert (len(test.image_ids), len(chosen_by.image_ids)) == (4, 6)
    assert not set(test.image_ids) & set(chosen_by.image_ids)
    assert "4 test images" not in chosen_by.measured_on
    assert chosen_by.measured_on.startswith("3 normal + 3 abnormal validation images")
    with project.session() as session:
        count = studies.split_counts(session)[Split.TEST]
        assert (count.images, count.validation) == (10, 6)
        assert len(studies.page_of_ids(session, "split:validation")) == 6


def test_a_point_is_chosen_on_validation_images_alone(judged):
    project, run = judged
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        values = scores.of_images(session, run, PROBE, table.ids)
    own = table.is_validation
    chosen = choose_point(project, run, PROBE, RuleChoice(Rule.SENSITIVITY, 0.99))
    assert chosen.threshold == values[own & (table.truth == 1)].min()
    assert (chosen.normal, chosen.abnormal) == (3, 3)
    # whatever the test images have, the point stays
    with project.session() as session:
        others = table.ids[~own]
        scores.save(session, run, PROBE, others, np.full(len(others), 1e6))
    again = choose_point(project, run, PROBE, RuleChoice(Rule.SENSITIVITY, 0.99))
    assert again.threshold == chosen.threshold


def test_a_point_from_normal_images_says_so_and_needs_unseen_ones(judged):
    project, run = judged
    chosen = choose_point(project, run, PROBE, RuleChoice(Rule.NORMALS, 0.9))
    assert "20 normal training images that the score's model was not trained on" in chosen.chosen_on
    assert chosen.point is None
    with pytest.raises(NotReady, match="was trained on every normal image"):
        choose_point(project, run, ScoreKind.DISCREPANCY, RuleChoice(Rule.NORMALS, 0.9))


def test_sealed_images_are_opened_by_a_lock_and_only_once(judged):
    project, run = judged
    with project.session() as session:
        locked_points.seal(session, "BB")
    with pytest.raises(NotReady, match="sealed"):
        evaluate_run(project, run)
    assert evaluate_run(project, run, validation=True).run_id == run
    chosen = choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN))
    with pytest.raises(BadInput, match="reader"):
        lock_point(project, chosen, " ")
    row = lock_point(project, chosen, "BB")
    assert row.is_blind
    assert row.threshold == chosen.threshold
    assert evaluate_run(project, run, "BB").run_id == run
    with pytest.raises(NotReady, match="a locked point stays"):
        lock_point(project, chosen, "CC")
    acts = _acts(project)
    assert acts[-3:] == ["seal_test", "lock_point", "open_test"]
    evaluate_run(project, run, "BB")
    assert _acts(project) == acts  # looking again is no new opening


def test_a_point_locked_after_the_results_were_seen_says_so(judged):
    project, run = judged
    before = now()
    evaluate_run(project, run, "BB")
    after = now()
    row = lock_point(project, choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN)), "BB")
    assert not row.is_blind
    with project.session() as session:
        assert before <= locked_points.opened_at(session, run) <= after
    assert before[:19] <= row.seen_before[:19] <= after[:19]


def _fresh_run(project: Project, run: int) -> int:
    """The same scores under another number, which nobody has looked at."""
    with project.session() as session:
        other = runs.start(session, RunKind.SCORE, {}, runs.get(session, run).parent_id, 1)
        for kind in scores.kinds(session, run):
            table = image_tables.images_in(session, Split.TEST)
            values = scores.of_images(session, run, kind, table.ids)
            known = ~np.isnan(values)
            scores.save(session, other, kind, table.ids[known], values[known])
        runs.finish(session, other)
    return other


def test_another_run_s_results_are_a_look_too(judged):
    project, run = judged
    other = _fresh_run(project, run)
    evaluate_run(project, run, "CC")
    row = lock_point(project, choose_point(project, other, PROBE, RuleChoice(Rule.YOUDEN)), "BB")
    assert not row.is_blind
    assert "after the test images had been opened" in row.text
    assert f"the truth of 4 images (run {run}, CC, " in row.text
    assert f"'{PROBE.label}' judged on 4 images" in row.text
    assert "before the test images were opened" not in row.text


def test_truth_in_a_list_is_a_look(judged):
    project, run = judged
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        tested_on = table.ids[~table.is_validation].tolist()
        assert looks.seen(session) == ()
        read_rows(session, [*tested_on[:1], *table.ids[table.is_validation].tolist()], "BB")
        (seen,) = looks.seen(session)
        assert (seen.subject, seen.images, seen.reader, seen.where) == ("truth", 1, "BB", "Studies")
        read_rows(session, tested_on[:1], "CC")  # only the first look counts
        assert looks.seen(session) == (seen,)
        read_studies(session, "truth:abnormal", "name", False, "BB")
        assert looks.seen(session)[0].images == len(tested_on)
    row = lock_point(project, choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN)), "BB")
    assert not row.is_blind


def test_images_that_thresholds_were_chosen_by_are_not_unseen_again(judged):
    project, run = judged
    chosen = choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN))
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        validation_images.set_validation(session, table.ids[table.is_validation], False, "BB")
    assert not lock_point(project, chosen, "BB").is_blind


def test_sealed_images_are_shown_and_exported_nowhere(judged, tmp_path):
    project, run = judged
    with project.session() as session:
        locked_points.seal(session, "BB")
        table = image_tables.images_in(session, Split.TEST)
        rows = read_rows(session, table.ids.tolist(), "BB")
        truths = {row.id: row.truth for row in rows}
        assert all(
            (truths[i] is None) != own
            for i, own in zip(table.ids.tolist(), table.is_validation, strict=True)
        )
        for text, sort in (("truth:abnormal", "name"), ("", "truth")):
            with pytest.raises(NotReady, match="sealed"):
                read_studies(session, text, sort, False, "BB")
    outline = Outline(Shape.ELLIPSE, ((0.1, 0.1), (0.5, 0.5)))
    for job in (
        lambda: evaluate_maps(project, {int(table.ids[0]): [outline]}, run),
        lambda: compare_maps(project, {int(table.ids[0]): [outline]}),
        lambda: finish(share_project(project, tmp_path / "copy", "BB")),
        lambda: finish(make_dicom(project, run, "BB")),
        lambda: finish(write_bundle(project, tmp_path / "bundle.zip", run, reader="BB")),
    ):
        with pytest.raises(NotReady, match="sealed"):
            job()
    assert project.in_session(looks.seen) == ()
    assert not (tmp_path / "copy").exists()


def test_a_point_of_before_looks_were_kept_claims_nothing(judged):
    project, run = judged
    row = lock_point(project, choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN)), "BB")
    assert row.is_blind
    with project.session() as session:
        session.get(LockedPoint, row.id).seen = ""  # as the migration leaves it
    with project.session() as session:
        old = locked_points.of_run(session, run)[0]
    assert not old.is_blind
    assert "is not known" in old.text
    assert "before the test images were opened" not in old.text


def test_few_validation_images_choose_nothing(judged):
    project, run = judged
    with project.session() as session:
        table = image_tables.images_in(session, Split.TEST)
        validation_images.set_validation(session, table.ids[table.is_validation][3:], False, "BB")
    with pytest.raises(NotReady, match="Only 3 validation images"):
        choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN))
    score = evaluate_run(project, run).score(PROBE)
    with pytest.raises(NotReady, match="at least 5 normal and 5 abnormal"):
        calibrate(project, run, PROBE, score.truth, score.values)


def test_whole_patients_are_set_apart_and_drawn_within_each_truth(whole_path: Project):
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        first = session.get(Image, ids[0])
        session.get(Image, ids[1]).patient_id = first.patient_id
        session.get(Image, ids[0]).patient_known = session.get(Image, ids[1]).patient_known = True
        normal = image_tables.images_in(session, Split.NORMAL).ids.tolist()
        changed = validation_images.set_validation(session, [ids[0], normal[0]], True, "BB")
        assert changed == ids[:2]  # the patient's other image too; a training image never
        with pytest.raises(NotReady, match="set apart already"):
            validation_images.draw_validation(session, 0.4, "BB")
        validation_images.set_validation(session, ids, False, "BB")
        with pytest.raises(BadInput, match="between 0 and 1"):
            validation_images.draw_validation(session, 1.0, "BB")
        drawn = validation_images.draw_validation(session, 0.4, "BB", seed=1)
        table = image_tables.images_in(session, Split.TEST)
        assert sorted(drawn) == table.ids[table.is_validation].tolist()
        assert (table.truth[table.is_validation] == 1).sum() == 2


def test_validation_images_choose_the_leading_score(judged):
    project, run = judged
    found = leading_score(project, run, fewest=3)
    assert "3 abnormal validation images from the 3 normal ones" in found.reason
    assert leading_score(project, run).reason != found.reason


def test_results_and_predictive_values_at_a_point():
    truth = np.repeat((0, 1), (40, 20)).astype(np.int8)
    values = np.arange(60.0)
    found = result_at(truth, values, 45.0, 0.1)
    assert (found.point.true_positives, found.point.false_positives) == (15, 0)
    assert found.sensitivity.value == 0.75
    assert (found.predictive.ppv.value, found.predictive.ppv.high) == (1.0, 1.0)
    assert found.numbers["sensitivity"] == "0.75 (0.53–0.89; 15 of 20)"
    assert found.numbers["specificity"].endswith("; 40 of 40)")
    assert found.numbers["NPV at a prevalence of 10 %"] == "0.97 (0.95–0.99)"
    calls_none = result_at(truth, values, 60.0, 0.1).numbers
    assert calls_none["PPV at a prevalence of 10 %"] == "none is called so"
    assert found.predictive.npv.value == pytest.approx(0.9 / (0.9 + 0.1 * 0.25))


def test_a_point_falls_short_where_the_whole_interval_lies_below_its_target():
    truth, values = np.repeat([0, 1], 20).astype(np.int8), np.arange(40.0)
    calls_five_normal = result_at(truth, values, 15.0, 0.5)  # 15 of 20 spared: 0.53 to 0.89
    assert falls_short(RuleChoice(Rule.NORMALS, 0.85), calls_five_normal) == ""
    for rule in (Rule.NORMALS, Rule.SPECIFICITY):
        said = falls_short(RuleChoice(rule, 0.95), calls_five_normal)
        assert said.startswith("Asked for specificity of at least 95 %; here it is 75 % (53–89 %)")
    assert falls_short(RuleChoice(Rule.SENSITIVITY, 0.95), calls_five_normal) == ""
    misses = falls_short(RuleChoice(Rule.SENSITIVITY, 0.95), result_at(truth, values, 30.0, 0.5))
    assert "sensitivity" in misses
    assert "abnormal images are not like" in misses
    assert falls_short(RuleChoice(Rule.YOUDEN), calls_five_normal) == ""
    none_normal = result_at(np.ones(5, dtype=np.int8), np.arange(5.0), 2.0, 0.5)
    assert falls_short(RuleChoice(Rule.NORMALS, 0.95), none_normal) == ""


def test_subgroups_are_judged_apart(judged):
    project, run = judged
    with project.session() as session:
        for image in session.query(Image).where(Image.split == "test"):
            image.view = "PA" if image.id % 2 else "AP"
            image.findings = "mass | nodule" if image.truth else "no finding"
    evaluation = evaluate_run(project, run)
    score = evaluation.score(PROBE)
    groups = {(group.of, group.value): group for group in subgroups(project, evaluation, PROBE)}
    assert {of for of, _ in groups} == {"view", "source", "finding"}  # sex, age: of no image
    mass = groups["finding", "mass"]
    assert (mass.normal, mass.abnormal, mass.is_small) == (2, 2, True)
    assert mass.auc == auc_interval(score.truth, score.values)
    pa = groups["view", "PA"]
    assert (
        pa.normal + pa.abnormal + groups["view", "AP"].normal + groups["view", "AP"].abnormal == 4
    )


def test_the_command_line_sets_apart_seals_locks_and_opens(whole_path: Project, capsys):
    project = ["--project", str(whole_path.folder)]
    assert (
        main(["validation", *project, "--share", "0.6", "--seal", "--reader", "BB", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out) == {
        "validation": 6, "tested_on": 4, "sealed": True
    }  # fmt: skip
    assert main(["evaluate", *project]) == 1
    assert "sealed" in capsys.readouterr().err
    assert main(["evaluate", *project, "--validation", "--json"]) == 0
    assert "validation images" in json.loads(capsys.readouterr().out)["measured_on"]
    lock = ["operating-point", *project, "--score", str(PROBE), "--by", "sensitivity",
            "--target", "0.9", "--prevalence", "0.1", "--lock", "--reader", "BB", "--json"]  # fmt: skip
    assert main(lock) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["blind"] is True
    assert found["on_test"]["prevalence"] == 0.1
    assert "falls_short" in found["on_test"]
    assert sum(found["on_test"][n] for n in ("true_positives", "false_negatives")) == 2
    assert main([*lock[:3], "--by", "normals", "--target", "0.8", "--prevalence", "0.1"]) == 0
    told = capsys.readouterr().out
    assert "Chosen: from normal images alone: specificity of at least 80 %; on" in told
    assert "Not locked" in told
    assert main(["evaluate", *project, "--subgroups", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subgroups"][0]["of"] == "source"
    assert main([*lock[:3], "--score", "magic"]) == 1
    assert "There is no score 'magic'" in capsys.readouterr().err


def test_a_locked_point_holds_for_images_that_came_later(judged):
    project, run = judged
    chosen = choose_point(project, run, PROBE, RuleChoice(Rule.YOUDEN))
    lock_point(project, chosen, "BB")
    finish(import_images(project, demo_files(0, 0, 12), "later"))
    after, _ = finish(score_images(project, ScoreConfig()))
    state = read_review_state(project, after)
    start = state.starts[PROBE]
    assert start.threshold == chosen.threshold
    assert f"It was locked for run {run}, which rates images as this one does." in start.why
    again = choose_point(project, after, PROBE, RuleChoice(Rule.SENSITIVITY, 0.9))
    with pytest.raises(NotReady, match="a locked point stays"):
        lock_point(project, again, "CC")
    assert "% of 20 normal training images" in state.why(len(state.image_ids) - 1)
    other, _ = finish(score_images(project, ScoreConfig(masks_per_image=2)))
    assert read_review_state(project, other).starts[PROBE].locked is None  # it rates otherwise
