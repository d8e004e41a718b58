"""Both stages on real images with a tiny network: results, resume, cancel, child process."""

import csv
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import TINY, demo_files, finish
from safetensors.torch import load_file

from amae_engine.catalog import decisions, image_tables, runs, scores, studies, undo
from amae_engine.catalog.tables import Label, RunKind, RunState, Split
from amae_engine.config import (
    PretrainConfig,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadSetting, BadWeights, NotReady, TooFewImages, TrainingFailed
from amae_engine.events import EpochEnd, Preview, RunStarted
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import current_pseudo_labels
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.export import export_results, result_text
from amae_engine.jobs.training.pretrain_weights import pretrain_weights
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import train_stage2
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps

SHORT = TrainingConfig(epochs=3, warmup_epochs=1, batch_size=8)


def _stage1(weights: Path) -> Stage1Config:
    return Stage1Config(weights=str(weights), training=SHORT)


@pytest.fixture
def after_stage1(small_project: Project, tiny_weights: Path) -> Project:
    finish(train_stage1(small_project, _stage1(tiny_weights)))
    # a tiny random network may call every image the same: two readers' labels give B its images
    with small_project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:], Label.ABNORMAL, "BB")
    return small_project


@pytest.fixture
def scored(after_stage1: Project) -> Project:
    finish(train_stage2(after_stage1, Stage2Config(training=SHORT)))
    finish(score_images(after_stage1, ScoreConfig()))
    return after_stage1


def test_stage1_rates_every_image_and_keeps_its_metrics(small_project: Project, tiny_weights: Path):
    run, events = finish(train_stage1(small_project, _stage1(tiny_weights)))
    ends = [e for e in events if isinstance(e, EpochEnd)]
    assert [e.epoch for e in ends] == [1, 2, 3]
    assert all(e.validation_loss is not None for e in ends)
    with small_project.session() as session:
        row = runs.get(session, run)
        ids, probability = scores.load(session, run, ScoreKind.STAGE1_PROBABILITY)
        _, distance = scores.load(session, run, ScoreKind.MAHALANOBIS)
    assert (row.state, row.epoch) == (RunState.FINISHED, 3)
    assert len(ids) == len(distance) == 40
    assert ((probability >= 0) & (probability <= 1)).all()
    assert len((small_project.run_folder(run) / "metrics.jsonl").read_text().splitlines()) == 3


