"""Scores without stage 2: where it has nothing to learn from, what stage 1 says is judged and seen."""

import json
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import Label, Run, RunKind, Split
from amae_engine.cli import main
from amae_engine.config import ScoreConfig, ScoreKind, Stage1Config, Stage2Config, TrainingConfig
from amae_engine.errors import BadSetting, BadWeights, TooFewImages
from amae_engine.events import Progress
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run, method_title
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.jobs.scoring import score_images as score_images_module
from amae_engine.jobs.scoring.make_maps import make_maps_of
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.rerun import rerun
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.jobs.verify import verify_project
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps, mapped_images
from amae_engine.runs.record import newest_finished, run_facts

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
ALONE = ScoreConfig(without_stage2=True)
OF_STAGE1 = {
    ScoreKind.STAGE1_PROBABILITY, ScoreKind.MAHALANOBIS, ScoreKind.UNLABELED_PROBE,
    ScoreKind.GREY_STATISTICS,
}  # fmt: skip


@pytest.fixture
def all_normal(small_project: Project, tiny_weights: Path) -> Project:
    """After stage 1, its unlabeled images called normal by a reader."""
    finish(train_stage1(small_project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.NORMAL, "BB")
    return small_project


def _values(project: Project, run: int) -> dict[ScoreKind, tuple[list[int], list[float]]]:
    with project.session() as session:
        found = {kind: scores.load(session, run, kind) for kind in scores.kinds(session, run)}
    return {kind: (ids.tolist(), values.tolist()) for kind, (ids, values) in found.items()}


def test_what_stage_1_says_is_a_score_run_of_its_own(all_normal: Project):
    with pytest.raises(TooFewImages, match=r"there are 0.*amae score --set without_stage2=true"):
        finish(train_stage2(all_normal, Stage2Config(training=SHORT)))
    run, _ = finish(score_images(all_normal, ALONE))
    found = evaluate_run(all_normal, run)
    assert {each.kind for each in found.scores} == OF_STAGE1
    assert found.leading is not None
    assert found.leading.kind in OF_STAGE1 - {ScoreKind.GREY_STATISTICS}
    with all_normal.session() as session:
        stage1 = newest_finished(all_normal, RunKind.STAGE1, 0, "").id
        test = image_tables.images_in(session, Split.TEST).ids
        for kind in OF_STAGE1 - {ScoreKind.GREY_STATISTICS}:
            given, own = (scores.of_images(session, each, kind, test) for each in (stage1, run))
            np.testing.assert_array_equal(given, own)
    maps = load_image_maps(all_normal, run, int(test[0]))
    assert maps is not None
    assert maps.scored == (ScoreKind.UNLABELED_PROBE,)
    with all_normal.session() as session:
        assert method_title(runs.get(session, run)) == "AMAE without stage 2"
    assert "without stage 2" in str(run_facts(all_normal, run)["notes"])


def test_its_map_is_the_one_that_comes_beside_the_modules(whole_path: Project):
    run, _ = finish(score_images(whole_path, ALONE))
    with whole_path.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
    of_both = newest_finished(whole_path, RunKind.SCORE, 3, "").id
    for image in test[:3]:
        mine, theirs = (
            load_image_maps(whole_path, each, image).of_score(ScoreKind.UNLABELED_PROBE)
            for each in (run, of_both)
        )
        # both are smooth maps of the same tokens' shares, at the size that each run's maps have
        step = len(theirs) // len(mine)
        near = theirs.reshape(len(mine), step, len(mine), step).mean(axis=(1, 3))
        assert np.corrcoef(mine.ravel(), near.ravel())[0, 1] > 0.95


def test_it_goes_on_where_it_was_stopped_and_is_made_again(all_normal: Project, monkeypatch):
    monkeypatch.setattr(score_images_module, "_SECONDS_A_PIECE", 0.0)
    whole, _ = finish(score_images(all_normal, ALONE.replace(batch_size=2)))
    job = score_images(all_normal, ALONE.replace(batch_size=2))
    seen = 0
    for event in job:
        seen += isinstance(event, Progress) and event.done > 0
        if seen == 2:
            break
    job.close()
    resumed, _ = finish(score_images(all_normal, ALONE, resume=whole + 1))
    assert _values(all_normal, resumed) == _values(all_normal, whole)
    with all_normal.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
    for image in test:
        one, other = (
            load_image_maps(all_normal, each, image).of_score(ScoreKind.UNLABELED_PROBE)
            for each in (whole, resumed)
        )
        np.testing.assert_array_equal(one, other)
    assert finish(rerun(all_normal, whole))[0].is_identical


def test_its_maps_too_are_made_on_demand(all_normal: Project):
    run, _ = finish(score_images(all_normal, ALONE.replace(keep_maps=False)))
    with all_normal.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids.tolist()
    assert mapped_images(all_normal, run).tolist() == []
    finish(make_maps_of(all_normal, run, test[:2]))
    assert mapped_images(all_normal, run).tolist() == test[:2]


def test_no_unlabeled_image_is_needed(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 0, 10), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    run, _ = finish(score_images(project, ALONE))
    found = evaluate_run(project, run)
    assert {each.kind for each in found.scores} == OF_STAGE1 - {ScoreKind.UNLABELED_PROBE}
    assert found.leading is not None
    assert found.leading.kind is ScoreKind.MAHALANOBIS
    assert mapped_images(project, run).tolist() == []


def test_all_that_goes_out_goes_out_without_modules_too(
    all_normal: Project, tmp_path: Path, capsys
):
    folder = str(all_normal.folder)
    assert main(["score", "--project", folder, "--set", "without_stage2=true"]) == 0
    for command in (
        ["evaluate"], ["export"], ["report"], ["dicom"], ["bundle", str(tmp_path / "run.zip")],
        ["operating-point", "--by", "normals"],
    ):  # fmt: skip
        assert main([*command, "--project", folder]) == 0, command
    text = capsys.readouterr().out
    assert "Feature distance" in text
    assert "A_inter" not in text
    verified, _ = finish(verify_project(all_normal))
    assert verified.problems == ()


def test_weights_of_stage_1_that_have_changed_are_reported(all_normal: Project):
    job = score_images(all_normal, ALONE)
    next(job)
    job.close()
    run = newest_finished(all_normal, RunKind.STAGE1, 0, "").id
    weights = all_normal.run_folder(run) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(BadWeights):
        finish(score_images(all_normal, ALONE, resume=run + 1))


def test_its_settings_are_those_of_stage_1_s_preset(all_normal: Project):
    run = newest_finished(all_normal, RunKind.STAGE1, 0, "").id
    with all_normal.session() as session:
        row = session.get_one(Run, run)
        row.config = json.dumps({**json.loads(row.config), "preset": "compact"})
    assert default_config(all_normal, ScoreConfig).why.startswith(
        f"Preset compact: that of stage 1, run {run}"
    )


def test_ranking_anew_needs_stage_2():
    with pytest.raises(BadSetting, match="rerank ranks by stage 2"):
        ScoreConfig(without_stage2=True, rerank=True, splits=("test", "unlabeled"))
