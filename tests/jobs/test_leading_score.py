"""The leading score: chosen on normal and unlabeled images, with its reason; never on test."""

import json
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish

from amae_engine.catalog import decisions, image_tables, runs, scores, studies
from amae_engine.catalog.tables import Label, RunKind, Split
from amae_engine.cli import main
from amae_engine.config import (
    ModuleBLearns,
    ScoreConfig,
    ScoreKind,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
)
from amae_engine.errors import BadSetting
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.judging.leading_score import leading_score
from amae_engine.jobs.judging.score_images import score_images
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.jobs.training.train_stage2 import _rows_of_b, train_stage2
from amae_engine.project import Project

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def _rate(project: Project, kind: ScoreKind, normal: float, unlabeled: float) -> None:
    """Give a score of stage 1 another separation of N and U."""
    with project.session() as session:
        for split, place in ((Split.NORMAL, normal), (Split.UNLABELED, unlabeled)):
            ids = image_tables.images_in(session, split).ids
            scores.save(session, 1, kind, ids, place + np.linspace(0, 1, len(ids)))


def test_the_score_that_separates_n_and_u_best_leads_and_says_why(whole_path: Project, capsys):
    _rate(whole_path, ScoreKind.UNLABELED_PROBE, 0.0, 0.5)
    _rate(whole_path, ScoreKind.MAHALANOBIS, 0.0, 5.0)
    found = leading_score(whole_path, 3)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "AUC 1.00" in found.reason
    assert "10 unlabeled images from 20 normal ones" in found.reason
    assert "Normal against unlabeled 0." in found.reason
    assert "No test image was looked at" in found.reason
    _rate(whole_path, ScoreKind.MAHALANOBIS, 0.0, 0.0)
    assert leading_score(whole_path, 3).kind is ScoreKind.UNLABELED_PROBE
    assert main(["evaluate", "--project", str(whole_path.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["leading"] == "unlabeled_probe"
    assert told["leading_because"].startswith("it tells 10 unlabeled images")
    assert "discrepancy" in told["scores"]  # the paper's stand beside it


def test_truth_of_test_images_does_not_move_the_choice(whole_path: Project):
    before = leading_score(whole_path, 3)
    with whole_path.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.set_truth(session, ids, None, "BB")
    assert leading_score(whole_path, 3) == before


def test_without_unlabeled_images_the_density_leads(project: Project, tiny_weights: Path):
    finish(import_images(project, demo_files(20, 4, 6), "demo"))
    finish(train_stage1(project, Stage1Config(weights=str(tiny_weights), training=SHORT)))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.UNLABELED).ids.tolist()
        decisions.decide(session, ids, Label.ABNORMAL, "BB")
    finish(train_stage2(project, Stage2Config(training=SHORT)))
    finish(score_images(project, ScoreConfig()))
    found = leading_score(project, 3)
    assert found.kind is ScoreKind.MAHALANOBIS
    assert "too few unlabeled images" in found.reason


def test_module_b_can_learn_the_normal_too(whole_path: Project):
    known, abnormal = np.arange(90), np.arange(90, 100)
    paper = Stage2Config()
    assert _rows_of_b(paper, known, abnormal).tolist() == abnormal.tolist()
    both = paper.replace(module_b_learns="with_normals")
    assert len(_rows_of_b(both, known, abnormal)) == 100
    half = _rows_of_b(both.replace(abnormal_share=0.5), known, abnormal)
    assert (half >= 90).mean() == pytest.approx(0.5)
    with pytest.raises(BadSetting, match=r"abnormal_share must lie in \[0, 1\)"):
        Stage2Config(abnormal_share=1.0)
    config = Stage2Config(training=SHORT, module_b_learns=ModuleBLearns.WITH_NORMALS)
    run, _ = finish(train_stage2(whole_path, config))
    with whole_path.session() as session:
        assert runs.newest(session, RunKind.STAGE2).id == run
    from amae_engine.runs.record import run_facts

    assert "both modules know the normal" in run_facts(whole_path, run)["notes"][0]
