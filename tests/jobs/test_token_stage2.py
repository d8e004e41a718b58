"""Stage 2 over the tokens that stage 1 kept: train, score, one module again, what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_images import demo_files, finish
from safetensors.torch import load_file

from amae_engine.catalog import decisions, image_tables, runs, scores
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.config import (
    Reconstructs,
    ScoreConfig,
    ScoreKind,
    Stage2Config,
    TrainingConfig,
    as_in_the_paper,
    of_preset,
)
from amae_engine.errors import NotReady, ProjectError
from amae_engine.events import EpochEnd
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.planning.defaults import default_config
from amae_engine.jobs.scoring.score_images import score_images
from amae_engine.jobs.sharing.export import export_results
from amae_engine.jobs.sharing.rerun import rerun
from amae_engine.jobs.training.stage2_modules import unseen_images
from amae_engine.jobs.training.train_stage2 import module_file, train_stage2
from amae_engine.project import Project
from amae_engine.runs import token_files
from amae_engine.runs.inputs import read_inputs
from amae_engine.runs.map_files import load_image_maps
from amae_engine.runs.token_files import KeptTokens, TokenWriter

SHORT = TrainingConfig(epochs=2, warmup_epochs=0, batch_size=8)
TOKENS = Stage2Config(
    training=SHORT,
    reconstructs=Reconstructs.TOKENS,
    module_b_learns="with_normals",
    abnormal_share=0.5,
    masks_per_image=1,
)


def test_modules_of_tokens_train_and_score_and_have_maps_but_no_pictures(whole_path: Project):
    run, _ = finish(train_stage2(whole_path, TOKENS))
    scored, _ = finish(score_images(whole_path, ScoreConfig(stage2_run=run)))
    with whole_path.session() as session:
        test = image_tables.images_in(session, Split.TEST).ids
        values = scores.of_images(session, scored, ScoreKind.DISCREPANCY, test)
    assert (values > 0).all()
    assert len(set(values.tolist())) == len(values)
    maps = load_image_maps(whole_path, scored, int(test[0])).maps
    assert set(maps) == {"discrepancy", "likelihood_ratio", "spread", "unlabeled_probe"}
    assert min(maps["discrepancy"].shape) >= 16
    evaluation = evaluate_run(whole_path, scored)
    assert evaluation.label(ScoreKind.DISCREPANCY) == "Stage 2 A_inter over tokens"
    assert evaluation.origin(ScoreKind.DISCREPANCY) == "ours"
    over_pixels = evaluate_run(whole_path, 3)
    assert over_pixels.label(ScoreKind.DISCREPANCY) == "Stage 2 A_inter"
    assert over_pixels.origin(ScoreKind.DISCREPANCY) == "paper"
    written = export_results(whole_path, evaluation)
    assert any(path.name == "images.png" for path in written)


def test_a_run_over_tokens_is_made_again_to_the_bit(whole_path: Project):
    run, _ = finish(train_stage2(whole_path, TOKENS))
    agreement, _ = finish(rerun(whole_path, run))
    assert agreement.is_identical


def test_module_b_alone_is_trained_again(whole_path: Project):
    first, _ = finish(train_stage2(whole_path, TOKENS))
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids[5:6], Label.EXCLUDE, "BB")  # it was B's
    again, _ = finish(train_stage2(whole_path, TOKENS.replace(module_a_run=first)))
    one, other = whole_path.run_folder(first), whole_path.run_folder(again)
    assert (one / module_file("A")).read_bytes() == (other / module_file("A")).read_bytes()
    assert (one / module_file("B")).read_bytes() != (other / module_file("B")).read_bytes()
    finish(score_images(whole_path, ScoreConfig(stage2_run=again)))
    with pytest.raises(NotReady, match=r"was trained otherwise \(mask_ratio\)"):
        finish(train_stage2(whole_path, TOKENS.replace(module_a_run=first, mask_ratio=0.5)))
    with whole_path.session() as session:
        decisions.decide(session, ids[6:7], Label.NORMAL, "BB")  # now it is A's
    with pytest.raises(NotReady, match="its pseudo-normal images"):
        finish(train_stage2(whole_path, TOKENS.replace(module_a_run=first)))
    with pytest.raises(NotReady, match="Run 1 is no stage-2 run"):
        finish(train_stage2(whole_path, TOKENS.replace(module_a_run=1)))


def test_without_kept_tokens_the_error_says_what_to_do(whole_path: Project):
    shutil.rmtree(whole_path.run_folder(1) / "tokens")
    with pytest.raises(NotReady, match=r"kept no tokens.*run stage 1 again.*reconstructs=pixels"):
        finish(train_stage2(whole_path, TOKENS))


def test_images_that_came_after_stage_1_are_reported_before_the_run(whole_path: Project):
    more = demo_files(26, 10, 10)
    finish(import_images(whole_path, more, "more"))
    with pytest.raises(NotReady, match=r"6 of \d+ images came after stage 1, run 1, .* again"):
        finish(train_stage2(whole_path, TOKENS))
    with whole_path.session() as session:
        assert runs.newest(session, RunKind.STAGE2).id == 2  # none was begun


def test_the_paper_s_modules_reconstruct_pixels(whole_path: Project):
    assert of_preset(Stage2Config, "foundation").reconstructs is Reconstructs.TOKENS
    assert (
        as_in_the_paper(of_preset(Stage2Config, "foundation")).reconstructs is Reconstructs.PIXELS
    )
    chosen = default_config(whole_path, Stage2Config, "foundation", is_paper=True)
    pixels = of_preset(Stage2Config, "compact").training
    assert chosen.config.training == pixels  # the schedule of pixel modules, not of token ones
    assert chosen.config.abnormal_share == 0


def test_kept_tokens_are_found_by_image(tmp_path: Path):
    ids = np.array([7, 3, 9])
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float16)
    folder = tmp_path / "001"
    folder.mkdir()
    with TokenWriter(folder, ids, (4, 5)) as writer:
        writer.write(values[:2])
        writer.write(values[2:])
    kept = KeptTokens(folder)
    assert kept.shape == (4, 5)
    places = kept.places(np.array([9, 7]))
    assert (kept.read(places) == values[[2, 0]]).all()
    with pytest.raises(NotReady, match="1 of 3 images came after stage 1"):
        kept.places(np.array([9, 7, 8]))
    file = folder / "tokens" / "tokens.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(ProjectError, match="of run 1 were cut; run stage 1 again"):
        kept.read(np.array([2]))


def test_a_full_disk_is_reported_before_and_while_writing(tmp_path: Path, monkeypatch):
    ids = np.arange(1000)
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 28)
    monkeypatch.setattr(token_files.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        ProjectError, match=r"tokens of 1000 images need 0\.2 GB .* 0\.3 GB are free"
    ):
        TokenWriter(tmp_path, ids, (256, 384))
    monkeypatch.undo()

    def fill_the_disk() -> None:
        with TokenWriter(tmp_path, ids, (2, 2)) as writer:
            writer._file.close()
            with Path("/dev/full").open("wb", buffering=0) as full:
                writer._file = full
                writer.write(np.zeros((5, 2, 2), dtype=np.float16))

    with pytest.raises(ProjectError, match="free space"):
        fill_the_disk()
    assert not (tmp_path / "tokens").exists()


def test_both_modules_have_a_curve_of_images_that_neither_learns_from(whole_path: Project):
    run, events = finish(train_stage2(whole_path, TOKENS))
    ends = [event for event in events if isinstance(event, EpochEnd)]
    assert {event.module for event in ends} == {"A", "B"}
    assert all(event.validation_loss is not None for event in ends)
    inputs = read_inputs(whole_path.run_folder(run)).images
    learnt = {int(i) for seen in inputs.values() for i in seen.ids}
    unseen = unseen_images(whole_path.run_folder(run))
    assert unseen is not None
    assert not learnt & set(unseen.ids.tolist())


def test_the_curve_of_unseen_images_changes_no_weight(
    whole_path: Project, monkeypatch: pytest.MonkeyPatch
):
    with_curve, _ = finish(train_stage2(whole_path, TOKENS))
    monkeypatch.setattr(
        "amae_engine.jobs.training.stage2_modules.unseen_images", lambda _folder: None
    )
    without, events = finish(train_stage2(whole_path, TOKENS))
    assert all(e.validation_loss is None for e in events if isinstance(e, EpochEnd))
    for module in "AB":
        one, two = (
            load_file(whole_path.run_folder(run) / module_file(module))
            for run in (with_curve, without)
        )
        assert all(torch.equal(one[name], two[name]) for name in one)
