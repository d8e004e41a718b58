"""What the proxy task is worth is said beside every result, and never more than was measured."""

from pathlib import Path

import numpy as np
from demo_images import demo_files, finish

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind, Stage1Config, TrainingConfig
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.evaluation.leading_score import Judged, validation_split_normals
from amae_engine.jobs.evaluation.what_scores_learned import proxy_text, proxy_worth
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.sharing.export import result_text
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.project import Project


def test_the_proxys_worth_is_its_auc_of_validation_split_normals_against_u(
    project: Project, tiny_weights: Path
):
    finish(import_images(project, demo_files(60, 20, 4), "demo"))
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=16)
    config = Stage1Config(weights=str(tiny_weights), training=short, validation_percent=25)
    run, _ = finish(train_stage1(project, config))
    held = validation_split_normals(project, run)
    with project.session() as session:
        kind = ScoreKind.STAGE1_PROBABILITY
        unlabeled = image_tables.images_in(session, Split.UNLABELED).ids
        sides = [scores.of_images(session, run, kind, ids) for ids in (held, unlabeled)]
    truth = np.repeat((0, 1), [len(side) for side in sides])
    found = proxy_worth(project, run)
    assert found is not None
    assert found.auc == auc_interval(truth, np.concatenate(sides))
    assert (found.normal, found.others) == (len(held), 20)


def test_without_held_out_images_nothing_is_said(small_project: Project, tiny_weights: Path):
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    config = Stage1Config(weights=str(tiny_weights), training=short, validation_percent=0)
    run, _ = finish(train_stage1(small_project, config))
    assert proxy_worth(small_project, run) is None
    assert proxy_text(None) == ""


def test_what_is_said_follows_the_interval():
    for low, high, said in (
        (0.55, 0.75, "sees some of what sets the unlabeled images apart"),
        (0.40, 0.60, "no better than chance: nothing shows that it sees more here than its PII"),
        (0.20, 0.45, "the wrong way round"),
    ):
        judged = Judged(Auc((low + high) / 2, low, high), 40, 300)
        text = proxy_text(judged, "PII")
        assert said in text
        assert "40 normal images of the validation split from 300 unlabeled ones" in text


def test_results_say_what_was_learned(whole_path: Project):
    with whole_path.session() as session:
        stage1 = runs.newest(session, RunKind.STAGE1)
    assert stage1 is not None
    evaluation = evaluate_run(whole_path)
    assert any("onfounder" in text or "N and U" in text for text in evaluation.learned)
    assert evaluation.learned[-1] in result_text(evaluation)