def test_the_encoder_stays_frozen(small_project: Project, tiny_weights: Path):
    run, _ = finish(train_stage1(small_project, _stage1(tiny_weights)))
    before = load_file(tiny_weights)
    after = load_file(small_project.run_folder(run) / "weights.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_classifier_learns_to_see_anomalies(small_project: Project, tiny_weights: Path):
    longer = TrainingConfig(epochs=60, warmup_epochs=2, batch_size=8, learning_rate=2e-3)
    config = Stage1Config(weights=str(tiny_weights), training=longer, validation_percent=0)
    _, events = finish(train_stage1(small_project, config))
    losses = [e.train_loss for e in events if isinstance(e, EpochEnd)]
    assert np.mean(losses[-10:]) < 0.92 * np.mean(losses[:3])


def test_anomalies_may_be_kept_for_more_epochs_than_there_are_images(
    small_project: Project, tiny_weights: Path
):
    config = _stage1(tiny_weights).replace(redraw_every=50)
    _, events = finish(train_stage1(small_project, config))
    assert all(np.isfinite(e.train_loss) for e in events if isinstance(e, EpochEnd))


def test_modules_start_from_the_same_weights_and_part(after_stage1: Project):
    run, events = finish(train_stage2(after_stage1, Stage2Config(training=SHORT)))
    assert [e.module for e in events if isinstance(e, EpochEnd)] == ["A"] * 3 + ["B"] * 3
    assert any(isinstance(e, Preview) for e in events)
    folder = after_stage1.run_folder(run)
    one = load_file(folder / "module_a.safetensors")
    two = load_file(folder / "module_b.safetensors")
    assert not torch.equal(one["blocks.0.attn.qkv.weight"], two["blocks.0.attn.qkv.weight"])
    with (folder / "pseudo_labels.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert sum(line["label"] == "abnormal" for line in lines) >= 5


def test_scores_maps_and_evaluation_agree(scored: Project):
    evaluation = evaluate_run(scored)
    kinds = {s.kind for s in evaluation.scores}
    every = {kind for kind in ScoreKind if kind.origin != "peer"}
    assert kinds == every - {ScoreKind.RERANKED}  # that one is for a second round alone
    paper = next(s for s in evaluation.scores if s.kind is ScoreKind.DISCREPANCY)
    for image_id, value in zip(evaluation.image_ids, paper.values, strict=True):
        maps = load_image_maps(scored, evaluation.run_id, int(image_id))
        assert maps is not None
        assert set(maps.maps) >= {"mean_a", "mean_b", "spread", "likelihood_ratio"}
        own = maps.of_score(ScoreKind.DISCREPANCY)
        assert own.shape == (64, 64)
        assert own.mean() == pytest.approx(value, rel=5e-3)  # float16 on disk
    assert "5 normal + 5 abnormal test images of 'Test'" in result_text(evaluation)
    assert load_image_maps(scored, evaluation.run_id, 99999) is None


def test_scoring_twice_with_one_seed_gives_the_same_numbers(scored: Project):
    first = evaluate_run(scored)
    finish(score_images(scored, ScoreConfig()))
    second = evaluate_run(scored)
    assert second.run_id > first.run_id
    for one, two in zip(first.scores, second.scores, strict=True):
        assert np.array_equal(one.values, two.values)


def test_export_writes_tables_and_pictures_without_paths(scored: Project):
    files = {p.name: p for p in export_results(scored, evaluate_run(scored))}
    assert {
        "results.txt",
        "scores.csv",
        "scores-dictionary.csv",
        "scores.parquet",
        "curves.png",
        "curves.svg",
        "images.png",
    } == set(files)
    text = files["scores.csv"].read_text()
    assert "Research use only" in text
    assert len(text.splitlines()) == 3 + 10
    head = text.splitlines()[2].split(",")
    assert head[:8] == ["image", "truth", "patient", "file_key", "split", "view", "sex", "age_band"]
    lines = files["scores-dictionary.csv"].read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == head  # every column is explained
    assert all(path.stat().st_size > 0 for path in files.values())


def test_a_killed_stage2_resumes_to_the_same_weights(after_stage1: Project):
    straight, _ = finish(train_stage2(after_stage1, Stage2Config(training=SHORT)))
    job = train_stage2(after_stage1, Stage2Config(training=SHORT))
    event = next(job)
    while not (isinstance(event, EpochEnd) and event.module == "B" and event.epoch == 1):
        event = next(job)
    cut_off = event.run_id
    job.close()
    with after_stage1.session() as session:
        assert runs.get(session, cut_off).state is RunState.CANCELLED
    resumed, events = finish(train_stage2(after_stage1, Stage2Config(), resume=cut_off))
    assert resumed == cut_off
    ends = [e for e in events if isinstance(e, EpochEnd)]
    assert [(e.module, e.epoch) for e in ends] == [("B", 2), ("B", 3)]
    with after_stage1.session() as session:
        assert runs.get(session, cut_off).epoch == 6
    for module in ("module_a.safetensors", "module_b.safetensors"):
        one = load_file(after_stage1.run_folder(straight) / module)
        two = load_file(after_stage1.run_folder(cut_off) / module)
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_finished_run_cannot_be_resumed(after_stage1: Project):
    with pytest.raises(BadSetting, match="is finished: there is nothing to resume"):
        finish(train_stage1(after_stage1, Stage1Config(), resume=1))


def test_pretraining_reduces_the_loss_and_gives_weights(small_project: Project):
    training = TrainingConfig(epochs=8, warmup_epochs=1, batch_size=8, learning_rate=0.05)
    config = PretrainConfig(model=TINY, training=training, mask_ratio=0.75)
    run, events = finish(pretrain_weights(small_project, config))
    losses = [e.train_loss for e in events if isinstance(e, EpochEnd)]
    assert losses[-1] < 0.7 * losses[0]
    finish(train_stage1(small_project, Stage1Config(weights=f"run:{run}", training=SHORT)))


def test_the_bundled_weights_fit_the_compact_preset(small_project: Project):
    config = Stage1Config(preset="compact", training=TrainingConfig(epochs=1, warmup_epochs=0))
    run, _ = finish(train_stage1(small_project, config))
    with small_project.session() as session:
        assert runs.get(session, run).state is RunState.FINISHED


def test_weights_of_another_preset_are_refused(small_project: Project):
    with pytest.raises(BadWeights, match="128 px, encoder 192/12; the preset 'paper' needs"):
        finish(train_stage1(small_project, Stage1Config(preset="paper", training=SHORT)))


def test_missing_weights_name_the_setting(small_project: Project):
    with pytest.raises(BadWeights, match="Starting weights 'gone.pth': the file gone.pth is miss"):
        finish(train_stage1(small_project, Stage1Config(weights="gone.pth")))


def test_too_few_normals_say_how_many_are_needed(project: Project):
    finish(import_images(project, demo_files(5, 4, 4), "few"))
    with pytest.raises(TooFewImages, match="at least 16; there are 5"):
        finish(train_stage1(project, Stage1Config()))


def test_stage2_before_stage1_says_what_to_run(small_project: Project):
    with pytest.raises(NotReady, match="needs a finished stage1 run; run `amae stage1` first"):
        finish(train_stage2(small_project, Stage2Config()))


def test_an_empty_module_b_is_an_error_not_silence(after_stage1: Project):
    with after_stage1.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.NORMAL, "BB")
    with pytest.raises(TooFewImages, match="Module B needs at least 2 .* there are 0. Mark abnorm"):
        finish(train_stage2(after_stage1, Stage2Config(training=SHORT)))
    with after_stage1.session() as session:
        assert runs.newest(session, RunKind.STAGE2, RunState.FAILED) is None


def test_a_project_without_test_images_says_so(after_stage1: Project):
    finish(train_stage2(after_stage1, Stage2Config(training=SHORT)))
    with after_stage1.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.change_split(session, ids, Split.UNLABELED, "BB")
    with pytest.raises(
        TooFewImages, match="no image to score in test; import images with the role"
    ):
        finish(score_images(after_stage1, ScoreConfig()))


def test_test_images_without_truth_explain_what_is_missing(scored: Project):
    with scored.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    with pytest.raises(
        NotReady, match="0 normal and 0 abnormal ones. Set the truth of test images"
    ):
        evaluate_run(scored)


def test_a_loss_that_is_no_number_stops_with_the_last_epoch(
    small_project: Project, tiny_weights: Path
):
    wild = TrainingConfig(epochs=30, warmup_epochs=0, batch_size=8, learning_rate=1e30)
    config = PretrainConfig(model=TINY, training=wild)
    with pytest.raises(
        TrainingFailed, match="is not a number in epoch .* start a new run with a lower"
    ):
        finish(pretrain_weights(small_project, config))


def test_a_child_process_gives_the_same_events_and_result(
    small_project: Project, tiny_weights: Path
):
    config = _stage1(tiny_weights).to_dict()
    run, events = finish(run_in_child(small_project.folder, "stage1", config))
    assert sum(isinstance(e, EpochEnd) for e in events) == 3
    with small_project.session() as session:
        assert runs.get(session, run).state is RunState.FINISHED


def test_where_no_server_can_be_started_a_child_is_spawned(
    small_project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """As in a folder for temporary files whose path is too long for a socket."""

    def too_long() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", too_long)
    with pytest.raises(NotReady, match="needs a finished stage1 run"):
        finish(run_in_child(small_project.folder, "stage2", Stage2Config().to_dict()))
    assert "AF_UNIX path too long" in caplog.text


def test_closing_a_child_cancels_its_run(small_project: Project, tiny_weights: Path):
    longer = TrainingConfig(epochs=500, warmup_epochs=1, batch_size=8)
    config = Stage1Config(weights=str(tiny_weights), training=longer).to_dict()
    job = run_in_child(small_project.folder, "stage1", config)
    event = next(job)
    while not isinstance(event, EpochEnd):
        event = next(job)
    job.close()
    with small_project.session() as session:
        row = runs.get(session, event.run_id)
    assert row.state is RunState.CANCELLED
    assert event.epoch <= row.epoch < 500
    assert (small_project.run_folder(row.id) / "checkpoint.pt").is_file()  # it can go on


def test_a_killed_child_is_an_error_with_its_exit_code_and_can_resume(
    small_project: Project, tiny_weights: Path
):
    import multiprocessing

    config = Stage1Config(
        weights=str(tiny_weights), training=TrainingConfig(epochs=40, warmup_epochs=1)
    )
    job = run_in_child(small_project.folder, "stage1", config.to_dict())
    event, run_id = next(job), 0
    while not isinstance(event, EpochEnd):
        run_id = event.run_id if isinstance(event, RunStarted) else run_id
        event = next(job)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(TrainingFailed, match="exit code -9"):
        finish(job)
    with small_project.session() as session:
        assert runs.get(session, run_id).state is RunState.INTERRUPTED
    resumed, events = finish(train_stage1(small_project, config, resume=run_id))
    ends = [e.epoch for e in events if isinstance(e, EpochEnd)]
    assert resumed == run_id
    assert ends[0] > 1
    assert ends[-1] == 40


def test_errors_cross_the_process_as_they_are(project: Project):
    with pytest.raises(TooFewImages, match="at least 16; there are 0"):
        finish(run_in_child(project.folder, "stage1", Stage1Config().to_dict()))


def test_pseudo_labels_follow_decisions_at_once(after_stage1: Project):
    from amae_engine.config import PseudoLabelConfig

    view = current_pseudo_labels(after_stage1, PseudoLabelConfig())
    assert view.by_reader.sum() == 5
    with after_stage1.session() as session:
        undo.undo(session, "BB")
    assert current_pseudo_labels(after_stage1, PseudoLabelConfig()).by_reader.sum() == 0
